import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { filesOverlap, overlapsOf } from '../../src/tasks/overlap.ts';

describe('files of two tasks', () => {
  it.each([
    ['src/a.ts', 'src/a.ts', 'src/a.ts'],
    ['./src/a.ts', 'src/a.ts', './src/a.ts'],
    ['src/', 'src/deep/a.ts', 'src/'],
    ['src', 'src/deep/a.ts', 'src'],
    ['src/**', 'src/a.ts', 'src/a.ts'],
    ['src/*.ts', 'src/a.ts', 'src/a.ts'],
    ['**/*.test.ts', 'src/a.test.ts', 'src/a.test.ts'],
    ['**/*.ts', 'src/*', 'src/*'],
    ['src/{a,b}.ts', 'src/a.ts', 'src/a.ts'],
    ['src/[ab].ts', 'src/a.ts', 'src/a.ts'],
    ['a*c', 'ab*', 'ab*'],
    ['/', 'any/thing.ts', '/'],
  ])('meet: %s and %s', (a, b, file) => {
    expect(filesOverlap([a], [b])).toBe(file);
    expect(filesOverlap([b], [a])).not.toBeNull();
  });

  it.each([
    ['src/a.ts', 'src/b.ts'],
    ['src/a.ts', 'src/a.tsx'],
    ['src/', 'source/a.ts'],
    ['**/*.test.ts', 'src/a.ts'],
    ['src/*.ts', 'src/deep/a.ts'],
    ['src/a.ts', 'src/a.ts/b.ts'],
    ['docs/*.md', 'docs/*.txt'],
    ['a*c.ts', 'b*.ts'],
  ])('do not meet: %s and %s', (a, b) => {
    expect(filesOverlap([a], [b])).toBeNull();
    expect(filesOverlap([b], [a])).toBeNull();
  });

  it('are nothing where nothing is known', () => {
    expect(filesOverlap([], ['src/'])).toBeNull();
    expect(filesOverlap(['src/'], [])).toBeNull();
  });

  const name = fc.stringMatching(/^[ab*?.]{1,3}$/);
  const pattern = fc
    .array(fc.oneof(name, fc.constant('**')), { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join('/'));
  const lists = fc.array(fc.array(pattern, { maxLength: 3 }), { minLength: 2, maxLength: 5 });

  it('are found among many lists as they are between two', () => {
    fc.assert(
      fc.property(lists, (all) => {
        const pairs = all.flatMap((a, i) =>
          all.slice(i + 1).flatMap((b, more) => (filesOverlap(a, b) === null ? [] : [`${i} ${i + 1 + more}`])),
        );
        expect(new Set(overlapsOf(all).map((overlap) => overlap.lists.join(' ')))).toEqual(new Set(pairs));
      }),
    );
  });

  it('meet whenever a path fits both, and only then as far as short paths show it', () => {
    const fits = (glob: string, path: string): boolean => {
      const last = glob.split('/').at(-1) ?? '';
      const whole = /[.*?]/.test(last) ? glob : `${glob}/**`;
      const parts = whole.split('/');
      const names = path.split('/');
      const one = (i: number, j: number): boolean => {
        const part = parts[i];
        if (part === undefined) return j === names.length;
        if (part === '**') return one(i + 1, j) || (j < names.length && one(i, j + 1));
        const asRegExp = `^${part.replace(/[.*?]/g, (c) => (c === '*' ? '.*' : c === '?' ? '.' : '\\.'))}$`;
        return j < names.length && new RegExp(asRegExp).test(names[j] ?? '') && one(i + 1, j + 1);
      };
      return one(0, 0);
    };
    const path = fc
      .array(fc.stringMatching(/^[ab][ab.]{0,2}$/), { minLength: 1, maxLength: 4 })
      .map((n) => n.join('/'));
    fc.assert(
      fc.property(
        pattern.filter((p) => !/(^|\/)\.(\/|$)/.test(p)),
        pattern.filter((p) => !/(^|\/)\.(\/|$)/.test(p)),
        path,
        (a, b, shown) => {
          fc.pre(fits(a, shown) && fits(b, shown));
          expect(filesOverlap([a], [b])).not.toBeNull();
        },
      ),
      { numRuns: 300, maxSkipsPerRun: 10_000 },
    );
  });

  it('take no longer than they must where patterns are made to take long', () => {
    const hostile = Array.from({ length: 50 }, () => '**/a*'.repeat(150));
    expect(filesOverlap(hostile, ['**/b*'.repeat(150)])).toBeNull();
    const many = Array.from({ length: 500 }, (_, n) => Array.from({ length: 50 }, (_, k) => `src/f${n}/${k}.ts`));
    expect(overlapsOf(many)).toEqual([]);
  });
});
