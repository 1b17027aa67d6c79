// Which addresses the gateway may connect to.
import { BlockList, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, isPublic, parseAddress, parseCidr, permits } from '../../src/gateway/addresses.ts';

const v4 = fc.ipV4();
const v6 = fc.ipV6().filter((text) => isIPv6(text));

function publicly(text: string): boolean {
  const address = parseAddress(text);
  if (address === null) throw new Error(`not an address: ${text}`);
  return isPublic(address);
}

describe('an address', () => {
  it.each([
    ['0.0.0.0', 0n],
    ['255.255.255.255', 0xffff_ffffn],
    ['1.2.3.4', 0x0102_0304n],
    ['::', 0n],
    ['::1', 1n],
    ['1::', 1n << 112n],
    ['::ffff:1.2.3.4', 0xffff_0102_0304n],
    ['::1.2.3.4', 0x0102_0304n],
    ['64:ff9b::1.2.3.4', (0x64_ff9bn << 96n) + 0x0102_0304n],
    ['1:2:3:4:5:6:7:8', 0x0001_0002_0003_0004_0005_0006_0007_0008n],
    ['1:2:3:4:5:6:1.2.3.4', 0x0001_0002_0003_0004_0005_0006_0102_0304n],
    ['FE80::1%eth0', (0xfe80n << 112n) + 1n],
  ])('%s is read as its number', (text, value) => {
    expect(parseAddress(text)?.value).toBe(value);
  });

  it.each([
    '',
    '1',
    '1.2.3',
    '01.2.3.4',
    '0x7f.0.0.1',
    '1.2.3.4 ',
    '1.2.3.4:80',
    '[::1]',
    ':::',
    'example.org',
    '1e1.2.3.4',
  ])('%j is not one', (text) => {
    expect(parseAddress(text)).toBeNull();
  });

  it('lies in a range exactly when the system says so', () => {
    const cases = [
      { address: v4, most: 32, family: 'ipv4' },
      { address: v6, most: 128, family: 'ipv6' },
    ] as const;
    for (const { address, most, family } of cases) {
      fc.assert(
        fc.property(address, address, fc.integer({ min: 0, max: most }), (base, tried, bits) => {
          const list = new BlockList();
          list.addSubnet(base, bits, family);
          const range = parseCidr(`${base}/${bits}`);
          for (const one of [tried, base]) {
            const parsed = parseAddress(one);
            expect(range !== null && parsed !== null && contains(range, parsed)).toBe(list.check(one, family));
          }
        }),
      );
    }
  });
});

describe('public addresses', () => {
  it.each(['1.1.1.1', '8.8.8.8', '151.101.0.223', '172.15.255.255', '172.32.0.1', '100.63.255.255', '100.128.0.1'])(
    '%s is one',
    (text) => expect(publicly(text)).toBe(true),
  );
  it.each(['2606:4700::1111', '2a04:4e42::223', '2400:cb00::1', '2003::1'])('%s is one', (text) =>
    expect(publicly(text)).toBe(true),
  );

  it.each([
    ['unspecified', ['0.0.0.0', '0.1.2.3', '::']],
    ['loopback', ['127.0.0.1', '127.255.255.254', '::1']],
    ['link-local', ['169.254.0.1', '169.254.255.255', 'fe80::1', 'febf::1']],
    ['private', ['10.0.0.0', '10.255.255.255', '172.16.0.1', '172.31.255.255', '192.168.0.1']],
    ['shared by a carrier', ['100.64.0.1', '100.127.255.255']],
    ['unique local', ['fc00::1', 'fdff::1']],
    ['site-local', ['fec0::1', 'feff::1']],
    ['multicast', ['224.0.0.1', '239.255.255.255', 'ff02::1', 'ff0e::1']],
    ['benchmarking', ['198.18.0.1', '198.19.255.255', '2001:2::1']],
    ['documentation', ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff::1']],
    ['reserved or broadcast', ['240.0.0.1', '255.255.255.255', '192.0.0.8', '4000::1', '5f00::1']],
    ['metadata', ['169.254.169.254', '100.100.100.200', '168.63.129.16', '192.0.0.192', 'fd00:ec2::254']],
    ['mapped or compatible', ['::ffff:8.8.8.8', '::ffff:127.0.0.1', '::8.8.8.8', '::ffff:0:1.2.3.4']],
    ['translated', ['64:ff9b::7f00:1', '64:ff9b::8.8.8.8', '64:ff9b:1::a00:1']],
    ['tunnelled', ['2002:7f00:1::', '2002:808:808::1', '2001::1', '2001:0:7f00:1::', '192.88.99.1']],
  ])('%s ones are not', (_, texts) => {
    for (const text of texts) expect(publicly(text), text).toBe(false);
  });

  it('are never any that stand for an IPv4 address', () => {
    fc.assert(
      fc.property(v4, (inner) => {
        for (const prefix of ['::', '::ffff:', '64:ff9b::', '64:ff9b:1::']) {
          expect(publicly(prefix + inner)).toBe(false);
        }
      }),
    );
  });
});

describe('what a connection is permitted to', () => {
  it("is public addresses that are not this machine's own", () => {
    expect(permits('public', '8.8.8.8', [])).toBe(true);
    expect(permits('public', '8.8.8.8', ['8.8.8.8'])).toBe(false);
    expect(permits('public', '2606:4700:0::1', ['2606:4700::1'])).toBe(false);
    expect(permits('public', '10.0.0.1', [])).toBe(false);
  });

  it('is the addresses of a range and no others, where one is named', () => {
    expect(permits({ cidr: '10.0.0.0/8' }, '10.1.2.3', [])).toBe(true);
    expect(permits({ cidr: '10.0.0.0/8' }, '11.1.2.3', [])).toBe(false);
    expect(permits({ cidr: '10.0.0.0/8' }, '::ffff:10.1.2.3', [])).toBe(false);
    expect(permits({ cidr: 'nonsense' }, '10.1.2.3', [])).toBe(false);
  });

  it('is a metadata address only where that very address is named', () => {
    expect(permits({ cidr: '169.254.0.0/16' }, '169.254.169.254', [])).toBe(false);
    expect(permits({ cidr: '100.64.0.0/10' }, '100.100.100.200', [])).toBe(false);
    expect(permits({ cidr: 'fd00::/8' }, 'fd00:ec2::254', [])).toBe(false);
    expect(permits({ cidr: '169.254.169.254/32' }, '169.254.169.254', [])).toBe(true);
  });

  it('is anything for what the user configured', () => {
    expect(permits('any', '127.0.0.1', ['127.0.0.1'])).toBe(true);
    expect(permits('any', 'localhost', [])).toBe(false);
  });
});
