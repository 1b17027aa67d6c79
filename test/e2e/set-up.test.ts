import { readFile } from 'node:fs/promises';
import path from 'node:path';
import Docker from 'dockerode';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, Scratch } from '../support/scratch.ts';

const CLI = path.resolve(import.meta.dirname, '../../dist/cli/main.js');
const FILES = {
  'README.md': '# Sample\n',
  '.gitignore': 'node_modules/\n',
  'package-lock.json': '{"lockfileVersion":3}\n',
  'scripts/set-up.sh': 'set -e\nmkdir -p node_modules\necho made by $(id -un) >node_modules/m\n',
};
/** Counts how often it is run, in the home and in the root file system. */
const SET_UP = "sh scripts/set-up.sh; echo 'tool works' >/etc/tool; echo home >~/.tool; echo setting up";

let scratch: Scratch;
const docker = new Docker();

beforeEach(async () => {
  scratch = await Scratch.create(FILES);
});
afterEach(() => scratch[Symbol.asyncDispose]());

async function run(setUp: string, agent: string, ...more: readonly string[]): Promise<Answer> {
  return scratch.orchestrate(['run', '--engine-command', agent, '--setup', setUp, ...more]);
}

async function owned(): Promise<Record<'containers' | 'volumes' | 'images', string[]>> {
  const filters = { label: [`orchestrate=${await scratch.installation()}`] };
  const [containers, { Volumes: volumes }, images] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listVolumes({ filters }),
    docker.listImages({ filters }),
  ]);
  return {
    containers: containers.flatMap((each) => each.Names),
    volumes: volumes.map((each) => each.Labels['orchestrate.kind'] ?? ''),
    images: images.flatMap((each) => each.RepoTags ?? ['<none>']),
  };
}

/** A run that is still setting up, its container up; wrapped, or whoever awaits it waits for its end. */
async function settingUp(setUp: string): Promise<{ readonly run: ReturnType<typeof start> }> {
  const coordinator = start(['run', '--engine-command', 'true', '--setup', setUp]);
  await new Promise<void>((resolve, reject) => {
    let said = '';
    coordinator.stderr.on('data', (data: Buffer) => {
      said += data;
      if (said.includes('set-up | here')) resolve();
    });
    coordinator.stderr.once('end', () => reject(new Error(`it did not begin to set up: ${said}`)));
  });
  return { run: coordinator };
}

function start(args: readonly string[]) {
  const options = { cwd: scratch.repository, env: scratch.env, extendEnv: false, reject: false } as const;
  return execa(process.execPath, [CLI, ...args], { ...options, stdin: 'ignore' });
}

describe('run --setup', () => {
  it('runs once, and everything that it made reaches every agent and no patch', async () => {
    await scratch.must(['submit', 'x', '--title', 'first']);
    await scratch.must(['submit', 'y', '--title', 'second', '--depends-on', 'first']);
    const agent = 'cat node_modules/m /etc/tool ~/.tool; rm -r node_modules; echo $ORCHESTRATE_TASK_ID >>done.txt';
    const answer = await run(SET_UP, agent);
    expect(answer.stderr.match(/set-up \| setting up/g)).toHaveLength(1);
    expect(answer).toMatchObject({ exitCode: 0 });
    for (const task of ['first', 'second']) {
      expect(await scratch.must(['logs', task, '--raw'])).toBe('made by root\ntool works\nhome');
    }
    expect(await scratch.git('ls-tree', '-r', '--name-only', 'refs/orchestrate/second/1/result')).toBe(
      [...Object.keys(FILES), 'done.txt'].sort().join('\n'),
    );
    const { containers, volumes, images } = await owned();
    expect([containers, volumes]).toEqual([[], ['store']]);
    expect(images).toEqual([expect.stringMatching(/^orchestrate-setup:/)]);
  });

  it('is not run again until what it depends on changes', async () => {
    const results: string[] = [];
    const next = async (setUp: string, ...more: readonly string[]): Promise<void> => {
      await scratch.must(['submit', 'x', '--title', `task ${results.length}`]);
      const answer = await run(setUp, 'cat node_modules/m', ...more);
      expect(answer.exitCode, answer.stderr).toBe(0);
      results.push(answer.stderr.includes('set-up | setting up') ? 'made' : 'reused');
    };
    const commit = async (files: Readonly<Record<string, string>>): Promise<void> => {
      await scratch.write(files);
      await scratch.git('add', '--all');
      await scratch.git('commit', '--quiet', '--message', 'change');
    };
    await next(SET_UP);
    await next(SET_UP, '--workspace', 'copy');
    await commit({ 'README.md': '# Changed\n', 'orchestrate.yaml': 'setup-inputs: ["db/*.sql"]\n' });
    await next(SET_UP);
    await commit({ 'package-lock.json': '{"lockfileVersion":4}\n' });
    await next(SET_UP);
    await commit({ 'scripts/set-up.sh': `${FILES['scripts/set-up.sh']}# changed\n` });
    await next(SET_UP);
    await commit({ 'db/schema.sql': 'x\n' });
    await next(SET_UP);
    await next(`${SET_UP}; true`);
    await next(SET_UP);
    expect(results).toEqual(['made', 'reused', 'reused', 'made', 'made', 'made', 'made', 'reused']);
    // Four are kept.
    expect((await owned()).images).toHaveLength(4);
  });

  it('says when a task starts from results that change what the set-up was made of', async () => {
    await scratch.must(['submit', 'x', '--title', 'first']);
    await scratch.must(['submit', 'y', '--title', 'second', '--depends-on', 'first']);
    const answer = await run(SET_UP, 'echo "$ORCHESTRATE_TASK_ID" >package-lock.json; cat node_modules/m');
    expect(answer).toMatchObject({ exitCode: 0 });
    expect(answer.stdout.match(/change what the set-up depends on/g)).toHaveLength(1);
  });

  it('names the tracked files that it changed, which agents see as they are committed', async () => {
    await scratch.must(['submit', 'x', '--title', 'first']);
    const answer = await run('echo x >>README.md; rm scripts/set-up.sh', 'git status --short; cat README.md');
    expect(answer.stdout).toContain('the set-up changed tracked files');
    expect(answer.stdout).toMatch(/README\.md, scripts\/set-up\.sh/);
    expect(await scratch.must(['logs', 'first', '--raw'])).toBe('# Sample');
    expect(await scratch.must(['patch', 'list'])).toBe('There are no patches yet.');
  });

  it('stops the run when it fails, before any agent', async () => {
    await scratch.must(['submit', 'x', '--title', 'first']);
    const answer = await run('echo all is lost; exit 7', 'true');
    expect(answer.exitCode).toBe(3);
    expect(answer.stderr).toMatch(/set-up ended with exit code 7\n +all is lost\nhint: no agent was started/);
    expect(await readFile(path.join(scratch.repository, '.git/orchestrate/setup.log'), 'utf8')).toBe('all is lost\n');
    const json = await run('exit 7', 'true', '--json');
    expect(JSON.parse(json.stderr.split('\n').at(-1) ?? '')).toMatchObject({ error: { code: 'SETUP_FAILED' } });
    const status = await scratch.json<{ tasks: object[]; run: null }>(['status']);
    expect(status).toMatchObject({ run: null, tasks: [{ status: 'queued', attempt: null }] });
    expect(await owned()).toEqual({ containers: [], volumes: ['store'], images: [] });
  });

  it.each([
    ['takes too long', 'sleep 60', ['--timeout', '1s'], 'was not done after 1 s'],
    ['fills the disk', 'head -c 200M /dev/zero >/var/big; sleep 60', ['--disk', '16m'], 'its limit is 16 MiB'],
    ['takes too much memory', 'exec tail /dev/zero', ['--memory', '64m'], 'the set-up ran out of memory'],
  ])('is ended when it %s', async (_, setUp, flags, said) => {
    await scratch.must(['submit', 'x', '--title', 'first']);
    const answer = await run(setUp, 'true', ...flags);
    expect(answer.exitCode).toBe(3);
    expect(answer.stderr).toContain(said);
    expect(await owned()).toEqual({ containers: [], volumes: ['store'], images: [] });
  });

  it('ends with Ctrl-C, and nothing of it is used', async () => {
    await scratch.must(['submit', 'x', '--title', 'first']);
    const { run: coordinator } = await settingUp('echo here; trap "exit 0" TERM; while :; do sleep 0.1; done');
    coordinator.kill('SIGINT');
    expect((await coordinator).exitCode).toBe(130);
    expect(await owned()).toEqual({ containers: [], volumes: ['store'], images: [] });
    expect(await scratch.json(['status'])).toMatchObject({ run: null, tasks: [{ status: 'queued' }] });
  });

  it('killed with its coordinator, is done again from the start', async () => {
    await scratch.must(['submit', 'x', '--title', 'first']);
    const setUp = 'test ! -e half; echo here >>half; cat half; while test -e /run/wait; do sleep 0.1; done';
    const { run: coordinator } = await settingUp(setUp.replace('test ! -e half', 'touch /run/wait'));
    coordinator.kill('SIGKILL');
    await coordinator;
    // With the keeper and the gateway.
    expect((await owned()).containers).toHaveLength(3);
    expect(await run(setUp, 'cat half')).toMatchObject({ exitCode: 0 });
    expect(await scratch.must(['logs', 'first', '--raw'])).toBe('here');
    expect((await owned()).containers).toEqual([]);
  });

  it("of a repository's own settings runs only when they were accepted", async () => {
    await scratch.write({ 'orchestrate.yaml': 'setup: "echo setting up"\nsetup-allow: [registry.example.invalid]\n' });
    await scratch.must(['submit', 'x', '--title', 'first']);
    const refused = await scratch.orchestrate(['run', '--engine-command', 'true']);
    expect(refused).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('ignored: setup, setup-allow') });
    expect(refused.stderr).not.toContain('set-up');
    await scratch.must(['submit', 'x', '--title', 'second']);
    const accepted = await scratch.orchestrate(['run', '--engine-command', 'true', '--trust']);
    expect(accepted).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('set-up | setting up') });
  });

  it('serves two repositories at once, each its own', async () => {
    await using other = await Scratch.create({ ...FILES, 'README.md': '# Other\n' });
    const agent = 'cat /etc/tool README.md';
    const both = [scratch, other];
    const answers = await Promise.all(
      both.map(async (one) => {
        await one.must(['submit', 'x', '--title', 'first']);
        return one.orchestrate(['run', '--engine-command', agent, '--setup', SET_UP]);
      }),
    );
    for (const answer of answers) {
      expect(answer).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('set-up | setting up') });
    }
    const logs = await Promise.all(both.map((one) => one.must(['logs', 'first', '--raw'])));
    expect(logs).toEqual(['tool works\n# Sample', 'tool works\n# Other']);
  });

  it('goes with the caches, and is made again where its image or its layers are gone', async () => {
    await scratch.must(['submit', 'x', '--title', 'first']);
    await run(SET_UP, 'true');
    const [first = ''] = (await owned()).images;
    // Really removing them would take what all repositories of this engine share.
    expect(await scratch.must(['cleanup', '--caches', '--dry-run'])).toContain(`image ${first}`);
    expect(await scratch.must(['cleanup', '--dry-run'])).not.toContain('image ');

    await docker.getImage(first).remove();
    await scratch.must(['submit', 'x', '--title', 'second']);
    expect((await run(SET_UP, 'cat /etc/tool')).stderr).toContain('set-up | setting up');
    expect(await scratch.must(['logs', 'second', '--raw'])).toBe('tool works');

    const before = (await owned()).images;
    const filters = { label: [`orchestrate=${await scratch.installation()}`] };
    for (const { Name } of (await docker.listVolumes({ filters })).Volumes) await docker.getVolume(Name).remove();
    await scratch.must(['submit', 'x', '--title', 'third']);
    expect(await run(SET_UP, 'cat node_modules/m')).toMatchObject({ exitCode: 0 });
    const { images } = await owned();
    // That of the layers went with them.
    expect(images).toHaveLength(1);
    expect(images).not.toEqual(before);
  });
});
