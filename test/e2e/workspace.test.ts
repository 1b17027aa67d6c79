// How the repository gets into a sandbox, by the built command line: an overlay or a copy, history, limits of the disk.
import { readdir } from 'node:fs/promises';
import Docker from 'dockerode';
import { afterEach, describe, expect, it } from 'vitest';
import { Scratch } from '../support/scratch.ts';

/** Runs the task's own text, which is a script; the title stands above it. */
const COMMAND = 'sed 1,2d "$ORCHESTRATE_PROMPT_FILE" | sh';

let scratch: Scratch | null = null;
afterEach(async () => {
  await scratch?.[Symbol.asyncDispose]();
  scratch = null;
});

async function start(files?: Readonly<Record<string, string>>): Promise<Scratch> {
  scratch = await Scratch.create(files);
  return scratch;
}

async function runOne(work: Scratch, script: string, flags: readonly string[]): Promise<string> {
  await work.must(['submit', `set -e\n${script}`, '--title', 'work']);
  const answer = await work.orchestrate(['run', '--engine-command', COMMAND, ...flags]);
  return `${answer.stdout}${answer.stderr}`;
}

/** The kind of a mount is its file system: a copy is a folder of the engine's disk. */
const KIND = 'mounted=$(stat -f -c %T .); case $mounted in overlayfs) ;; *) mounted=plain;; esac; echo $mounted >kind';

describe('workspaces', () => {
  it.each([
    ['overlay', 'overlayfs'],
    ['copy', 'plain'],
  ])('%s: the agent finds a clean checkout, and exactly its changes come out', async (workspace, kind) => {
    const work = await start({ 'one.txt': '1111\n', 'two.txt': '2222\n', 'dir/x.txt': 'x\n', '.gitignore': '*.log\n' });
    const script = `test -z "$(git status --porcelain)"; git diff-files --quiet; ${KIND}
      mv one.txt t; mv two.txt one.txt; mv t two.txt; mv dir moved; echo l >x.log; touch -r two.txt one.txt`;
    await runOne(work, script, ['--workspace', workspace]);
    const [patch] = await work.json<{ status: string }[]>(['patch', 'list']).then((list) => [list].flat());
    expect(patch).toBeDefined();
    const result = 'refs/orchestrate/work/1/result';
    expect((await work.git('ls-tree', '-r', '--name-only', result)).split('\n')).toEqual([
      '.gitignore',
      'kind',
      'moved/x.txt',
      'one.txt',
      'two.txt',
    ]);
    expect(await work.git('show', `${result}:kind`)).toBe(kind);
    expect(await work.git('show', `${result}:one.txt`)).toBe('2222');
    const filters = { label: [`orchestrate=${await work.installation()}`] };
    expect(await new Docker().listContainers({ all: true, filters })).toEqual([]);
    const { Volumes: volumes } = await new Docker().listVolumes({ filters });
    expect(volumes.map((volume) => volume.Labels['orchestrate.kind'])).toEqual(['store']);
  });

  it('copies the results that a task stands on', async () => {
    const work = await start({ 'a.txt': 'a\n', 'gone/b.txt': 'b\n', 'c.txt': 'c\n' });
    const first = 'set -e\nrm -r gone; echo file >gone; rm c.txt; mkdir c.txt; echo in >c.txt/in; echo more >>a.txt';
    await work.must(['submit', first, '--title', 'first']);
    const second = 'set -e\ntest -z "$(git status --porcelain)"; test -f gone; cat a.txt c.txt/in gone >all.txt';
    await work.must(['submit', second, '--title', 'second', '--depends-on', 'first']);
    await work.must(['run', '--engine-command', COMMAND, '--workspace', 'copy']);
    const result = 'refs/orchestrate/second/1/result';
    expect(await work.git('show', `${result}:all.txt`)).toBe('a\nmore\nin\nfile');
    expect((await work.git('diff', '--name-status', `${result}^`, result)).split('\n')).toEqual(['A\tall.txt']);
  });

  it('asks an engine once what it can, and doctor tells', async () => {
    const work = await start();
    await runOne(work, 'echo x >x', []);
    const { Volumes: volumes } = await new Docker().listVolumes({ filters: { label: ['orchestrate.workspace'] } });
    const kinds = volumes.map((volume) => volume.Labels['orchestrate.workspace']);
    expect(kinds).toContain('overlay');
    const { checks } = await work.json<{ checks: { name: string; detail: string }[] }>(['doctor']);
    expect(checks.find((check) => check.name === 'workspace')?.detail).toMatch(/^overlay/);
  });
});

describe('history', () => {
  /** Six commits, one of them a merge; a branch beside them holds something that is not to be seen. */
  async function withPast(): Promise<Scratch> {
    const work = await start({ 'a.txt': 'first\n' });
    const commit = async (name: string, content: string, message: string) => {
      await work.write({ [name]: content });
      await work.git('add', '--all');
      await work.git('commit', '--quiet', '--message', message, '--author', `${message} <${message}@example.invalid>`);
    };
    await commit('a.txt', 'first\nsecond\n', 'second');
    await work.git('checkout', '--quiet', '-b', 'side');
    await commit('side.txt', 'side\n', 'side');
    await work.git('checkout', '--quiet', 'main');
    await commit('a.txt', 'first\nsecond\nthird\n', 'third');
    await work.git('merge', '--quiet', '--no-edit', '--message', 'joined', 'side');
    await commit('a.txt', 'first\nsecond\nthird\nfourth\n', 'fourth');
    await work.git('checkout', '--quiet', '-b', 'elsewhere');
    await commit('secret.txt', 'secret\n', 'secret');
    await work.git('checkout', '--quiet', 'main');
    return work;
  }
  const LOOK = `git log --all --format='%H %an %s' >log; git blame -s a.txt >blame; git fsck --no-dangling >fsck 2>&1
    git status --porcelain --untracked-files=no >status; git cat-file --batch-all-objects --batch-check='%(objectname)' >objects`;
  const shown = (work: Scratch, file: string) => work.git('show', `refs/orchestrate/work/1/result:${file}`);

  it('is none unless asked for: one commit without a name or a past', async () => {
    const work = await withPast();
    await runOne(work, LOOK, []);
    const log = await shown(work, 'log');
    expect(log.split('\n')).toHaveLength(1);
    expect(log).toMatch(/ orchestrate base$/);
  });

  it.each(['overlay', 'copy'])('is as deep as asked for, with real ids and authors (%s)', async (workspace) => {
    const work = await withPast();
    await runOne(work, LOOK, ['--history', '3', '--workspace', workspace]);
    const wanted = await work.git('log', '--format=%H %an %s', 'main', '--not', 'main~2^1^@', 'main~1^2^@');
    expect((await shown(work, 'log')).split('\n').sort()).toEqual(wanted.split('\n').sort());
    expect(wanted.split('\n').map((line) => line.split(' ').at(-1))).toEqual(
      expect.arrayContaining(['fourth', 'joined', 'third', 'side']),
    );
    expect((await shown(work, 'blame')).split('\n').at(-1)).toContain(
      (await work.git('rev-parse', 'main')).slice(0, 7),
    );
    expect([await shown(work, 'fsck'), await shown(work, 'status')]).toEqual(['', '']);
    const objects = await shown(work, 'objects');
    expect(objects).toContain(await work.git('rev-parse', 'main~2'));
    expect(objects).not.toContain(await work.git('rev-parse', 'main~4'));
    expect(objects).not.toContain(await work.git('rev-parse', 'elsewhere:secret.txt'));
  });

  it('is all there is when more is asked for, never what the base does not reach, also for stacked tasks', async () => {
    const work = await withPast();
    await work.must(['submit', 'echo one >one.txt', '--title', 'first']);
    await work.must(['submit', `set -e\n${LOOK}`, '--title', 'work', '--depends-on', 'first']);
    await work.must(['run', '--engine-command', COMMAND, '--history', '100']);
    const subjects = (await shown(work, 'log')).split('\n').map((line) => line.split(' ').at(-1));
    expect(subjects.sort()).toEqual(['first', 'fourth', 'joined', 'second', 'side', 'start', 'third'].sort());
    expect([await shown(work, 'fsck'), await shown(work, 'status')]).toEqual(['', '']);
    expect(await shown(work, 'blame')).toBe(await work.git('blame', '-s', 'a.txt'));
    expect(await shown(work, 'objects')).not.toContain(await work.git('rev-parse', 'elsewhere:secret.txt'));
  });
});

describe('what git keeps elsewhere', () => {
  const POINTER =
    'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345\n';

  it('stays a pointer, is warned of at the start, and flagged when a patch touches it', async () => {
    const work = await start({
      '.gitattributes': '*.psd filter=lfs diff=lfs merge=lfs -text\n',
      'art/.gitattributes': '*.wav filter=lfs -text\n',
      'art/one.psd': POINTER,
      'art/two.psd': POINTER,
      'art/three.wav': POINTER,
      '.gitmodules': '[submodule "lib"]\n\tpath = lib\n\turl = https://example.invalid/lib\n',
    });
    // The user's own filter, which would fetch; it must not run for what agents see or leave.
    await work.git('config', 'filter.lfs.smudge', 'touch ../smudged; cat');
    await work.git('update-index', '--add', '--cacheinfo', `160000,${'1234567890'.repeat(4)},lib`);
    await work.git('commit', '--quiet', '--message', 'submodule');
    const script = `cp art/one.psd seen.txt; test -d lib; test -z "$(ls lib)"; test -z "$(git status --porcelain | grep -v seen)"
      printf 'a real picture' >art/one.psd; printf 'sound' >art/three.wav; rmdir lib`;
    const output = await runOne(work, script, []);
    expect(output).toMatch(/Submodules are left out/);
    expect(output).toMatch(/filter lfs stay as git stores them/);
    const [task] = tasksOf(await work.json(['status']));
    expect(task?.patch?.flags.map(({ code, path: at }) => `${code} ${at}`).sort()).toEqual([
      'filtered art/one.psd',
      'filtered art/three.wav',
      'submodule lib',
    ]);
    const result = 'refs/orchestrate/work/1/result';
    expect(`${await work.git('show', `${result}:seen.txt`)}\n`).toBe(POINTER);
    expect(await work.git('show', `${result}:art/one.psd`)).toBe('a real picture');
    expect(await readdir(work.folder)).not.toContain('smudged');
  });
});

describe('the limit of the disk', () => {
  it.each(['overlay', 'copy'])(
    'ends an agent in a workspace of kind %s that writes without end, and keeps its work',
    async (workspace) => {
      const work = await start({ 'base.bin': 'x'.repeat(3_000_000) });
      // Ignores being asked to end; 10 GB if nobody stops it.
      const script = 'trap "" TERM\necho kept >kept.txt; yes | head -c 10000000000 >big';
      const output = await runOne(work, script, ['--disk', '50m', '--workspace', workspace]);
      expect(output).toMatch(/wrote \d+ MiB, its limit is 50 MiB \(--disk\)/);
      const [task] = tasksOf(await work.json(['status']));
      expect(task).toMatchObject({ status: 'failed' });
      const large = task?.patch?.flags.find((flag) => flag.code === 'too-large')?.detail ?? '';
      // Far from all that it wanted to write.
      expect(Number.parseInt(large, 10)).toBeLessThan(6e9);
      const changed = await work.git('diff', '--name-only', 'main', 'refs/orchestrate/work/1/result');
      expect(changed).toBe('kept.txt');
      expect(await work.must(['task', 'work'])).toContain('left out: big');
      expect(await work.must(['report'])).toContain('left out: big');
    },
  );

  it('counts what is really on the disk', async () => {
    const work = await start();
    await runOne(work, 'truncate -s 50G sparse; echo "sparse" >.gitignore; sleep 3', ['--disk', '50m']);
    expect(tasksOf(await work.json(['status']))[0]).toMatchObject({ status: 'succeeded' });
  });

  it('calls work that no patch can hold failed, and keeps the rest', async () => {
    const work = await start();
    const output = await runOne(work, 'truncate -s 50G sparse; echo kept >kept.txt', ['--disk', '50m']);
    expect(output).toContain('left out: sparse');
    expect(tasksOf(await work.json(['status']))[0]).toMatchObject({ status: 'failed' });
    const changed = await work.git('diff', '--name-only', 'main', 'refs/orchestrate/work/1/result');
    expect(changed).toBe('kept.txt');
  });
});

interface ShownTask {
  readonly status: string;
  readonly patch: {
    readonly flags: readonly { readonly code: string; readonly path: string; readonly detail: string }[];
  } | null;
}

function tasksOf(status: unknown): ShownTask[] {
  return (status as { tasks: ShownTask[] }).tasks;
}
