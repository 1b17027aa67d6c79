// Hostile, odd and ordinary patches, made by real git: each has exactly the flags that it should have, and what a person sees
// of it neither steers the terminal nor hides a letter.
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { coloursOf, diffText, flagLines } from '../../cli/render/text.ts';
import { objectId } from '../../src/git/bytes.ts';
import { binaryDiff } from '../../src/git/diff.ts';
import { findRepository, type Repository } from '../../src/git/repository.ts';
import { FLAG_CODES } from '../../src/patch/inspect/codes.ts';
import { parsePatch } from '../../src/patch/parse.ts';
import { OUTSIDE_PATCH } from '../../src/patch/parsed.ts';
import { inspectPatch } from '../../src/patch/self-check.ts';
import type { Flag, ObjectId } from '../../src/types.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';
import { type CaseFiles, HIDDEN, type InspectCase, PACKAGES, PATHS, SECRETS, TESTS } from '../support/inspect-cases.ts';

let work: ScratchRepository;
let repo: Repository;
beforeAll(async () => {
  work = await scratchRepository();
  repo = await findRepository(work.root, work.env);
});
afterAll(() => work.remove());

/** Controls but newline and tab, and everything without ink but the selector that follows a picture. */
const UNFIT =
  /[^\P{Cc}\n\t]|\p{Cf}|(?!\ufe0f)\p{Default_Ignorable_Code_Point}|(?<!\p{Emoji})\ufe0f|[\u2028\u2029\u2800]/u;

async function treeOf(files: CaseFiles): Promise<ObjectId> {
  const entries: Buffer[] = [];
  for (const [path, file] of Object.entries(files)) {
    const { content, mode = '100644' } = typeof file === 'string' || Buffer.isBuffer(file) ? { content: file } : file;
    const bytes = Buffer.from(content as string);
    const id = mode === '160000' ? '1'.repeat(40) : objectId('sha1', 'blob', bytes);
    if (mode !== '160000') await work.write('.git/blob', bytes);
    if (mode !== '160000') await work.git('hash-object', '-w', '--no-filters', '.git/blob');
    entries.push(Buffer.from(`${mode} ${id}\t${path}\0`));
  }
  await work.git('read-tree', '--empty');
  const options = { cwd: work.root, env: work.env, input: Buffer.concat(entries) };
  execFileSync('git', ['-c', 'core.protectNTFS=false', 'update-index', '-z', '--index-info'], options);
  return (await work.git('-c', 'core.protectNTFS=false', 'write-tree')) as ObjectId;
}

async function inspect({ before = {}, after }: InspectCase): Promise<{ flags: readonly Flag[]; shown: string }> {
  const [from, to] = [await treeOf(before), await treeOf(after)];
  const { flags } = await inspectPatch(repo, from, to);
  const diff = (await binaryDiff(repo, from, to)).toString('utf8');
  return { flags, shown: `${flagLines(flags)}${diffText(diff, coloursOf(false))}` };
}

describe.each([
  ['paths that run something', PATHS],
  ['packages', PACKAGES],
  ['what hides', HIDDEN],
  ['tests and checks', TESTS],
  ['secrets', SECRETS],
] as const)('%s', (_family, cases) => {
  it.each(cases.map((one, n) => [`${one.title} -> ${one.codes.join(', ') || 'nothing'} (${n})`, one] as const))(
    '%s',
    async (_title, one) => {
      const { flags, shown } = await inspect(one);
      expect([...new Set(flags.map(({ code }) => code))].sort(), JSON.stringify(flags)).toEqual(one.codes);
      expect(shown).not.toMatch(UNFIT);
      for (const { code, path, detail } of flags) {
        expect(FLAG_CODES.has(code)).toBe(true);
        expect(`${path}${detail}`).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      }
    },
  );
});

it('never shows a secret that it found', async () => {
  for (const one of SECRETS.filter(({ codes }) => codes.length > 0)) {
    const { flags } = await inspect(one);
    const [content] = Object.values(one.after);
    const longest = String(content).match(/[\w.-]{16,}/g) ?? [];
    for (const piece of longest) expect(flags.map(({ detail }) => detail).join()).not.toContain(piece);
  }
});

/** What git itself refuses to take, by name; the strict parser does too, and a terminal can show it all the same. */
const REFUSED = [
  ...['../a', 'a/../../b', '/etc/passwd', 'a//b', './a', '.git/config', 'a/.GIT/hooks/pre-commit', 'GIT~1/config'],
  ...['.g\u200cit/config', '.git\ufeff/config', '.\u202egit/config', '.git. /config', '.git::$INDEX_ALLOCATION/x'],
  ...['a\\.git\\config', '.git\\config', '.gi\u200dt/hooks/x', 'sub/.git', 'sub/.git ', '.git:x', '.\u206agit/a'],
];

describe('names that git refuses', () => {
  it.each(REFUSED.map((name) => [JSON.stringify(name), name] as const))('%s', (_title, name) => {
    const quoted = (prefix: string) => {
      const bytes = Buffer.from(`${prefix}${name}`).toString('latin1');
      if (/^[ -~]*$/.test(bytes) && !bytes.includes('\\')) return bytes;
      const octal = (one: string) => `\\${one.charCodeAt(0).toString(8).padStart(3, '0')}`;
      return `"${bytes.replace(/\\/g, '\\\\').replace(/[^ -~]/g, octal)}"`;
    };
    const tab = name.includes(' ') ? '\t' : '';
    const id = objectId('sha1', 'blob', Buffer.from('x\n'));
    const patch = `diff --git ${quoted('a/')} ${quoted('b/')}\nnew file mode 100644\nindex ${'0'.repeat(40)}..${id}\n--- /dev/null\n+++ ${quoted('b/')}${tab}\n@@ -0,0 +1 @@\n+x\n`;
    expect(() => parsePatch(Buffer.from(patch), OUTSIDE_PATCH)).toThrow(/no checkout may have a file called/);
    expect(diffText(patch, coloursOf(false))).not.toMatch(UNFIT);
  });
});

it('is a corpus of more than 120 patches', () => {
  expect([PATHS, PACKAGES, HIDDEN, TESTS, SECRETS, REFUSED].flat().length).toBeGreaterThan(120);
});
