import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { idMaker, slugOf, titleOf } from '../../src/tasks/slug.ts';

describe('slugOf', () => {
  it.each([
    ['Add OAuth2 login', 'add-oauth2-login'],
    ['Café — crème brûlée', 'cafe-creme-brulee'],
    ['ﬁx the ½ case', 'fix-the-1-2-case'],
    ["Don't panic", 'dont-panic'],
    ['  --weird__title.lock  ', 'weird-title-lock'],
    ['日本語', ''],
    ['', ''],
  ])('makes %j into %j', (title, slug) => {
    expect(slugOf(title)).toBe(slug);
  });

  it('cuts a long title between words', () => {
    expect(slugOf('Make the configuration loader report every problem at once')).toBe(
      'make-the-configuration-loader-report',
    );
  });

  it('cuts a word that alone is too long', () => {
    expect(slugOf('x'.repeat(100))).toBe('x'.repeat(40));
  });

  it('always gives a part of a git ref name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 120 }), (title) => {
        expect(slugOf(title)).toMatch(/^([a-z0-9]+(-[a-z0-9]+)*)?$/);
        expect(slugOf(title).length).toBeLessThanOrEqual(40);
      }),
    );
  });
});

describe('idMaker', () => {
  it('numbers equal titles from 2', () => {
    const idOf = idMaker(() => false);
    expect([idOf('Add login', 1), idOf('add login!', 2), idOf('Add login', 3)]).toEqual([
      'add-login',
      'add-login-2',
      'add-login-3',
    ]);
  });

  it('names a task by its number where nothing is left of the title', () => {
    expect(idMaker(() => false)('日本語', 7)).toBe('task-7');
  });

  it('never gives a taken id twice, nor a longer one than 40 characters', () => {
    const title = fc.oneof(fc.constantFrom('a', 'a 2', 'a-2-2', 'x'.repeat(60), '…'), fc.string());
    fc.assert(
      fc.property(fc.array(title, { maxLength: 60 }), fc.array(title), (titles, earlier) => {
        const taken = new Set(earlier.map(slugOf));
        const idOf = idMaker((id) => taken.has(id));
        const ids = titles.map((text, i) => idOf(text, i + 1));
        expect(new Set([...taken, ...ids]).size).toBe(taken.size + titles.length);
        for (const id of ids) expect(id).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
        for (const id of ids) expect(id.length).toBeLessThanOrEqual(40);
      }),
    );
  });
});

describe('titleOf', () => {
  it('takes the first line that says something', () => {
    expect(titleOf('\n  \r\n  Fix the   parser\n\nIt crashes.')).toBe('Fix the parser');
  });

  it('cuts a long line between words to at most 72 characters', () => {
    const title = titleOf(`${'word '.repeat(30)}end`);
    expect(title).toBe('word '.repeat(14).trim());
  });

  it('never cuts a character in two', () => {
    expect(titleOf(`x${'🦊'.repeat(60)}`)).toBe(`x${'🦊'.repeat(35)}`);
  });
});
