import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatDuration,
  formatSize,
  parseCount,
  parseDuration,
  parseNumber,
  parseSize,
} from '../../src/config/sizes.ts';

const MIB = 1024 ** 2;

describe('sizes', () => {
  it.each([
    ['4g', 4 * 1024 * MIB],
    ['4G', 4 * 1024 * MIB],
    ['4gb', 4 * 1024 * MIB],
    ['4GiB', 4 * 1024 * MIB],
    ['512m', 512 * MIB],
    ['1.5GiB', 1536 * MIB],
    ['64 k', 64 * 1024],
    ['1000', 1000],
    ['10b', 10],
    ['1t', 1024 ** 4],
  ])('reads %s as Docker does', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', 'g', '-1g', '4x', '4gg', '1e3', '0', '0g', '4 g b', '1,5g', 'Infinity', '99999p', '４g'])(
    'refuses %j',
    (text) => {
      expect(() => parseSize(text)).toThrow(/not a size/);
    },
  );

  it('names the bound that was broken', () => {
    expect(() => parseSize('63m', { least: 64 * MIB, most: 1024 * MIB })).toThrow('at least 64m');
    expect(() => parseSize('2g', { least: 64 * MIB, most: 1024 * MIB })).toThrow('at most 1g');
  });

  it('reads back what it writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (bytes) => {
        expect(parseSize(formatSize(bytes))).toBe(bytes);
      }),
    );
  });

  it('never takes text that Docker would not', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!/^\s*\d+(\.\d+)? ?[kmgtp]?(i?b)?\s*$/i.test(text));
        expect(() => parseSize(text)).toThrow();
      }),
    );
  });
});

describe('durations', () => {
  it.each([
    ['45s', 45_000],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['1h 30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['2 days', 172_800_000],
    ['7d', 604_800_000],
    ['1w', 604_800_000],
    ['250ms', 250],
    ['3mins', 180_000],
    ['2hrs', 7_200_000],
  ])('reads %s', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  it.each(['', '90', 'soon', '-1h', '0s', '0', '1h later', '1x', 'h', '1h30', '1e3s', '1,000s', '--1h'])(
    'refuses %j',
    (text) => {
      expect(() => parseDuration(text)).toThrow(/not a duration/);
    },
  );

  it('reads back what it writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e12 }), (milliseconds) => {
        expect(parseDuration(formatDuration(milliseconds))).toBe(milliseconds);
      }),
    );
  });
});

describe('counts and numbers', () => {
  it('takes whole numbers within their bounds', () => {
    expect(parseCount('16', { least: 16, most: 20 })).toBe(16);
    expect(() => parseCount('15', { least: 16, most: 20 })).toThrow('at least 16');
    expect(() => parseCount('21', { least: 16, most: 20 })).toThrow('at most 20');
  });

  it.each(['', '1.5', '-3', '+3', '1e1', '0x10', 'three', '９'])('takes %j for no count', (text) => {
    expect(() => parseCount(text, { least: 0, most: 100 })).toThrow(/whole number/);
  });

  it.each(['', '-1', '.5', '1e3', 'NaN', 'Infinity', '1.'])('takes %j for no number', (text) => {
    expect(() => parseNumber(text, { least: 0, most: 100 })).toThrow(/not a number/);
  });

  it('takes fractions of a CPU', () => {
    expect(parseNumber('0.5', { least: 0.1, most: 8 })).toBe(0.5);
    expect(() => parseNumber('0.05', { least: 0.1, most: 8 })).toThrow('at least 0.1');
  });
});
