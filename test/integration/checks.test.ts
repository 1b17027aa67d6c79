/** Checks in real containers: what they are made of, what they cannot do, and how they end. */

import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lastLines } from '../../src/review/check-logs.ts';
import type { CheckedTree, Checker } from '../../src/review/checker.ts';
import { type CheckerOptions, createChecker } from '../../src/review/checks.ts';
import { checkName, KIND_LABEL, LABEL } from '../../src/sandbox/docker/names.ts';
import { RUN_KINDS, sweep } from '../../src/sandbox/docker/sweep.ts';
import { Watermarks } from '../../src/tasks/watermarks.ts';
import { SandboxBench } from '../support/sandbox.ts';

const NEVER = new AbortController().signal;
const LIMITS = { memoryBytes: 256 * 1024 ** 2, cpus: 1, pids: 128, diskBytes: 1024 ** 3 };

let bench: SandboxBench;
let checkers = 0;

beforeAll(async () => {
  bench = await SandboxBench.open({ files: { 'README.md': '# Sample\n', 'test.sh': 'grep -q Sample README.md\n' } });
});

afterAll(() => bench[Symbol.asyncDispose]());

/** One of its own for each test: its containers are counted from 1. */
function checker(options: Partial<CheckerOptions> = {}): Checker {
  checkers += 1;
  const run = `T${checkers}`;
  const watermarks = new Watermarks(() => bench.host.resources());
  return createChecker({
    ...{
      place: () => ({ host: bench.host, watermarks }),
      limits: LIMITS,
      timeoutMs: 60_000,
      stateDir: bench.scratch.folder,
      run,
    },
    containerName: (id) => checkName(bench.installation, run, id),
    ...options,
  });
}

function tree(name: string): CheckedTree {
  return { ...bench.base, near: null, name };
}

/** Of all checks, or of those on `name` that are in this state. */
async function containers(name = '', status?: 'running'): Promise<string[]> {
  const label = [`${LABEL}=${bench.installation}`, `${KIND_LABEL}=check`];
  const filters = { label, name: [`check-${name}`], ...(status === undefined ? {} : { status: [status] }) };
  return (await bench.docker.listContainers({ all: true, filters })).map((container) => container.Id);
}

/** Gives the containers of checks on `name` once so many of them run. */
async function running(name: string, count = 1): Promise<string[]> {
  for (;;) {
    const found = await containers(name, 'running');
    if (found.length >= count) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const isLeft = (name: string): boolean => name.startsWith('left-');

describe('checks', () => {
  it('pass and fail by exit code, in order, with their output kept and no container left', async () => {
    const commands = ['sh test.sh && echo green', 'echo out; echo err >&2; exit 3'];
    const records = await checker().check(tree('add-login.1'), commands, NEVER);
    expect(records).toMatchObject([
      { command: commands[0], exitCode: 0, isFlaky: false, tree: bench.base.tree },
      { command: commands[1], exitCode: 3, isFlaky: false, tree: bench.base.tree },
    ]);
    const tails = await Promise.all(records.map(({ log }) => lastLines(bench.scratch.folder, log ?? '', 10)));
    expect(tails).toEqual([
      ['green'],
      ['out', 'err', 'orchestrate: the check ended with exit code 3, when it was run once more as well'],
    ]);
    expect(records.map(({ log }) => log)).toEqual([
      expect.stringMatching(/^checks\/add-login\.1-\d+-t\d+\.log$/),
      expect.stringMatching(/^checks\/add-login\.1-\d+-t\d+\.log$/),
    ]);
    expect((await stat(path.join(bench.scratch.folder, records[0]?.log ?? ''))).mode & 0o077).toBe(0);
    expect(await containers()).toEqual([]);
  });

  it('run in a repository of their own that is thrown away, and find no way out, no context and no gateway', async () => {
    const commands = [
      'git status --porcelain && git log --oneline | wc -l && touch here && ls /context /run/orchestrate 2>&1; true',
      'test ! -e here && cat /proc/net/route | wc -l && env | sort',
    ];
    const [first, second] = await checker({ parallel: 1 }).check(tree('alone'), commands, NEVER);
    expect(second).toMatchObject({ exitCode: 0 });
    expect(await lastLines(bench.scratch.folder, first?.log ?? '', 10)).toEqual([
      '1',
      expect.stringMatching(/\/context.*No such file/),
      expect.stringMatching(/No such file/),
    ]);
    const seen = await lastLines(bench.scratch.folder, second?.log ?? '', 10);
    expect(seen.map((line) => line.split('=')[0])).toEqual(['1', 'HOME', 'PATH', 'PWD']);
  });

  it('are hardened as agents are, and labelled as what they are', async () => {
    const leaving = new AbortController();
    const checking = checker().check(tree('looked-at'), ['sleep 600'], leaving.signal);
    checking.catch(() => {});
    const [id = ''] = await running('looked-at');
    const { Config, HostConfig, Name } = await bench.docker.getContainer(id).inspect();
    leaving.abort(new Error('enough'));
    await expect(checking).rejects.toThrow('enough');
    expect(Name).toMatch(new RegExp(`^/orchestrate-${bench.installation}-check-looked-at-1-t\\d+$`));
    expect(Config.Labels).toMatchObject({ 'orchestrate.kind': 'check', 'orchestrate.attempt': 'check-looked-at-1' });
    expect(Config.User).toBe('61000:61000');
    expect(HostConfig).toMatchObject({
      ...{ NetworkMode: 'none', CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges:true'], Privileged: false },
      ...{ ReadonlyRootfs: true, PidsLimit: 128, Memory: LIMITS.memoryBytes, MemorySwap: LIMITS.memoryBytes },
    });
    expect(HostConfig.Mounts?.map((mount) => mount.Target)).toEqual(['/workspace', '/home/agent', '/opt/orchestrate']);
  });

  it('are run once more when they fail, and said to be flaky when they pass then', async () => {
    // Where the workspace lies on the host says which container it is: the first alone fails.
    const command = 'echo tried; ! grep -q "/check-flaky-1/" /proc/self/mountinfo';
    const [record] = await checker().check(tree('flaky'), [command], NEVER);
    expect(record).toMatchObject({ exitCode: 0, isFlaky: true });
    expect(await lastLines(bench.scratch.folder, record?.log ?? '', 10)).toEqual([
      'tried',
      'orchestrate: the check ended with exit code 1, and passed when it was run once more',
    ]);
    const logs = await readdir(path.join(bench.scratch.folder, 'checks'));
    expect(logs.filter((name) => name.startsWith('flaky-'))).toHaveLength(1);
  });

  it('fail when their time is up, however they take it, and when they run out of memory', async () => {
    const commands = [
      "trap 'exit 0' TERM; echo at work; sleep 600 & wait",
      'node -e "const a=[];for(;;)a.push(new Uint8Array(2**24).fill(1))"',
    ];
    const [late, big] = await checker({ timeoutMs: 3_000 }).check(tree('bounds'), commands, NEVER);
    expect(late).toMatchObject({ exitCode: 124 });
    expect(await lastLines(bench.scratch.folder, late?.log ?? '', 2)).toEqual([
      'at work',
      'orchestrate: the check ended after its time-out of 3 s (--timeout), when it was run once more as well',
    ]);
    expect(big).toMatchObject({ exitCode: 137 });
    expect(await lastLines(bench.scratch.folder, big?.log ?? '', 1)).toEqual([
      'orchestrate: the check ran out of memory, its limit is 256 MiB (--memory), when it was run once more as well',
    ]);
  });

  it('run at once', async () => {
    const leaving = new AbortController();
    const checking = checker({ parallel: 2 }).check(tree('both'), ['sleep 600', 'sleep 600'], leaving.signal);
    checking.catch(() => {});
    expect(await running('both', 2)).toHaveLength(2);
    leaving.abort(new Error('enough'));
    await expect(checking).rejects.toThrow('enough');
    expect(await containers()).toEqual([]);
  });

  it('end promptly when nobody wants them any more, whatever they do about it', async () => {
    const leaving = new AbortController();
    const checking = checker().check(tree('left'), ["trap '' TERM; while :; do sleep 1; done"], leaving.signal);
    checking.catch(() => {});
    const [id = ''] = await running('left');
    const gone = bench.docker.getContainer(id).wait({ condition: 'removed' });
    leaving.abort(new Error('enough'));
    await expect(checking).rejects.toThrow('enough');
    await gone;
    // Once nothing writes to it any more.
    const logs = async () => (await readdir(path.join(bench.scratch.folder, 'checks'))).filter(isLeft);
    await expect.poll(logs, { timeout: 10_000 }).toEqual([]);
  });

  it('are told from agents by who sweeps: what a killed coordinator left goes, what a live one has stays', async () => {
    const leaving = new AbortController();
    const checking = checker().check(tree('cut-off'), ['sleep 600'], leaving.signal);
    checking.catch(() => {});
    const [id = ''] = await running('cut-off');
    const options = { kinds: RUN_KINDS, dryRun: true } as const;
    const live = await sweep(bench.docker, bench.installation, { ...options, liveRun: `R${bench.installation}` });
    expect(live.filter(({ kind }) => kind === 'check')).toEqual([]);
    const left = await sweep(bench.docker, bench.installation, { ...options, kinds: ['check'], dryRun: false });
    expect(left).toContainEqual(expect.objectContaining({ type: 'container', kind: 'check' }));
    await expect(bench.docker.getContainer(id).inspect()).rejects.toMatchObject({ statusCode: 404 });
    // Removed by somebody else, it is done again.
    const [again] = await running('cut-off');
    expect(again).not.toBe(id);
    leaving.abort(new Error('enough'));
    await expect(checking).rejects.toThrow('enough');
  });

  it('start from what was set up', async () => {
    await bench.setUp('echo made > /home/agent/made; touch /usr/local/made');
    const [record] = await checker().check(tree('set-up'), ['cat ~/made && test -e /usr/local/made'], NEVER);
    expect(record).toMatchObject({ exitCode: 0 });
    expect(await readFile(path.join(bench.scratch.folder, record?.log ?? ''), 'utf8')).toBe('made\n');
  });
});
