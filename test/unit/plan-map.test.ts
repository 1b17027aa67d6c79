/** The map of a repository: what it says, and that it stays small. */

import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { findRepository } from '../../src/git/repository.ts';
import { mapText, type RepositoryMap, readMap } from '../../src/plan/map.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';

let scratch: ScratchRepository | null = null;
afterEach(async () => {
  await scratch?.remove();
  scratch = null;
});

async function repositoryWith(files: Readonly<Record<string, string>>): Promise<ScratchRepository> {
  scratch = await scratchRepository({ empty: true });
  for (const [path, content] of Object.entries(files)) await scratch.write(path, content);
  await scratch.commit('Begin');
  return scratch;
}

async function mapOf(repository: ScratchRepository, revision = 'HEAD'): Promise<RepositoryMap> {
  return readMap(await findRepository(repository.root, repository.env), revision);
}

/** Commits paths without writing files: all have the same content. */
function commitPaths(repository: ScratchRepository, paths: Iterable<string>): void {
  const lines = [...paths].map((path) => `M 100644 inline ${path}\ndata 1\nx\n`);
  const input = `commit refs/heads/main\ncommitter Ada <ada@example.com> 1700000000 +0000\ndata 4\nmany\n${lines.join('')}\n`;
  execFileSync('git', ['fast-import', '--quiet', '--force'], {
    ...{ cwd: repository.root, env: repository.env, input, stdio: ['pipe', 'ignore', 'inherit'] },
  });
}

const bytesOf = (map: RepositoryMap) => Buffer.byteLength(`${map.tree.join('\n')}\n`);

describe('readMap', () => {
  it('tells languages, tree, README, guidance and history of a commit', async () => {
    const repository = await repositoryWith({
      'README.md': '# Shop\n\nSells things.\n',
      'AGENTS.md': 'Use tabs.\n',
      'src/main.py': '',
      'src/orders/api.py': '',
      'web/app.tsx': '',
    });
    await repository.commit('Second');
    const map = await mapOf(repository);
    expect(map.fileCount).toBe(5);
    expect(map.languages).toEqual([
      { name: 'Markdown', files: 2 },
      { name: 'Python', files: 2 },
      { name: 'TypeScript', files: 1 },
    ]);
    expect(map.tree).toEqual(['src/orders/api.py', 'src/main.py', 'web/app.tsx', 'AGENTS.md', 'README.md']);
    expect(map.readme).toBe('# Shop\n\nSells things.');
    expect(map.guidance).toBe('Use tabs.');
    expect(map.history).toEqual(['Second', 'Begin']);
  });

  it('reads the commit and not the work tree', async () => {
    const repository = await repositoryWith({ 'kept.ts': '' });
    await repository.write('later.ts', '');
    await repository.write('README.md', 'not committed');
    const map = await mapOf(repository);
    expect(map.tree).toEqual(['kept.ts']);
    expect(map.readme).toBeNull();
    expect(map.guidance).toBeNull();
  });

  it('runs nothing that the user configured', async () => {
    const repository = await repositoryWith({ 'README.md': 'x', 'AGENTS.md': 'y' });
    await repository.arm();
    await mapOf(repository);
    expect(await repository.markers()).toEqual([]);
  });

  it('takes a revision that looks like an option for a name', async () => {
    const repository = await repositoryWith({ 'a.ts': '' });
    await expect(mapOf(repository, '--all')).rejects.toMatchObject({ name: 'OrchestrateError' });
  });

  it('shows names and texts without what moves a terminal', async () => {
    const repository = await repositoryWith({
      'README.md': 'a\u001b[2Jb\u202ec',
      'AGENTS.md': '\u001b]0;title\u0007rule',
      'bell\u0007\u202e.ts': '',
    });
    await repository.write(Buffer.from([0x6e, 0xff, 0x2e, 0x74, 0x73]), '');
    await repository.commit('over\u001b[31mwritten');
    const map = await mapOf(repository);
    expect(map.readme).toBe('abc');
    expect(map.guidance).toBe('rule');
    expect(map.history[0]).toBe('overwritten');
    expect(map.tree).toContain('bell\\x07\\u{202e}.ts');
    expect(map.tree).toContain('n\\xFF.ts');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is what is tested
    expect(mapText(map)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f\u202e]/);
  });

  it('prefers README.md to other READMEs and cuts it', async () => {
    const line = 'é'.repeat(50);
    const repository = await repositoryWith({ README: 'plain', 'README.md': `${line}\n`.repeat(500) });
    const { readme } = await mapOf(repository);
    expect(Buffer.byteLength(readme ?? '')).toBeLessThanOrEqual(4_000);
    expect(readme?.split('\n').every((each) => each === line)).toBe(true);
  });

  it('keeps 20,000 files within its bounds, the top levels listed and the rest counted', async () => {
    const repository = await repositoryWith({});
    commitPaths(repository, manyPaths(20_000));
    const map = await mapOf(repository);
    expect(map.fileCount).toBe(20_004);
    expect(map.tree.length).toBeLessThanOrEqual(300);
    expect(map.tree.length).toBeGreaterThan(50);
    expect(bytesOf(map)).toBeLessThanOrEqual(12_000);
    expect(map.tree).toContain('package.json');
    expect(map.tree).toContain('src/main.ts');
    expect(map.tree).toContain('vendor/ (4000 files)');
    expect(map.tree.some((line) => /^src\/components\/.* \(\d+ files\)$/.test(line))).toBe(true);
    expect(filesCounted(map)).toBe(20_004);
  });

  it('says more of a large tree than of its largest folder', async () => {
    const repository = await repositoryWith({});
    commitPaths(repository, [...Array.from({ length: 3_000 }, (_, n) => `data/${n}.csv`), 'src/one.ts', 'src/two.ts']);
    const map = await mapOf(repository);
    expect(map.tree).toContain('src/one.ts');
    expect(filesCounted(map)).toBe(3_002);
  });

  it('holds a top level of long names within its bounds', async () => {
    const repository = await repositoryWith({});
    commitPaths(
      repository,
      Array.from({ length: 2_000 }, (_, n) => `${n}-${'long'.repeat(40)}/${'deep/'.repeat(20)}f.ts`),
    );
    const map = await mapOf(repository);
    expect(bytesOf(map)).toBeLessThanOrEqual(12_000);
    expect(map.fileCount).toBe(2_000);
  });

  it('answers for an empty commit', async () => {
    const repository = await repositoryWith({});
    const map = await mapOf(repository);
    expect(map).toEqual({ languages: [], fileCount: 0, tree: [], readme: null, guidance: null, history: ['Begin'] });
    expect(mapText(map)).toContain('Files: 0');
  });
});

function* manyPaths(count: number): Generator<string> {
  yield* ['package.json', 'src/main.ts', 'test/main.test.ts', 'README.md'];
  for (let n = 0; n < count; n += 1) {
    if (n % 5 === 0) yield `vendor/lib${n % 7}/${n}.js`;
    else yield `src/components/part${n % 97}/piece${n % 11}/file${n}.ts`;
  }
}

/** A line is a file, or says how many it stands for. */
function filesCounted(map: RepositoryMap): number {
  return map.tree.reduce((sum, line) => sum + Number(/ \((\d+) (?:more )?files?\)$/.exec(line)?.[1] ?? 1), 0);
}
