/** Which hosts an attempt may reach: names in one form, matched label by label against its rules. Pure. */

import { domainToASCII } from 'node:url';
import type { Ranges } from './addresses.ts';
import type { DenialCode, EgressRule } from './protocol.ts';

/** Hosts are reached over TLS unless a rule names other ports. */
export const DEFAULT_PORT = 443;

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const MOST_OF_A_HOST = 253;
/** The last label decides whether a name is an IPv4 address in some notation (decimal, octal, hexadecimal, short). */
const NUMBER = /^(?:\d+|0x[0-9a-f]*)$/;

/** Lower case, without the final dot, in ASCII (`bücher.example` → `xn--bcher-kva.example`); null for what is no host name. */
export function normaliseHost(text: string): string | null {
  // What the URL rules would decode or cut off is no part of a name.
  if (text.length > MOST_OF_A_HOST * 4 || /[\s%@:/\\?#[\]]/.test(text)) return null;
  const name = domainToASCII(text.toLowerCase()).replace(/\.$/, '');
  const labels = name.split('.');
  if (name.length > MOST_OF_A_HOST || !labels.every((label) => LABEL.test(label))) return null;
  return NUMBER.test(labels.at(-1) ?? '') ? null : name;
}

/** Whether it is an address, or would be read as one by somebody. */
export function looksLikeAddress(text: string): boolean {
  if (/[[\]:]/.test(text)) return true;
  const last = domainToASCII(text).replace(/\.$/, '').split('.').at(-1) ?? '';
  return NUMBER.test(last) || NUMBER.test(text.toLowerCase().replace(/\.$/, '').split('.').at(-1) ?? '');
}

export type Verdict =
  | {
      readonly allowed: true;
      /** In its normal form. */
      readonly host: string;
      readonly ranges: Ranges;
      /** Of a rule that names this very host. */
      readonly authorization: string | null;
      /** The rule names a private range: the host is one of the user's own. */
      readonly inside: boolean;
    }
  | { readonly allowed: false; readonly reason: DenialCode; readonly allowWith: string | null };

/**
 * Whether a host (in any notation) may be reached at a port. Where several rules match, one that names a range counts
 * before one that does not.
 */
export function judge(rules: readonly EgressRule[], written: string, port: number): Verdict {
  if (looksLikeAddress(written)) return { allowed: false, reason: 'address-not-allowed', allowWith: null };
  const host = normaliseHost(written);
  if (host === null) return { allowed: false, reason: 'bad-request', allowWith: null };
  const ofHost = rules.filter((rule) => matches(rule.host, host));
  const matching = ofHost.filter((rule) => rule.ports.includes(port));
  if (matching.length === 0) {
    const reason = ofHost.length === 0 ? 'host-not-allowed' : 'port-not-allowed';
    return { allowed: false, reason, allowWith: allowWith(host, port) };
  }
  const cidr = matching.find((rule) => rule.cidr !== null)?.cidr ?? null;
  const authorization = matching.find((rule) => rule.host === host && rule.authorization !== null)?.authorization;
  return {
    allowed: true,
    host,
    ranges: cidr === null ? 'public' : { cidr },
    authorization: authorization ?? null,
    inside: cidr !== null,
  };
}

/** `*.example.org` is any name below `example.org`, never that name itself. */
export function matches(pattern: string, host: string): boolean {
  return pattern.startsWith('*.')
    ? host.endsWith(pattern.slice(1)) && host.length > pattern.length - 1
    : host === pattern;
}

/** The flags of `run` with which a host could be reached. */
function allowWith(host: string, port: number): string {
  return `--network allowlist --allow ${port === DEFAULT_PORT ? host : `${host}:${port}`}`;
}

/** `host:port` as CONNECT and `Host` have it, with `port` where it may be left out; null for anything else. */
export function parseAuthority(
  text: string,
  defaultPort: number | null,
): { readonly host: string; readonly port: number } | null {
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? '';
  const port = match?.[2] === undefined ? defaultPort : Number(match[2]);
  if (host === '' || port === null || port < 1 || port > 65_535) return null;
  return { host, port };
}
