/** IP addresses as numbers: which of them are public, and which lie in a range. Pure. */

import { isIP } from 'node:net';

/** Which addresses a connection may go to: any at all, public ones, or those in a range (CIDR) and no others. */
export type Ranges = 'any' | 'public' | { readonly cidr: string };

export interface Address {
  readonly family: 4 | 6;
  readonly value: bigint;
}

export interface Range extends Address {
  /** Bits of the prefix that count. */
  readonly bits: number;
}

const WIDTH = { 4: 32, 6: 128 } as const;

/**
 * Everything of the registries of special-purpose addresses that is not a host on the internet: "this" network, private
 * (RFC 1918), shared (CGNAT), loopback, link-local, protocol assignments, documentation, 6to4 relays, benchmarking,
 * multicast, reserved and broadcast. The last one is public but a cloud's own service for its machines.
 */
const NOT_PUBLIC_V4 = ranges(
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4', '168.63.129.16/32'],
);

/**
 * Of IPv6 only global unicast is public: loopback, unspecified, IPv4-mapped and -compatible, NAT64 (64:ff9b::/96 and
 * 64:ff9b:1::/48), unique local, site-local, link-local and multicast all lie outside.
 */
const GLOBAL_V6 = ranges('2000::/3');
/** Protocol assignments (with Teredo and benchmarking), documentation, 6to4: they carry or stand for other addresses. */
const NOT_PUBLIC_V6 = ranges('2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20');

/** Where clouds tell a machine its secrets: a range lets them in only by naming the very address. */
const METADATA = ranges(
  ...['169.254.169.254/32', '169.254.170.2/32', '169.254.170.23/32', '169.254.169.253/32', '169.254.0.23/32'],
  ...['100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32', 'fd00:ec2::254/128', 'fd00:ec2::23/128'],
  ...['fd20:ce::254/128', 'fd00:42::42/128'],
);

/** An address in its usual notation (IPv6 also with a zone, which is dropped); null for any other text. */
export function parseAddress(text: string): Address | null {
  const family = isIP(text);
  if (family === 4) return { family, value: parseV4(text) };
  if (family === 6) return { family, value: parseV6(text.split('%', 1)[0] ?? '') };
  return null;
}

/** `10.0.0.0/8`, `fd00::/8`; null for any other text. Bits behind the prefix do not count. */
export function parseCidr(text: string): Range | null {
  const match = /^([0-9a-f.:]+)\/(0|[1-9]\d{0,2})$/i.exec(text);
  const address = parseAddress(match?.[1] ?? '');
  const bits = Number(match?.[2]);
  return address === null || bits > WIDTH[address.family] ? null : { ...address, bits };
}

export function contains(range: Range, address: Address): boolean {
  const rest = BigInt(WIDTH[range.family] - range.bits);
  return range.family === address.family && range.value >> rest === address.value >> rest;
}

/** Whether it can be a host on the internet that is nobody's inside. */
export function isPublic(address: Address): boolean {
  if (address.family === 4) return !within(NOT_PUBLIC_V4, address);
  return within(GLOBAL_V6, address) && !within(NOT_PUBLIC_V6, address);
}

/**
 * Whether a connection may go there.
 * @param own addresses of this machine, which count as not public
 */
export function permits(allowed: Ranges, text: string, own: readonly string[]): boolean {
  const address = parseAddress(text);
  if (address === null) return false;
  if (allowed === 'any') return true;
  if (allowed === 'public') {
    return isPublic(address) && !own.some((mine) => parseAddress(mine)?.value === address.value);
  }
  const range = parseCidr(allowed.cidr);
  if (range === null || !contains(range, address)) return false;
  return range.bits === WIDTH[range.family] || !within(METADATA, address);
}

function within(list: readonly Range[], address: Address): boolean {
  return list.some((range) => contains(range, address));
}

function ranges(...texts: readonly string[]): readonly Range[] {
  return texts.flatMap((text) => parseCidr(text) ?? []);
}

function parseV4(text: string): bigint {
  return text.split('.').reduce((value, part) => value * 256n + BigInt(part), 0n);
}

/** Of a valid one. A dotted end is two groups; `::` stands for as many zero groups as are missing. */
function parseV6(text: string): bigint {
  const dotted = /[^:]+\.[^:]+$/.exec(text)?.[0];
  const hex = dotted === undefined ? text : text.slice(0, -dotted.length) + groupsOf(parseV4(dotted));
  const [head, tail] = hex.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const front = head ?? [];
  const back = tail ?? [];
  const zeros = Array<string>(8 - front.length - back.length).fill('0');
  return [...front, ...zeros, ...back].reduce((value, group) => value * 0x1_0000n + BigInt(`0x${group}`), 0n);
}

function groupsOf(v4: bigint): string {
  return `${(v4 >> 16n).toString(16)}:${(v4 & 0xffffn).toString(16)}`;
}
