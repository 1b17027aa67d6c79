/** Private registries of the settings → rules of the gateway, each with the token that its variable holds. */

import { environmentError } from '../errors.ts';
import type { EgressRule } from '../gateway/protocol.ts';
import { parseAllow } from './allow.ts';
import type { RegistryDefinition } from './settings.ts';

/** What may stand in a header as it is (RFC 6750). */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/**
 * One rule each, for port 443 or the one that is written. The range of a private network is that of a rule of `--allow` or
 * `--setup-allow` for the same host.
 * @throws environment NO_TOKEN where a variable is not set, BAD_TOKEN (never with its value); usage BAD_VALUE for a host
 */
export function registryRules(
  registries: Readonly<Record<string, RegistryDefinition>>,
  env: Readonly<Record<string, string | undefined>>,
): readonly EgressRule[] {
  return Object.entries(registries).flatMap(([host, { tokenEnv }]) => {
    const token = env[tokenEnv]?.trim() ?? '';
    if (token === '') {
      throw environmentError('NO_TOKEN', `${tokenEnv}, which holds the token of the registry ${host}, is not set`, {
        hint: `set ${tokenEnv}, or take ${host} out of the registries of the settings`,
      });
    }
    if (!TOKEN.test(token)) {
      throw environmentError(
        'BAD_TOKEN',
        `${tokenEnv} does not look like a token: it has blanks or strange characters`,
        {
          hint: 'copy it again, without quotes and without what stands around it',
        },
      );
    }
    return parseAllow([host]).map((rule) => ({ ...rule, authorization: `Bearer ${token}` }));
  });
}
