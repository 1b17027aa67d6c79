// From what terminals send to keys.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyDecoder } from '../../cli/key-decoder.ts';
import type { Key } from '../../src/plan/session/key.ts';

function decoded(...chunks: readonly string[]): readonly Key[] {
  const decoder = new KeyDecoder();
  return [...chunks.flatMap((chunk) => decoder.push(chunk)), ...decoder.flush()];
}

function names(...chunks: readonly string[]): readonly string[] {
  return decoded(...chunks).map((key) => (key.kind === 'press' ? key.name : `${key.kind}:${key.text}`));
}

it.each([
  ['\r', 'enter'],
  ['\n', 'newline'],
  ['\x1b\r', 'newline'],
  ['\x1b[13;2u', 'newline'],
  ['\x1b[13u', 'enter'],
  ['\x1b', 'escape'],
  ['\t', 'tab'],
  ['\x7f', 'backspace'],
  ['\b', 'backspace'],
  ['\x1b[3~', 'delete'],
  ['\x1b[A', 'up'],
  ['\x1bOB', 'down'],
  ['\x1b[C', 'right'],
  ['\x1b[1;2D', 'word-left'],
  ['\x1b[1;5C', 'word-right'],
  ['\x1bb', 'word-left'],
  ['\x1bf', 'word-right'],
  ['\x1b\x7f', 'ctrl-w'],
  ['\x1b[H', 'home'],
  ['\x1bOF', 'end'],
  ['\x1b[1~', 'home'],
  ['\x1b[8~', 'end'],
  ['\x1b[5~', 'page-up'],
  ['\x1b[6~', 'page-down'],
  ['\x03', 'ctrl-c'],
  ['\x1a', 'ctrl-z'],
  ['ä', 'text:ä'],
  ['👍🏽', 'text:👍🏽'],
])('%j is %s', (sent, name) => expect(names(sent)).toEqual([name]));

it('takes several keys of one chunk one by one', () => {
  expect(names('a\x1b[B\rb')).toEqual(['text:a', 'down', 'enter', 'text:b']);
});

it('does nothing for sequences that it does not know', () => {
  expect(names('\x1b[99;99z', '\x1b[?1;2c', '\x1bq', '\x00', 'a')).toEqual(['text:a']);
});

it('knows an escape from the beginning of something longer only by what comes after', () => {
  const decoder = new KeyDecoder();
  expect(decoder.push('\x1b')).toEqual([]);
  expect(decoder.waits).toBe(50);
  expect(decoder.push('[')).toEqual([]);
  expect(decoder.push('A')).toEqual([{ kind: 'press', name: 'up' }]);
  expect(decoder.waits).toBeNull();
  expect(names('\x1b\x1b')).toEqual(['escape', 'escape']);
});

describe('a paste', () => {
  it('is one key, whatever is in it', () => {
    expect(decoded('a\x1b[200~x\r\x03\x1b[A\x1b[2J\x1b[201~b')).toEqual([
      { kind: 'text', text: 'a' },
      { kind: 'paste', text: 'x\r\x03\x1b[A\x1b[2J' },
      { kind: 'text', text: 'b' },
    ]);
  });

  it('without an end is what there is of it, after a while', () => {
    const decoder = new KeyDecoder();
    expect(decoder.push('\x1b[200~abc\x1b[20')).toEqual([]);
    expect(decoder.waits).toBe(1000);
    expect(decoder.flush()).toEqual([{ kind: 'paste', text: 'abc\x1b[20' }]);
    expect(decoder.push('d')).toEqual([{ kind: 'text', text: 'd' }]);
  });

  it('keeps to a bound', () => {
    const [key] = decoded(`\x1b[200~${'x'.repeat(3 * 1024 ** 2)}\x1b[201~`);
    expect(key).toMatchObject({ kind: 'paste', text: 'x'.repeat(1024 ** 2) });
  });
});

it('gives the same keys wherever the chunks are cut', () => {
  const part = fc.constantFrom(
    'a',
    'é',
    '\r',
    '\x1b[A',
    '\x1b[1;5D',
    '\x1b[200~p\rq\x1b[31m\x1b[201~',
    '\x1bOH',
    '\x03',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.array(fc.nat(200), { maxLength: 8 }), (parts, cuts) => {
      const sent = parts.join('');
      const places = [...new Set(cuts.map((at) => at % (sent.length + 1)))].sort((a, b) => a - b);
      const chunks = [0, ...places].map((from, index) => sent.slice(from, places[index] ?? sent.length));
      expect(decoded(...chunks)).toEqual(decoded(sent));
    }),
    { numRuns: 500 },
  );
});
