/** What a sandbox is given so that its ordinary programs use the gateway's forward proxy and private registries. */

import type { Access } from '../engine/engine.ts';
import type { EgressRule } from '../gateway/protocol.ts';
import { DEFAULT_PORT } from '../gateway/rules.ts';
import { registryFiles, registryVariables } from '../sandbox/registries.ts';
import type { HomeFile } from '../sandbox/sandbox.ts';

export interface Egress {
  readonly env: Readonly<Record<string, string>>;
  readonly homeFiles: readonly HomeFile[];
}

/** Nothing where no host is allowed. */
export function egressOf(allow: readonly EgressRule[], { url, token }: Access): Egress {
  if (allow.length === 0) return { env: {}, homeFiles: [] };
  const registries = { url, token, registries: registriesOf(allow) };
  const proxy = url.replace('://', `://agent:${token}@`);
  const direct = 'localhost,127.0.0.1,::1,sandbox';
  return {
    env: {
      ...{ HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NO_PROXY: direct },
      ...{ http_proxy: proxy, https_proxy: proxy, no_proxy: direct },
      ...registryVariables(registries),
    },
    homeFiles: registryFiles(registries),
  };
}

/** The hosts that the gateway adds a token to, as they are named below its own URL. */
export function registriesOf(rules: readonly EgressRule[]): readonly string[] {
  return rules
    .filter(({ authorization }) => authorization !== null)
    .flatMap(({ host, ports }) => ports.map((port) => (port === DEFAULT_PORT ? host : `${host}:${port}`)));
}
