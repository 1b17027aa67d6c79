import { describe, expect, it } from 'vitest';
import { nameSome, objectId, printablePath, quotePath } from '../../src/git/bytes.ts';
import { isSafePath } from '../../src/git/safe-path.ts';

const latin1 = (text: string) => Buffer.from(text, 'latin1');

describe('printablePath', () => {
  it.each([
    ['plain/path with space', 'plain/path with space'],
    ['日本/é/😀/\ufffd', '日本/é/😀/\ufffd'],
    ['a\nb\t\x1b[0m\x7f', 'a\\x0Ab\\x09\\x1B[0m\\x7F'],
    ['c1 \u009b', 'c1 \\xC2\\x9B'],
  ])('%j', (path, shown) => {
    expect(printablePath(Buffer.from(path))).toBe(shown);
  });

  it.each([
    ['\xff', '\\xFF'],
    ['ok\xc3', 'ok\\xC3'],
    ['\xc3\xa9\xe9', 'é\\xE9'],
    ['\xed\xa0\x80', '\\xED\\xA0\\x80'],
    ['\xc0\xae', '\\xC0\\xAE'],
  ])('bytes that are no UTF-8: %j', (path, shown) => {
    expect(printablePath(latin1(path))).toBe(shown);
  });
});

describe('quotePath', () => {
  it("is ASCII in git's C-style quotes", () => {
    expect(quotePath(latin1('a"b\\c\n\xff'))).toBe('"a\\"b\\\\c\\012\\377"');
  });
});

describe('objectId', () => {
  it('is what git computes', () => {
    expect(objectId('sha1', 'blob', Buffer.alloc(0))).toBe('e69de29bb2d1d6434b8b29ae775ad8c2e48c5391');
  });
});

describe('isSafePath', () => {
  it.each(['a', '.gitignore', 'a/.gitattributes', '.github/x', 'git', 'x.git', '...', 'a b', '.gitmodules'])(
    'takes %j',
    (path) => {
      expect(isSafePath(Buffer.from(path), 'file')).toBe(true);
    },
  );

  it('lets a delete name anything that can be in a tree', () => {
    expect(isSafePath(Buffer.from('.git'), 'delete')).toBe(true);
    expect(isSafePath(Buffer.from('a//b'), 'delete')).toBe(false);
  });
});

describe('nameSome', () => {
  it('names the first and counts the rest', () => {
    expect(nameSome(['a', 'b'], 2)).toBe('a, b');
    expect(nameSome(['a', 'b', 'c', 'd'], 2)).toBe('a, b and 2 more');
  });
});
