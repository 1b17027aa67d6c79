// Text in columns of a terminal.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { inputRows } from '../../cli/plan/input-rows.ts';
import { cut, fitted, widthOf, wrap } from '../../cli/render/fit.ts';
import { sanitise } from '../../src/sanitise.ts';

it('counts wide characters as two columns and never cuts one in two', () => {
  expect(widthOf('日本')).toBe(4);
  expect(cut('日本語', 5)).toBe('日本…');
  expect(cut('日本語', 4)).toBe('日…');
  expect(cut('👍🏽👍🏽', 3)).toBe('👍🏽…');
  expect(cut('abc', 0)).toBe('');
  expect(fitted('日', 4)).toBe('日  ');
});

it('wraps between words, keeps lines and their indentation, and breaks what has no blanks', () => {
  expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
  expect(wrap('a\n\nb', 7)).toEqual(['a', '', 'b']);
  expect(wrap('- one two three', 8)).toEqual(['- one', '  two', '  three']);
  expect(wrap('abcdefgh', 3)).toEqual(['abc', 'def', 'gh']);
  expect(wrap('日本語', 4)).toEqual(['日本', '語']);
});

it('sanitises what it wraps', () => {
  expect(wrap('a\x1b[2J\tb\x07', 20)).toEqual(['a  b']);
});

it('never gives a line that is too long, and loses nothing but blanks', () => {
  const text = fc.oneof(fc.lorem({ maxCount: 20 }), fc.string({ unit: 'grapheme', maxLength: 80 }));
  fc.assert(
    // There are characters of three columns.
    fc.property(text, fc.integer({ min: 3, max: 40 }), (words, width) => {
      const lines = wrap(words, width);
      for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width);
      expect(lines.join('').replace(/\s/g, '')).toBe(sanitise(words).replace(/\s/g, ''));
    }),
  );
});

it('shows the part of a long text around the cursor, and where it is', () => {
  const text = Array.from({ length: 30 }, (_, n) => `line ${n}`).join('\n');
  const shown = inputRows({ text, caret: text.indexOf('line 15') + 2 }, 40, 5);
  expect(shown.rows).toEqual(['line 13', 'line 14', 'line 15', 'line 16', 'line 17']);
  expect(shown).toMatchObject({ caret: { row: 2, column: 2 }, above: 13, below: 12 });
});

it('keeps every blank that is typed, and a column for the cursor', () => {
  expect(inputRows({ text: 'abc ', caret: 4 }, 4, 5)).toMatchObject({
    ...{ rows: ['abc', ' '], caret: { row: 1, column: 1 } },
  });
  expect(inputRows({ text: 'a\n', caret: 2 }, 4, 5)).toMatchObject({ rows: ['a', ''], caret: { row: 1, column: 0 } });
  expect(inputRows({ text: 'a\nb', caret: 1 }, 4, 5)).toMatchObject({ caret: { row: 0, column: 1 } });
});
