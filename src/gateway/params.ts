/** Parameters of the coordinator's calls. It is built together with the gateway: only what would do harm is checked. */

import { CallFault } from '../session/protocol.ts';
import type { Caps } from '../types.ts';
import type { AttemptAccess, Configuration } from './protocol.ts';

type Params = Readonly<Record<string, unknown>>;

export function textParam(params: Params, name: string): string {
  const value = params[name];
  if (typeof value === 'string') return value;
  throw badParam(name);
}

export function numberParam(params: Params, name: string): number {
  const value = params[name];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw badParam(name);
}

export function capsParam({ usd, tokens }: Params): Caps {
  for (const cap of [usd, tokens]) if (cap !== null && !(typeof cap === 'number' && cap >= 0)) throw badParam('cap');
  return { usd, tokens } as Caps;
}

export function configurationParam(params: Params): Configuration {
  const { upstreams, prices, caps, spent } = params;
  if (!Array.isArray(upstreams)) throw badParam('upstreams');
  for (const upstream of upstreams) {
    if (!URL.canParse(upstream?.baseUrl) || typeof upstream.auth?.value !== 'string') throw badParam('upstreams');
  }
  if (!isRecord(prices) || !isRecord(caps) || !isRecord(spent)) throw badParam('prices, caps or spent');
  return params as unknown as Configuration;
}

export function accessParam(params: Params): AttemptAccess {
  const { token, toolboxToken, apis, allow, caps } = params;
  textParam(params, 'attempt');
  // An empty token would let everybody in who sends none.
  for (const one of [token, ...(toolboxToken === null ? [] : [toolboxToken])]) {
    if (typeof one !== 'string' || one.length < 32) throw badParam('token');
  }
  if (!Array.isArray(apis) || !Array.isArray(allow) || !isRecord(caps)) throw badParam('apis, allow or caps');
  return params as unknown as AttemptAccess;
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Never tells the value: it may be the secret. */
function badParam(name: string): CallFault {
  return new CallFault('GATEWAY_BAD_CALL', `${name} is missing or malformed`);
}
