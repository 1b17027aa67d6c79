import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reveal, revealLine, safeJson, sanitise, sanitiseLine } from '../../src/sanitise.ts';

/** C0 but newline and tab, DEL, C1, bidi, zero-width, separators, tags, lone surrogates: nothing of it may get out. */
function dangers(text: string): string[] {
  return [...text].filter((character) => {
    const code = character.codePointAt(0) ?? 0;
    const isIn = (from: number, to: number) => code >= from && code <= to;
    if (code === 0x0a || code === 0x09) return false;
    return (
      isIn(0, 0x1f) ||
      isIn(0x7f, 0x9f) ||
      isIn(0x200b, 0x200f) ||
      isIn(0x2028, 0x202e) ||
      isIn(0x2060, 0x206f) ||
      isIn(0xd800, 0xdfff) ||
      isIn(0xfff9, 0xfffb) ||
      isIn(0xe0000, 0xe007f) ||
      [0xad, 0x61c, 0x180e, 0xfeff].includes(code)
    );
  });
}

const nasty = fc.constantFrom(
  ...[
    '\x1b',
    '\x1b[',
    '\x1b]0;',
    '\x1bP',
    '\x1b_',
    '\x1b^',
    '\x9b',
    '\x9d',
    '\x90',
    '\x07',
    '\x1b\\',
    '\x9c',
    '\r',
    '\b',
    '\0',
  ],
  ...[
    '\u202e',
    '\u2066',
    '\u200b',
    '\u200d',
    '\ufeff',
    '\u{e0041}',
    '\ud800',
    '\udc00',
    '\u2028',
    '\x7f',
    '31m',
    '2J',
    ';',
  ],
);
const hostile = fc
  .array(fc.oneof(nasty, fc.string({ unit: 'binary', maxLength: 8 })), { maxLength: 30 })
  .map((parts) => parts.join(''));
const visible = fc.string({ unit: fc.constantFrom(...'abcXYZ019 äß漢字🙂{}[]();:/\\"\'\n\t') });

describe('sanitise', () => {
  it('lets nothing out that a terminal acts on', () => {
    fc.assert(
      fc.property(hostile, (text) => void expect(dangers(sanitise(text))).toEqual([])),
      { numRuns: 2000 },
    );
  });

  it('keeps visible text as it is', () => {
    fc.assert(fc.property(visible, (text) => void expect(sanitise(text)).toBe(text)));
  });

  it('keeps visible text between sequences', () => {
    const parts = fc.array(
      fc.tuple(
        fc.constantFrom('\x1b[31m', '\x1b]0;title\x07', '\x1b[2J', '\0', '\u202e', '\x1b7'),
        fc.constantFrom('one', 'Über', '漢'),
      ),
    );
    fc.assert(
      fc.property(parts, (pairs) => {
        expect(sanitise(pairs.flat().join(''))).toBe(pairs.map(([, text]) => text).join(''));
      }),
    );
  });

  it.each([
    ['colour', '\x1b[31mred\x1b[0m', 'red'],
    ['true colour', '\x1b[38;2;1;2;3mx\x1b[m', 'x'],
    ['cursor', 'a\x1b[2Jb\x1b[Hc', 'abc'],
    ['private mode', '\x1b[?1049hx\x1b[?25l', 'x'],
    ['window title', '\x1b]0;evil\x07text', 'text'],
    ['window title ended by ST', '\x1b]2;evil\x1b\\text', 'text'],
    ['hyperlink', '\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\', 'link'],
    ['clipboard', '\x1b]52;c;ZXZpbA==\x07x', 'x'],
    ['unterminated title', '\x1b]0;evil', ']0;evil'],
    ['8-bit CSI', '\x9b31mred', 'red'],
    ['8-bit title: harmless, its words stay', '\x9d0;evil\x9ctext', '0;eviltext'],
    ['device control string', '\x1bPq#0\x1b\\x', 'x'],
    ['application command', '\x1b_evil\x1b\\x', 'x'],
    ['privacy message', '\x1b^evil\x1b\\x', 'x'],
    ['start of string', '\x1bXevil\x1b\\x', 'x'],
    ['lone escape', 'a\x1b', 'a'],
    ['reset', '\x1bcx', 'x'],
    ['character set', '\x1b(0x', 'x'],
    ['bell', 'a\x07b', 'ab'],
    ['backspace', 'no\b\byes', 'noyes'],
    ['null', 'a\0b', 'ab'],
    ['delete', 'a\x7fb', 'ab'],
    ['form feed and vertical tab', 'a\fb\vc', 'abc'],
    ['Windows line end', 'a\r\nb', 'a\nb'],
    ['carriage return', '10%\r20%', '10%\n20%'],
    ['bidi override', 'a\u202eb\u202c', 'ab'],
    ['zero width', 'p\u200ba\u200dy', 'pay'],
    ['byte order mark', '\ufeffx', 'x'],
    ['line separator', 'a\u2028b', 'a\nb'],
    ['tag characters', 'x\u{e0041}\u{e007f}', 'x'],
    ['lone surrogate', 'a\ud800b', 'a\ufffdb'],
  ])('%s', (_, text, clean) => {
    expect(sanitise(text)).toBe(clean);
  });

  it('makes one line of many', () => {
    expect(sanitiseLine(' one\n\ttwo\r\nthree ')).toBe('one two three');
    fc.assert(fc.property(hostile, (text) => void expect(sanitiseLine(text)).not.toMatch(/[\n\t]/)));
  });
});

describe('reveal', () => {
  it('lets nothing out that a terminal acts on', () => {
    fc.assert(
      fc.property(hostile, (text) => void expect(dangers(reveal(text))).toEqual([])),
      { numRuns: 2000 },
    );
    fc.assert(fc.property(hostile, (text) => void expect(revealLine(text)).not.toMatch(/[\n\t]/)));
  });

  it('spells out what cannot be seen, so that two names never look the same', () => {
    expect(revealLine('.g\u200cit')).toBe('.g\\u{200c}it');
    expect(revealLine('a\x1b[2Jb\n')).toBe('a\\x1b[2Jb\\n');
  });
});

describe('safeJson', () => {
  it('is JSON of the same value', () => {
    fc.assert(fc.property(hostile, (text) => void expect(JSON.parse(safeJson({ text }))).toEqual({ text })));
  });

  it('lets nothing out that a terminal acts on', () => {
    fc.assert(
      fc.property(hostile, (text) => void expect(dangers(safeJson([text], 2))).toEqual([])),
      { numRuns: 2000 },
    );
  });
});
