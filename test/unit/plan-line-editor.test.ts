// Text under the cursor, and what each key does to it.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Key, KeyName } from '../../src/plan/session/key.ts';
import { type Line, lineOf, typed } from '../../src/plan/session/line-editor.ts';

/** `|` is the cursor. */
function at(marked: string): Line {
  return { text: marked.replace('|', ''), caret: marked.indexOf('|') };
}

function shown({ text, caret }: Line): string {
  return `${text.slice(0, caret)}|${text.slice(caret)}`;
}

function press(marked: string, ...names: readonly KeyName[]): string {
  let line = at(marked);
  for (const name of names) line = typed(line, { kind: 'press', name }, { multiline: true }) ?? line;
  return shown(line);
}

function type(marked: string, key: Key, multiline = true): string {
  return shown(typed(at(marked), key, { multiline }) ?? at(marked));
}

describe('moving', () => {
  it.each<[string, KeyName, string]>([
    ['ab|c', 'left', 'a|bc'],
    ['|abc', 'left', '|abc'],
    ['ab|c', 'right', 'abc|'],
    ['abc|', 'right', 'abc|'],
    ['a\n|b', 'left', 'a|\nb'],
    ['a|\nb', 'right', 'a\n|b'],
    ['one\ntw|o', 'home', 'one\n|two'],
    ['one\nt|wo', 'ctrl-a', 'one\n|two'],
    ['o|ne\ntwo', 'end', 'one|\ntwo'],
    ['o|ne\ntwo', 'ctrl-e', 'one|\ntwo'],
    ['one two| three', 'word-left', 'one |two three'],
    ['one| two three', 'word-right', 'one two| three'],
    ['one\ntw|o', 'up', 'on|e\ntwo'],
    ['on|e\ntwo', 'down', 'one\ntw|o'],
    ['long\nx\nlon|g', 'up', 'long\nx|\nlong'],
    ['on|e', 'up', '|one'],
    ['on|e', 'down', 'one|'],
    ['|\none', 'down', '\n|one'],
    ['\n|', 'up', '|\n'],
  ])('%j, %s: %j', (before, name, after) => expect(press(before, name)).toBe(after));

  it('goes over what a reader takes for one character at once', () => {
    expect(press('e\u0301|x', 'left')).toBe('|e\u0301x');
    expect(press('|🇩🇪x', 'right')).toBe('🇩🇪|x');
    expect(press('日|本', 'right')).toBe('日本|');
  });
});

describe('deleting', () => {
  it.each<[string, KeyName, string]>([
    ['ab|c', 'backspace', 'a|c'],
    ['|abc', 'backspace', '|abc'],
    ['a\n|b', 'backspace', 'a|b'],
    ['👍🏽|', 'backspace', '|'],
    ['a|bc', 'delete', 'a|c'],
    ['abc|', 'delete', 'abc|'],
    ['a|🇩🇪c', 'ctrl-d', 'a|c'],
    ['x\none t|wo', 'ctrl-u', 'x\n|wo'],
    ['one| two\nx', 'ctrl-k', 'one|\nx'],
    ['one|\nx', 'ctrl-k', 'one|x'],
    ['one two |three', 'ctrl-w', 'one |three'],
    ['|three', 'ctrl-w', '|three'],
  ])('%j, %s: %j', (before, name, after) => expect(press(before, name)).toBe(after));
});

describe('typing and pasting', () => {
  it('puts it where the cursor is, and the cursor behind it', () => {
    expect(type('a|c', { kind: 'text', text: 'b' })).toBe('ab|c');
    expect(type('a |c', { kind: 'text', text: ' ' })).toBe('a  |c');
  });

  it('never leaves the cursor inside of what became one character', () => {
    expect(type('e|x', { kind: 'text', text: '\u0301' })).toBe('e\u0301|x');
    expect(type('|\u0301', { kind: 'text', text: 'e' })).toBe('e\u0301|');
  });

  it('keeps the lines of a paste where there may be lines, else makes blanks of them', () => {
    const paste = { kind: 'paste', text: 'one\r\ntwo\n\tthree' } as const;
    expect(type('|', paste)).toBe('one\ntwo\n  three|');
    expect(type('|', paste, false)).toBe('one two three|');
    expect(typed(at('a|'), { kind: 'press', name: 'newline' }, { multiline: false })).toBeNull();
  });

  it('takes nothing that acts on a terminal', () => {
    const hostile = 'a\x1b[2J\x1b]0;title\x07b\u202ec\x00d\x9b31me';
    expect(type('|', { kind: 'paste', text: hostile })).toBe('abcde|');
  });

  it('stays below a bound, and whole at it', () => {
    const full = lineOf('x'.repeat(19_999));
    expect(typed(full, { kind: 'text', text: '😀' }, { multiline: true })?.text).toBe(full.text);
    expect(typed(full, { kind: 'paste', text: 'yz' }, { multiline: true })?.text).toHaveLength(20_000);
  });
});

it('does nothing for a key that is none of an editor', () => {
  expect(typed(at('a|'), { kind: 'press', name: 'tab' }, { multiline: true })).toBeNull();
  expect(typed(at('a|'), { kind: 'press', name: 'page-up' }, { multiline: true })).toBeNull();
});

it('keeps the cursor between characters, whatever is typed', () => {
  const names: readonly KeyName[] = ['left', 'right', 'up', 'down', 'home', 'end', 'backspace', 'delete', 'newline'];
  const more: readonly KeyName[] = ['ctrl-u', 'ctrl-k', 'ctrl-w', 'word-left', 'word-right'];
  const pressed = fc.constantFrom(...names, ...more).map((name): Key => ({ kind: 'press', name }));
  const text = fc.oneof(fc.constantFrom('a', ' ', 'e', '\u0301', '🇩', '🇪', '👍', '🏽', '日', '\n'), fc.string());
  const inserted = text.map((words): Key => ({ kind: 'paste', text: words }));
  const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  fc.assert(
    fc.property(fc.array(fc.oneof(pressed, inserted), { maxLength: 40 }), (keys) => {
      let line = lineOf('');
      for (const key of keys) {
        line = typed(line, key, { multiline: true }) ?? line;
        const borders = Array.from(graphemes.segment(line.text), ({ index }) => index);
        expect([...borders, line.text.length]).toContain(line.caret);
      }
    }),
    { numRuns: 500, seed: 7 },
  );
});
