import { chmod, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { containersOf, letGo, runningAgents, UNTIL_LET_GO, until } from '../support/killed-run.ts';
import { Scratch } from '../support/scratch.ts';

let scratch: Scratch;

beforeEach(async () => {
  scratch = await Scratch.create();
});
afterEach(() => scratch[Symbol.asyncDispose]());

/** One clear sentence, a hint, no stack. */
function expectClear(stderr: string, sentence: RegExp): void {
  expect(stderr).toMatch(sentence);
  expect(stderr).toMatch(/^hint: /m);
  expect(stderr).not.toMatch(/^\s+at /m);
}

describe('what is missing around the tool', () => {
  it('no Docker engine: says so, exit 3, and the task still waits', async () => {
    await scratch.must(['submit', 'a task']);
    const answer = await scratch.orchestrate(['run', '--engine-command', 'true'], {
      env: { DOCKER_HOST: `unix://${scratch.folder}/no.sock` },
    });
    expect(answer.exitCode).toBe(3);
    expectClear(answer.stderr, /Docker/);
    const { counts } = await scratch.json<{ counts: { queued: number } }>(['status']);
    expect(counts.queued).toBe(1);
  });

  it('an empty queue needs no Docker and is no failure', async () => {
    const answer = await scratch.orchestrate(['run', '--engine-command', 'true'], {
      env: { DOCKER_HOST: `unix://${scratch.folder}/no.sock` },
    });
    expect(answer.exitCode).toBe(0);
  });

  it('an unknown image: names it, exit 3, nothing half done', async () => {
    await scratch.must(['submit', 'a task']);
    const answer = await scratch.orchestrate(['run', '--image', 'no-such-image:1', '--engine-command', 'true']);
    expect(answer.exitCode).toBe(3);
    expectClear(answer.stderr, /no-such-image:1/);
    const { counts } = await scratch.json<{ counts: { queued: number } }>(['status']);
    expect(counts.queued).toBe(1);
  });

  it('no engine chosen: exit 3 NO_ENGINE, never the demo unasked', async () => {
    await scratch.must(['submit', 'a task']);
    const answer = await scratch.orchestrate(['run', '--json']);
    expect(answer.exitCode).toBe(3);
    expect(JSON.parse(answer.stderr)).toMatchObject({ error: { code: 'NO_ENGINE' } });
  });

  it('an unknown base: exit 2 with its name', async () => {
    await scratch.must(['submit', 'a task']);
    const answer = await scratch.orchestrate(['run', '--base', 'no-such-branch', '--engine-command', 'true']);
    expect(answer.exitCode).toBe(2);
    expectClear(answer.stderr, /no-such-branch/);
  });

  it('no git identity: apply says how to set one, exit 3, and changes nothing', async () => {
    await scratch.must(['submit', 'a task', '--title', 'one']);
    await scratch.must(['run', '--engine-command', 'echo x > x.txt']);
    await scratch.must(['patch', 'approve', 'one']);
    await scratch.git('config', '--unset', 'user.name');
    await scratch.git('config', '--unset', 'user.email');
    const before = await scratch.git('rev-parse', 'HEAD');
    const answer = await scratch.orchestrate(['patch', 'apply', 'one']);
    expect(answer.exitCode).toBe(3);
    expectClear(answer.stderr, /identity|who you are|name/i);
    expect(answer.stderr).toContain('git config');
    expect(await scratch.git('rev-parse', 'HEAD')).toBe(before);
    expect(await scratch.git('status', '--porcelain')).toBe('');
  });

  it('a second run at once: exit 3, says who works', async () => {
    await scratch.must(['submit', 'a task', '--title', 'long']);
    const first = scratch.orchestrate(['run', '--json', '--engine-command', UNTIL_LET_GO]);
    await until(async () => (await runningAgents(scratch)).length === 1);
    const second = await scratch.orchestrate(['run', '--engine-command', 'true']);
    await letGo(scratch);
    expect(await first).toMatchObject({ exitCode: 0 });
    expect(second.exitCode).toBe(3);
    expectClear(second.stderr, /process \d+/);
  });
});

describe('a run that is cut off', () => {
  it('Ctrl-C stops the agents, keeps their work, ends with 130, and the task waits for the next run', async () => {
    await scratch.must(['submit', 'a task', '--title', 'cut']);
    const child = execa(
      'node',
      [path.resolve('dist/cli/main.js'), 'run', '--engine-command', 'echo x > x.txt; echo ready; sleep 300'],
      {
        cwd: scratch.repository,
        env: scratch.env,
        extendEnv: false,
        reject: false,
      },
    );
    await until(async () => (await scratch.orchestrate(['logs', 'cut'])).stdout.includes('ready'));
    child.kill('SIGINT');
    expect((await child).exitCode).toBe(130);
    const task = await scratch.json<{ status: string; attempts: { outcome: string }[] }>(['task', 'cut']);
    expect(task).toMatchObject({ status: 'queued', attempts: [{ outcome: 'killed' }], patch: { status: 'salvaged' } });
    expect(await containersOf(scratch)).toEqual([]);
  });

  it('Ctrl-C twice leaves at once; the next run keeps the work, begins the task again, and leaves nothing', async () => {
    await scratch.must(['submit', 'a task', '--title', 'cut']);
    // The first attempt takes no notice of being told to end.
    const stubborn = `trap '' TERM; echo x > x.txt; echo ready; while :; do sleep 1; done`;
    const command = `if test $ORCHESTRATE_ATTEMPT = 1; then ${stubborn}; fi; echo y > y.txt`;
    const child = execa('node', [path.resolve('dist/cli/main.js'), 'run', '--engine-command', command], {
      cwd: scratch.repository,
      env: scratch.env,
      extendEnv: false,
      reject: false,
    });
    await until(async () => (await scratch.orchestrate(['logs', 'cut'])).stdout.includes('ready'));
    let said = '';
    child.stderr.on('data', (data) => {
      said += String(data);
    });
    child.kill('SIGINT');
    await until(async () => said.includes('once more to leave at once'));
    child.kill('SIGINT');
    expect((await child).exitCode).toBe(130);
    expect(await scratch.json(['task', 'cut'])).toMatchObject({ status: 'running', attempts: [{ outcome: null }] });
    await scratch.must(['run', '--engine-command', command]);
    expect(await scratch.json(['task', 'cut'])).toMatchObject({
      status: 'succeeded',
      attempts: [{ outcome: 'killed' }, { outcome: 'succeeded' }],
    });
    expect(await scratch.must(['patch', 'show', 'cut.1'])).toContain('+x');
    expect(await containersOf(scratch)).toEqual([]);
  });
});

describe('a repository that cannot be written', () => {
  it('is told in a sentence, exit 3', async () => {
    // Root writes whatever the mode says: the test drops to another user, who may read but not write.
    const other = { uid: 65_534, gid: 65_534 };
    await execa('chmod', ['-R', 'a+rX', scratch.folder]);
    await chmod(path.join(scratch.folder, 'home'), 0o777);
    const answer = await scratch.orchestrate(['submit', 'a task'], {
      ...other,
      env: { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' },
    });
    expect(answer.exitCode).toBe(3);
    expect(answer.stderr).toMatch(/write|permission|read-only/i);
    expect(await readdir(path.join(scratch.repository, '.git'))).not.toContain('orchestrate');
  });

  it('on a full disk nothing is acknowledged that is not there', async () => {
    const full = path.join(scratch.repository, '.git/orchestrate');
    await mkdir(full);
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', full]);
    try {
      await scratch.must(['submit', 'fits', '--title', 'fits']);
      await execa('sh', ['-c', `head -c 10m /dev/zero > ${full}/filler || true`]);
      const answer = await scratch.orchestrate(['submit', '--file', '-', '--title', 'does not fit'], {
        stdin: 'pipe',
        input: 'x'.repeat(500_000),
      });
      expect(answer.exitCode).toBe(3);
      expectClear(answer.stderr, /space|full/i);
      await execa('rm', [`${full}/filler`]);
      const { tasks } = await scratch.json<{ tasks: { id: string }[] }>(['status']);
      expect(tasks.map((task) => task.id)).toEqual(['fits']);
    } finally {
      await execa('umount', [full]);
    }
  });
});
