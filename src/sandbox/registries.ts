/** What package managers in a sandbox need to ask private registries through the gateway. */

import type { HomeFile } from './sandbox.ts';

const NPM_SETTINGS = '.orchestrate-npmrc';
const TOKEN = 'ORCHESTRATE_GATEWAY_TOKEN';

/** A private registry as the gateway serves it. */
export interface RegistryAccess {
  /** The gateway inside the sandbox: `http://127.0.0.1:47821`. */
  readonly url: string;
  /** The attempt's own. */
  readonly token: string;
  /** `host`, `host:port`; empty: none. */
  readonly registries: readonly string[];
}

/** The token by a name that any command can use, and npm's way to its own; nothing where there is no registry. */
export function registryVariables({ token, registries }: RegistryAccess): Readonly<Record<string, string>> {
  if (registries.length === 0) return {};
  return {
    [TOKEN]: token,
    // Lock files name the registry by its own URL.
    NPM_CONFIG_REPLACE_REGISTRY_HOST: 'always',
    // The settings of least weight: the repository's and the home's own count before it.
    NPM_CONFIG_GLOBALCONFIG: `~/${NPM_SETTINGS}`,
  };
}

/**
 * npm takes a registry's token from a variable, too, but its name has slashes, and such variables do not get past dash.
 * The file names a variable instead of the token: what a set-up leaves in the home is kept.
 */
export function registryFiles({ url, registries }: Omit<RegistryAccess, 'token'>): readonly HomeFile[] {
  if (registries.length === 0) return [];
  const { host } = new URL(url);
  const lines = registries.map((name) => `//${host}/registry/${name}/:_authToken=\${${TOKEN}}\n`);
  return [{ path: NPM_SETTINGS, content: Buffer.from(lines.join('')), mode: 0o644 }];
}
