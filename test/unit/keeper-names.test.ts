// Which names the keeper leaves out of a patch, against real git with all its protections on.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isSafePath } from '../../src/git/safe-path.ts';
import { bytePath, gitRefuses, pathBytes, printable } from '../../src/keeper/names.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'keeper-names-'));
  await new Promise((resolve) => execFile('git', ['init', '-q', folder], resolve));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function realGitRefuses(name: string, symlink: boolean): Promise<boolean> {
  const protections = ['-c', 'core.protectHFS=true', '-c', 'core.protectNTFS=true'];
  return new Promise((resolve) => {
    const git = execFile(
      'git',
      [...protections, '-C', folder, 'update-index', '-z', '--index-info'],
      (_error, _stdout, stderr) => resolve(stderr.startsWith('Ignoring path')),
    );
    const line = `${symlink ? '120000' : '100644'} ${'1'.repeat(40)}\t${name}\0`;
    git.stdin?.end(Buffer.concat([pathBytes(`0 ${'0'.repeat(40)}\t${name}\0`), pathBytes(line)]));
  });
}

const IGNORED_BY_HFS = ['\u200c', '\u202e', '\u206a', '\ufeff'].map((one) => bytePath(Buffer.from(one)));
const PIECES = [
  ...[
    '.git',
    'git~1',
    '.gitmodules',
    'gitmod~1',
    'gitmod~5',
    'gi7eba~1',
    'gi7e~123',
    'gi7ea~12',
    '~1000000',
    '.g',
    'it',
  ],
  ...['modules', 'GIT', 'x', '.', ' ', ':', '\\', '~1', '9', '\xff', '\xc3\xa9', '\xe2\x80', ...IGNORED_BY_HFS],
];
const anyName = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join(''));

describe('a name', () => {
  it('is refused where git refuses it, and hardly anywhere else', async () => {
    await fc.assert(
      fc.asyncProperty(anyName, fc.boolean(), async (name, symlink) => {
        const real = await realGitRefuses(name, symlink);
        const ours = gitRefuses(name, symlink);
        // git overlooks what follows a backslash that is the very first character.
        const stricter = name.startsWith('\\') || IGNORED_BY_HFS.some((one) => name.includes(one));
        if (real || !stricter) expect(ours).toBe(real);
      }),
      { numRuns: 400 },
    );
  });

  it('that passes also passes on the host', () => {
    fc.assert(
      fc.property(anyName, fc.boolean(), (name, symlink) => {
        if (gitRefuses(name, symlink)) return;
        expect(isSafePath(pathBytes(`folder/${name}`), symlink ? 'symlink' : 'file')).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    ['plain é', 'plain é'],
    ['\u202eevil', '\\xe2\\x80\\xaeevil'],
    ['line\nend\x1b[31m', 'line\\x0aend\\x1b[31m'],
  ])('is shown so that it cannot fool anybody: %j', (name, shown) => {
    expect(printable(bytePath(Buffer.from(name)))).toBe(shown);
  });

  it('is shown byte by byte where it is no UTF-8', () => {
    expect(printable('a\xff\xc3\xa9\xe2\x80')).toBe('a\\xffé\\xe2\\x80');
  });
});
