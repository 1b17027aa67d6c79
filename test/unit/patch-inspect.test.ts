// What holds for every patch: which codes wait for a person, what is kept of too many flags, and that no file holds it up.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findRepository, type Repository } from '../../src/git/repository.ts';
import { FLAG_CODES, isSensitive } from '../../src/patch/inspect/codes.ts';
import { inspectFiles, shownFlags } from '../../src/patch/inspect/inspect.ts';
import { comparable, type InspectedFile } from '../../src/patch/inspect/inspected-file.ts';
import { inspectPatch } from '../../src/patch/self-check.ts';
import type { Flag, ObjectId } from '../../src/types.ts';
import { cpuWatch } from '../support/cpu-time.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';

let work: ScratchRepository;
let repo: Repository;
let base: ObjectId;
beforeAll(async () => {
  work = await scratchRepository();
  repo = await findRepository(work.root, work.env);
  base = (await work.id('HEAD^{tree}')) as ObjectId;
});
afterAll(() => work.remove());

async function treeWith(make: () => Promise<unknown>): Promise<ObjectId> {
  await make();
  await work.commit();
  const tree = await work.id('HEAD^{tree}');
  await work.git('reset', '-q', '--hard', 'HEAD~');
  return tree as ObjectId;
}

const file = (path: string, lines: readonly string[], more: Partial<InspectedFile> = {}): InspectedFile => ({
  kind: 'add',
  path,
  key: comparable(Buffer.from(path)),
  oldKey: null,
  oldMode: null,
  newMode: '100644',
  contentStays: false,
  isText: true,
  added: lines.map((text, n) => ({ number: n + 1, text })),
  removed: [],
  bytes: lines.join('\n').length,
  head: Buffer.alloc(0),
  before: null,
  after: lines.join('\n'),
  ...more,
});

describe('codes', () => {
  it.each([
    ...['git-hook', 'ci', 'editor-task', 'package-script', 'lock-source', 'lock-integrity', 'agent-instructions'],
    ...['executable', 'submodule', 'symlink-outside', 'filtered', 'not-inspected', 'more-flags', 'secret'],
  ])('%s waits for a person', (code) => {
    expect(isSensitive(code)).toBe(true);
  });

  it.each(['large-file', 'tool-config', 'editor-settings', 'set-up'])('%s is only told', (code) => {
    expect(isSensitive(code)).toBe(false);
  });

  it('lets no code pass that nobody knows, whatever it is called', () => {
    for (const code of ['brand-new', '', 'constructor', '__proto__']) expect(isSensitive(code)).toBe(true);
  });

  it('has a meaning in a line for each', () => {
    for (const [code, { meaning }] of FLAG_CODES) {
      expect(code).toMatch(/^[a-z0-9]+(?:-[a-z0-9]+)*$/);
      expect(meaning).toMatch(/^\S.{10,100}$/);
    }
  });
});

describe('too many flags', () => {
  const flags = (code: string, count: number): Flag[] =>
    Array.from({ length: count }, (_, n) => ({ code, path: `${code}-${n}`, detail: 'x' }));

  it('cannot push out one of another kind', () => {
    const shown = shownFlags([...flags('backslash-path', 500), ...flags('large-file', 500), ...flags('ci', 1)]);
    expect(shown).toHaveLength(201);
    expect(shown[0]).toMatchObject({ code: 'ci' });
    expect(shown.filter(({ code }) => code === 'large-file')).toHaveLength(1);
    expect(shown.at(-1)).toEqual({ code: 'more-flags', path: '.', detail: '801 more to look at' });
  });

  it('are told once for each code and path', () => {
    const twice = [...flags('ci', 2), ...flags('ci', 2)];
    expect(shownFlags(twice)).toHaveLength(2);
  });
});

describe('a patch that is too large to be read', () => {
  it('still has the flags of its paths and modes', async () => {
    const tree = await treeWith(async () => {
      await work.write('large', Buffer.alloc(17 * 1024 * 1024, 'one more line\n'));
      await work.write('.github/workflows/x.yml', 'x\n');
      await work.write('run', 'x\n', 0o755);
    });
    const { flags } = await inspectPatch(repo, base, tree);
    expect(flags.map(({ code, path }) => `${code} ${path}`)).toEqual([
      'ci .github/workflows/x.yml',
      'executable run',
      'not-inspected .',
    ]);
  });

  it('does not take a manifest for harmless that is too large to be compared', async () => {
    const tree = await treeWith(() => work.write('package.json', `{"a":"${'x'.repeat(9 * 1024 * 1024)}"}`));
    const { flags } = await inspectPatch(repo, base, tree);
    expect(flags.map(({ code }) => code)).toContain('package-script');
  });
});

it('tells what others found together with what it finds', async () => {
  const tree = await treeWith(() => work.write('AGENTS.md', 'x\n'));
  const also = [{ code: 'nested-repository', path: 'vendor', detail: 'x' }];
  const { flags } = await inspectPatch(repo, base, tree, also);
  expect(flags.map(({ code }) => code)).toEqual(['agent-instructions', 'nested-repository']);
});

/** One line in the shape of what slow expressions trip over. */
const PIECES = [
  ...['a', ' ', '\t', '/', '.', '-', '_', '"', '(', '=', '\\', '=A1', 'a.', 'a-', './', ' || ', 'eyJ', 'eyJa.', 'sk-'],
  ...['password', 'password=', 'secret ', 'https://', 'git+', 'expect(', 'assert ', 'it.skip ', 'npm test ', '@x', '['],
  ...['é', '\u0430', 'a\u0430', '\u200d', '\u{1f469}\u200d', 'lines: 1', 'do not edit ', 'git config ', 'version '],
];
/** The names under which most rules look at the content. */
const NAMES = [
  ...[
    'a.ts',
    'a.test.ts',
    'a_test.go',
    'a.md',
    '.env',
    '.gitattributes',
    'package.json',
    'package-lock.json',
    'yarn.lock',
  ],
  ...['pnpm-lock.yaml', 'Cargo.lock', 'uv.lock', 'go.sum', 'Gemfile.lock', 'mix.lock', 'Cargo.toml', 'pyproject.toml'],
  ...[
    'requirements.txt',
    'Makefile',
    'CMakeLists.txt',
    'build.gradle',
    'pom.xml',
    'Gemfile',
    'vitest.config.ts',
    'x.sh',
  ],
  ...['.vscode/settings.json', 'go.mod', 'meson.build', 'tox.ini', 'Dockerfile', 'composer.lock', '.coveragerc'],
];

/** Milliseconds of CPU time, the best of two. */
async function cost(files: () => readonly InspectedFile[]): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 2; n += 1) {
    const made = files();
    const used = cpuWatch();
    await inspectFiles(made);
    times.push(used());
  }
  return Math.max(1, Math.min(...times));
}

describe('ten times the line takes ten times as long, made of', () => {
  const KIB = 1024;
  it.each(PIECES.map((piece) => [JSON.stringify(piece), piece] as const))(
    '%s',
    { timeout: 120_000 },
    async (_, piece) => {
      const of = (bytes: number) => {
        const line = piece.repeat(bytes / piece.length);
        return NAMES.map((name) =>
          file(name, [line], { before: line.slice(1), removed: [{ number: 1, text: line.slice(1) }] }),
        );
      };
      // Quadratic would be a hundred times.
      expect((await cost(() => of(100 * KIB))) / (await cost(() => of(10 * KIB)))).toBeLessThan(50);
    },
  );

  it.each([
    ...["it.skip('a', f)", '@pytest.mark.skip', 't.Skip()', 'lines: 90', 'fail_under = 1', '// expect(a).toBe(1)'],
    ...[
      '*.a text',
      '  {url = "https://x.test/a", hash = "a"},',
      'a v1.0.0 h1:a',
      '  integrity sha512-a',
      '{',
      '[[package]]',
    ],
  ])('lines such as %s', { timeout: 120_000 }, async (line) => {
    const of = (count: number) => {
      const lines = Array.from({ length: count }, (_, n) => (n === 0 ? `${line} ` : line.replace('a', `a${n}`)));
      const removed = lines.map((text, n) => ({ number: n + 1, text: text.replace('.skip', '') }));
      const whole = (all: readonly string[]) => `[[package]]\n${all.join('\n')}`;
      const contents = { before: whole(removed.map(({ text }) => text)), after: whole(lines) };
      return NAMES.map((name) => file(name, lines, { kind: 'modify', removed, ...contents }));
    };
    expect((await cost(() => of(5_000))) / (await cost(() => of(500)))).toBeLessThan(50);
  });

  it('everything, in a file of 10 MiB', { timeout: 120_000 }, async () => {
    const mixed = (bytes: number) => {
      const line = PIECES.join('').repeat(1 + bytes / PIECES.join('').length);
      return [file('a.test.ts', [line])];
    };
    expect((await cost(() => mixed(10_000 * KIB))) / (await cost(() => mixed(1_000 * KIB)))).toBeLessThan(50);
  });
});

it('lets others have their turn while it works', async () => {
  const files = Array.from({ length: 1000 }, (_, n) => file(`src/${n}.ts`, Array(1000).fill(`const a${n} = 1;`)));
  let turns = 0;
  let isDone = false;
  const others = async () => {
    while (!isDone) {
      turns += 1;
      await nextTurn();
    }
  };
  const waiting = others();
  await inspectFiles(files);
  isDone = true;
  await waiting;
  expect(turns).toBeGreaterThan(2);
});
