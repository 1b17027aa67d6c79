// Lines of a program's output come out whole, whatever pieces they arrive in, and never grow without bound.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonLines, type Line } from '../../src/engine/json-lines.ts';

function readAll(text: string, size: number, limit?: number): readonly Line[] {
  const lines = new JsonLines(limit);
  const bytes = Buffer.from(text);
  const found: Line[] = [];
  for (let at = 0; at < bytes.length; at += size) found.push(...lines.push(bytes.subarray(at, at + size)));
  return [...found, ...lines.end()];
}

describe('JSON Lines', () => {
  it('are the same in any pieces', () => {
    const objects = fc.array(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), { maxLength: 8 });
    fc.assert(
      fc.property(objects, fc.integer({ min: 1, max: 40 }), fc.boolean(), (values, size, ends) => {
        const text = values.map((value) => JSON.stringify(value)).join('\n') + (ends ? '\n' : '');
        const expected = values.map((value) => ({ kind: 'json', value: JSON.parse(JSON.stringify(value)) }));
        expect(readAll(text, size)).toEqual(expected);
      }),
    );
  });

  it('that are no objects are text', () => {
    expect(readAll('hello\n\n{"a":\n[1]\nnull\nå', 3)).toEqual(
      ['hello', '{"a":', '[1]', 'null', 'å'].map((text) => ({ kind: 'text', text })),
    );
  });

  it('longer than the limit are left out with their length, and the next is read', () => {
    const lines = readAll(`{"a":"${'x'.repeat(100)}"}\n{"b":1}\n${'y'.repeat(50)}`, 7, 40);
    expect(lines).toEqual([
      { kind: 'too-long', bytes: 108 },
      { kind: 'json', value: { b: 1 } },
      { kind: 'too-long', bytes: 50 },
    ]);
  });

  it('without an end are not kept', () => {
    const lines = new JsonLines();
    const piece = Buffer.alloc(1024 * 1024, 'x');
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 256; i += 1) expect(lines.push(piece)).toEqual([]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
    expect(lines.end()).toEqual([{ kind: 'too-long', bytes: 256 * 1024 * 1024 }]);
  });
});
