// Tries to get out of real sandboxes, and proves of every probe that it would see the escape: the same probe in a
// container that lacks the one defence has to report it.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lastFrame } from '../../src/sandbox/docker/container-log.ts';
import {
  hostConfig,
  hurried,
  lastLine,
  look,
  MIB,
  type Outside,
  PROBE,
  PROMISES,
  probeFiles,
  type Seen,
  toolboxConfig,
} from '../support/promises.ts';
import { type Alteration, type LiveSandbox, SandboxBench, type SandboxRun, testName } from '../support/sandbox.ts';

let bench: SandboxBench;
let neighbour: LiveSandbox;
let neighbourNamespaces: Seen['namespaces'];
let outside: Outside;
let hostFolder: string;
const network = testName('network');

beforeAll(async () => {
  hostFolder = await mkdtemp(path.join(tmpdir(), 'orchestrate-host-'));
  await writeFile(path.join(hostFolder, 'secret'), 'of the host');
  bench = await SandboxBench.open({ files: await probeFiles() });
  await bench.docker.createNetwork({ Name: network, Labels: { 'orchestrate.test': 'probes' }, Internal: true });
  // Works all the time beside the others: what they do must not reach it.
  neighbour = await bench.start([...PROBE, 'live'], {
    timeoutMs: 600_000,
    // A namespace of its own still, but one that the altered containers can join.
    alter: hostConfig(() => ({ IpcMode: 'shareable' })),
  });
  await neighbour.printed('"alive":true');
  neighbourNamespaces = (JSON.parse(neighbour.output().split('\n')[0] ?? '') as Seen).namespaces;
  outside = { bench, neighbour, hostFolder, network };
});

afterAll(async () => {
  await neighbour?.discard();
  await bench?.[Symbol.asyncDispose]();
  await bench?.docker
    .getNetwork(network)
    .remove()
    .catch(() => {});
  await rm(hostFolder, { recursive: true, force: true });
});

describe('from inside a sandbox', () => {
  let seen: Seen;
  beforeAll(async () => {
    seen = await look(bench, { network });
  });

  for (const { name, holds, without } of PROMISES) {
    it(name, async () => {
      expect(holds(seen, neighbourNamespaces), JSON.stringify(seen, null, 1)).toBe(true);
      const escaped = await look(bench, { network, alter: without(outside) });
      expect(holds(escaped, neighbourNamespaces), `the probe does not see it: ${JSON.stringify(escaped)}`).toBe(false);
    });
  }

  it('the user has a name, and can write where work is done', () => {
    expect(seen.user).toMatchObject({ username: 'agent', uid: 61_000, homedir: '/home/agent' });
    expect(['/tmp', '/run', '/workspace', '/home/agent'].map((folder) => seen.written[folder])).toEqual(
      Array(4).fill('written'),
    );
  });
});

/** Everything that the calls of syscalls.py ask for. */
const STRONG_CAPABILITIES = ['SYS_ADMIN', 'SYS_NICE', 'DAC_READ_SEARCH'];

describe('system calls', () => {
  const ask = async (alter?: Alteration): Promise<Record<string, string>> => {
    const end = await bench.run('python3 syscalls.py', { alter });
    expect(end.exitCode, end.output).toBe(0);
    return JSON.parse(end.output) as Record<string, string>;
  };
  const granted = (answers: Record<string, string>): string[] =>
    Object.keys(answers).filter((name) => !['EPERM', 'EACCES', 'EROFS', 'ENOSYS'].includes(answers[name] ?? ''));

  it('that would open a way out are refused', async () => {
    expect(granted(await ask())).toEqual([]);
  });

  it('namespaces and keys are given where the filter is off', async () => {
    const answers = await ask(({ HostConfig: host }) => {
      host.SecurityOpt = ['no-new-privileges:true', 'seccomp=unconfined'];
    });
    expect(granted(answers)).toEqual(expect.arrayContaining(['unshare user', 'add_key', 'keyctl']));
  });

  it('PID 1 can be traced where its program can be read', async () => {
    const answers = await ask((body) => {
      body.Entrypoint = ['/usr/local/bin/node', ...(body.Entrypoint as string[]).slice(1)];
    });
    expect(granted(answers)).toEqual(['ptrace of PID 1']);
  });

  it('the rest is given to root with its capabilities', async () => {
    const answers = await ask((body) => {
      body.User = '0:0';
      body.HostConfig.CapDrop = [];
      body.HostConfig.CapAdd = [...STRONG_CAPABILITIES];
      body.HostConfig.SecurityOpt = ['seccomp=unconfined'];
      body.HostConfig.ReadonlyRootfs = false;
    });
    const rest = [
      'mknod',
      'mount',
      'umount',
      'remount',
      'unshare mount',
      'bpf',
      'perf_event_open',
      'open_by_handle_at',
    ];
    expect(granted(answers)).toEqual(
      expect.arrayContaining([...rest, 'chroot', 'setuid', 'chown', 'raw socket', 'nice', 'hostname']),
    );
  });
});

describe('PID 1', () => {
  const attack = async (alter?: Alteration) =>
    // Above it stands what a debugger that was opened says.
    JSON.parse(lastLine(await bench.run([...PROBE, 'first'], { alter }))) as { state: string; debug: string };

  it('is neither killed, stopped nor opened by a signal', async () => {
    const { state, debug } = await attack();
    expect(['S', 'R']).toContain(state);
    expect(debug).toBe('ECONNREFUSED');
    const opened = await attack((body) => {
      body.Entrypoint = (body.Entrypoint as string[]).filter((part) => part !== '--disable-sigusr1');
    });
    expect(opened.debug).toBe('connected');
  });

  /** Stops and kills whatever it can, for ever, from two sessions of its own. */
  const REBEL = `echo kept > work.txt
trap '' TERM HUP INT
setsid sh -c 'trap "" TERM HUP; (while :; do kill -STOP -1; sleep 0.05; done) >/dev/null 2>&1 &' &
kill -STOP 1; kill -KILL 1
echo started
while :; do sleep 1; done`;
  /** Longer than the deadline and its grace, with room for a slow machine. */
  const PATIENCE_MS = 8_000;
  it('holds the deadline against an agent that stops and kills everything', async () => {
    const end = await bench.run(REBEL, { alter: hurried });
    expect(end.exitCode).toBe(124);
    expect(end.changed).toEqual(['work.txt']);
  });

  it('could be stopped if it were not the first', async () => {
    const live = await bench.start(REBEL, {
      alter: (body) => {
        hurried(body);
        body.HostConfig.Init = true;
      },
    });
    await live.printed('started');
    const patience = new Promise((resolve) => setTimeout(() => resolve('still running'), PATIENCE_MS));
    const end = live.running.ended().then(
      () => 'ended',
      () => 'removed',
    );
    expect(await Promise.race([end, patience])).toBe('still running');
    await live.discard();
  });

  it('ends such an agent when it is told to, and its work is kept', async () => {
    const live = await bench.start(REBEL, {
      alter: (body) => toolboxConfig(body, (config) => Object.assign(config, { graceMs: 500 })),
    });
    await live.printed('started');
    await live.running.stop();
    const end = await live.end();
    await live.discard();
    expect(end.exitCode).toBe(137);
    expect(end.changed).toEqual(['work.txt']);
  });
});

describe('an agent that wants everything', () => {
  const bounded = async (mode: string[], run: SandboxRun): Promise<{ count: number; code: string }> =>
    JSON.parse(lastLine(await bench.run([...PROBE, ...mode], run))) as { count: number; code: string };

  it('gets no more memory than its limit', async () => {
    const limits = { memoryBytes: 256 * MIB };
    const live = await bench.start([...PROBE, 'memory', '24'], { limits });
    expect(await live.end()).toMatchObject({ exitCode: 137, outOfMemory: true });
    // Whatever the engine comes to know of it.
    expect(await lastFrame(live.container)).toMatchObject({ outOfMemory: true });
    await live.discard();
    const free = await bounded(['memory', '24'], {
      limits,
      alter: ({ HostConfig: host }) => Object.assign(host, { Memory: 0, MemorySwap: 0 }),
    });
    expect(free).toEqual({ count: 24, code: 'done' });
  });

  it('gets no more processes than its limit', async () => {
    const limits = { pids: 48 };
    expect(await bounded(['processes', '40'], { limits })).toMatchObject({ code: 'EAGAIN' });
    const alter = hostConfig(() => ({ PidsLimit: 0 }));
    expect(await bounded(['processes', '40'], { limits, alter })).toEqual({ count: 40, code: 'done' });
  });

  it('gets no further with a fork bomb', async () => {
    const end = await bench.run('(bomb() { bomb | bomb & }; bomb) 2>/dev/null & exec sleep 600', {
      limits: { pids: 200 },
      alter: hurried,
    });
    expect(end).toMatchObject({ exitCode: 124, outOfMemory: false, changed: [] });
  });

  it('gets no more open files than its limit', async () => {
    const { count, code } = await bounded(['descriptors'], {});
    expect(code).toBe('EMFILE');
    expect(count).toBeLessThan(16_384);
    const alter: Alteration = ({ HostConfig: host }) => {
      host.Ulimits = [{ Name: 'nofile', Soft: 20_000, Hard: 20_000 }];
    };
    expect((await bounded(['descriptors'], { alter })).count).toBeGreaterThan(16_384);
  });

  it('cannot fill /tmp with files or bytes beyond its size', async () => {
    const fewer: Alteration = ({ HostConfig: host }) => {
      // The same rule with a smaller number, so that it is reached at once.
      host.Tmpfs = {
        ...host.Tmpfs,
        '/tmp': (host.Tmpfs?.['/tmp'] ?? '').replace('nr_inodes=500000', 'nr_inodes=2000'),
      };
    };
    expect(await bounded(['inodes', '3000'], { alter: fewer })).toMatchObject({ code: 'ENOSPC' });
    expect(await bounded(['inodes', '3000'], {})).toMatchObject({ code: 'done' });
    const limits = { memoryBytes: 384 * MIB };
    expect(await bounded(['bytes', '16'], { limits })).toEqual({ count: 12, code: 'ENOSPC' });
    const alter: Alteration = ({ HostConfig: host }) => {
      host.Tmpfs = { ...host.Tmpfs, '/tmp': 'rw,exec,mode=1777' };
    };
    expect(await bounded(['bytes', '16'], { limits, alter })).toEqual({ count: 16, code: 'done' });
  });

  it('leaves a bounded log however much it prints', async () => {
    const most = 3 * 10 * MIB;
    const FLOOD = 'yes "$(printf %08000d 0)" | head -c 50000000';
    expect(await keptLog(FLOOD)).toBeLessThan(most);
    const alter: Alteration = ({ HostConfig: host }) => {
      host.LogConfig = { Type: 'local', Config: { 'max-size': '200m' } };
    };
    expect(await keptLog(FLOOD, alter)).toBeGreaterThan(most);
  });

  async function keptLog(command: string, alter?: Alteration): Promise<number> {
    const live = await bench.start(command, { alter });
    await live.end();
    const log = await live.container.logs({ follow: false, stdout: true });
    await live.discard();
    return log.length;
  }

  // Last: it has lived beside everything above.
  it('has not been felt by its neighbour', async () => {
    await neighbour.running.stop();
    const end = await neighbour.end();
    const { rounds, failed } = JSON.parse(end.output.trim().split('\n').at(-1) ?? '') as {
      rounds: number;
      failed: string[];
    };
    expect(end.exitCode).toBe(0);
    expect(failed).toEqual([]);
    expect(rounds).toBeGreaterThan(1);
  });
});
