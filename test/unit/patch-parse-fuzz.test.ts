// Damaged patches: refused with BAD_PATCH and never anything else, or read as git reads them.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OrchestrateError } from '../../src/errors.ts';
import { inspectNames } from '../../src/patch/inspect/names.ts';
import { parsePatch } from '../../src/patch/parse.ts';
import { OUTSIDE_PATCH, type ParsedPatch } from '../../src/patch/parsed.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';
import { serialise } from '../support/patches.ts';

const KEEP = { ...OUTSIDE_PATCH, suspicious: 'keep', maxUnpackedBytes: 10_000_000 } as const;

let work: ScratchRepository;
/** A patch with every kind of change, cut into the parts of its files, and the tree that it is for. */
let sections: string[];
let base: string;

beforeAll(async () => {
  work = await scratchRepository();
  const noise = Buffer.from(Array.from({ length: 600 }, (_one, n) => (n * n * 31 + (n >> 3)) & 0xff));
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from }, (_one, n) => `line ${from + n}\n`).join('');
  await work.write('changed', lines(0, 40));
  await work.write('moved', lines(100, 130));
  await work.write('copied', lines(200, 230));
  await work.write('deleted', 'gone\n');
  await work.write('renamed', 'as it was\n');
  await work.write('empty', '');
  await work.write('mode', 'x\n', 0o644);
  await work.write('bin', noise);
  await work.write('no newline', 'a\nb');
  await work.link('link', 'changed');
  await work.commit('before');
  base = await work.id('HEAD^{tree}');
  await work.git('rm', '-q', 'moved', 'deleted', 'link');
  await work.write('changed', lines(0, 3) + lines(5, 30) + lines(29, 45));
  await work.write('folder/moved here', lines(100, 110) + lines(111, 130));
  await work.git('mv', 'renamed', 'other name');
  await work.write('copied', lines(200, 229));
  await work.write('copy', lines(200, 230));
  await work.write('mode', 'x\n', 0o755);
  await work.write('bin', Buffer.concat([noise.subarray(50), noise.subarray(0, 300)]));
  await work.write('new.bin', noise.subarray(0, 100));
  await work.write('no newline', 'a\nc');
  await work.write('link', 'now a file\n');
  await work.write('ünïcode "quoted"', 'x\n');
  await work.write('void', '');
  await work.commit('after');
  const patch = await work.bytes('diff', '--binary', '--full-index', '-C', 'HEAD~', 'HEAD');
  sections = patch.toString('latin1').split(/(?=^diff --git )/m);
});
afterAll(() => work.remove());

const EVERY_KIND = [
  'add binary',
  'add none',
  'add text',
  'copy none',
  'delete text',
  'modify binary',
  'modify none',
  'modify text',
  'rename none',
  'rename text',
];

const TOKENS = [
  ...['diff --git a/x b/x\n', 'index ', '--- a/changed\n', '+++ /dev/null\n', '@@ -1 +1 @@\n', '@@ -0,0 +1 @@\n'],
  ...['old mode 100644\n', 'new mode 120000\n', 'new file mode 100644\n', 'deleted file mode 100644\n'],
  ...[
    'rename from changed\n',
    'copy to x\n',
    'similarity index 100%\n',
    'GIT binary patch\n',
    'literal 0\nHcmV?d00001\n\n',
  ],
  ...[
    '\\ No newline at end of file\n',
    '\n',
    ' ',
    '-',
    '+',
    '"',
    '\\',
    '\0',
    '\x1b',
    '/../',
    '.git/',
    '\u00e2\u0080\u00ae',
    '\r',
  ],
  ...['0', '1', '99999999999', '160000', '0'.repeat(40), '\t', 'z', 'ab'],
];

/** One change; positions are fractions, so that they fit a text of any length. */
type Mutation = Bytes | Parts;
interface Bytes {
  readonly kind: 'cut' | 'flip' | 'token' | 'digit';
  readonly at: number;
  readonly value: number;
}
interface Parts {
  readonly kind: 'line' | 'section';
  readonly at: number;
  readonly to: number;
  readonly how: number;
}
const fraction = fc.double({ min: 0, max: 0.999999, noNaN: true });
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('cut' as const, 'flip' as const, 'token' as const, 'digit' as const),
    at: fraction,
    value: fc.nat(1000),
  }),
  fc.record({ kind: fc.constantFrom('line' as const, 'section' as const), at: fraction, to: fraction, how: fc.nat(2) }),
);

function mutated(parts: readonly string[], change: Mutation): string[] {
  if ('how' in change) {
    if (change.kind === 'section') return rearranged(parts, change);
    return split(rearranged(parts.join('').split(/(?<=\n)/), change).join(''));
  }
  const text = parts.join('');
  const at = Math.floor(change.at * text.length);
  const { kind, value } = change;
  if (kind === 'token') return split(text.slice(0, at) + TOKENS[value % TOKENS.length] + text.slice(at));
  if (kind === 'cut') return split(text.slice(0, at) + text.slice(at + 1 + (value % 80)));
  if (kind === 'flip') return split(text.slice(0, at) + String.fromCharCode(value % 256) + text.slice(at + 1));
  const from = text.slice(at).search(/[0-9]/) + at;
  return split(text.slice(0, from) + (value % 10) + text.slice(from + 1));
}

/** Takes one out, doubles it, or moves it. */
function rearranged(parts: readonly string[], { at, to, how }: Parts): string[] {
  const all = [...parts];
  const n = Math.floor(at * all.length);
  const [one = ''] = how === 1 ? [all[n]] : all.splice(n, 1);
  if (how > 0) all.splice(Math.floor(to * (all.length + 1)), 0, one);
  return all;
}

const split = (text: string) => text.split(/(?=^diff --git )/m);
const damaged = (mutations: readonly Mutation[]) => Buffer.from(mutations.reduce(mutated, sections).join(''), 'latin1');

/** Null when it is refused as it should be; any other error is thrown on. */
function parsed(patch: Buffer): ParsedPatch | null {
  try {
    return parsePatch(patch, KEEP);
  } catch (error) {
    if (error instanceof OrchestrateError && error.code === 'BAD_PATCH') return null;
    throw error;
  }
}

/** The tree that git makes of it, or null when git refuses. */
async function gitApplied(patch: Buffer): Promise<string | null> {
  const env = { ...work.env, GIT_INDEX_FILE: join(work.folder, 'index'), GIT_DIR: join(work.root, '.git') };
  const git = (args: readonly string[], input?: Buffer) =>
    new Promise<string | null>((resolve) => {
      const child = execFile('git', [...args], { cwd: work.root, env }, (error, stdout) =>
        resolve(error ? null : stdout.trim()),
      );
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(input);
    });
  await git(['read-tree', base]);
  return (await git(['apply', '--cached', '--whitespace=nowarn'], patch)) === null ? null : git(['write-tree']);
}

describe('a damaged patch', () => {
  it('is refused with BAD_PATCH, or accepted, but never crashes', { timeout: 60_000 }, () => {
    const files = parsed(damaged([]))?.files ?? [];
    const kinds = new Set(files.map(({ kind, content }) => `${kind} ${content.type}`));
    expect([...kinds].sort()).toEqual(EVERY_KIND);
    const seen = { refused: 0, accepted: 0 };
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        const patch = parsed(damaged(mutations));
        if (patch !== null) inspectNames(patch);
        seen[patch === null ? 'refused' : 'accepted'] += 1;
      }),
      { numRuns: 5000 },
    );
    expect(seen.accepted).toBeGreaterThan(100);
    expect(seen.refused).toBeGreaterThan(1000);
  });

  it('is refused with BAD_PATCH when it is no patch at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 500 }), (bytes) => {
        expect(parsed(Buffer.from(bytes))).toBeNull();
      }),
      { numRuns: 2000 },
    );
  });

  it('is for git what the parser took it for, when it is accepted', { timeout: 120_000 }, async () => {
    const outcomes = new Set<boolean>();
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
        const patch = damaged(mutations);
        const read = parsed(patch);
        if (read === null || compared >= 120) return;
        compared += 1;
        const byGit = await gitApplied(patch);
        outcomes.add(byGit === null);
        expect(await gitApplied(serialise(read))).toBe(byGit);
      }),
      { numRuns: 3000 },
    );
    expect(compared).toBeGreaterThan(50);
    expect(outcomes.size).toBe(2);
  });
});
