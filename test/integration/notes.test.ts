// Contexts and outboxes in real sandboxes: what hostile agents make of them, and what outlives a killed coordinator.

import path from 'node:path';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { commandEngine } from '../../src/engine/command.ts';
import type { OutboxNews } from '../../src/sandbox/sandbox.ts';
import { openState, type State } from '../../src/state/state.ts';
import type { AttemptId, WorkspaceKind } from '../../src/types.ts';
import { killedRun, until } from '../support/killed-run.ts';
import { runHere } from '../support/run-here.ts';
import { type LiveSandbox, SandboxBench } from '../support/sandbox.ts';
import { Scratch } from '../support/scratch.ts';

describe.each<WorkspaceKind>(['overlay', 'copy'])('a sandbox over a workspace of kind %s', (workspace) => {
  let bench: SandboxBench;
  beforeAll(async () => {
    bench = await SandboxBench.open({ workspace });
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  async function attemptOf(live: LiveSandbox): Promise<AttemptId> {
    return (await live.container.inspect()).Config.Labels['orchestrate.attempt'] as AttemptId;
  }

  /** What is in the outbox of an agent that says `ready` and waits. */
  async function outboxAfter(script: string): Promise<OutboxNews> {
    const live = await bench.start(`${script}\necho ready; sleep 60`);
    try {
      await live.printed('ready');
      const attempt = await attemptOf(live);
      const news = (await bench.host.takeNotes(new Map([[attempt, 50]]), true)).get(attempt);
      if (news === undefined) throw new Error('no answer');
      return news;
    } finally {
      await live.discard();
    }
  }

  it('is told what is new while it works, and nothing of that gets into its patch', async () => {
    const live = await bench.start('until grep -q hello /context/notes.md; do sleep 0.1; done; echo x > x.txt');
    const content = Buffer.from('hello\n');
    await bench.host.putContext(new Map([[await attemptOf(live), [{ name: 'notes.md', content }]]]));
    expect(await live.end()).toMatchObject({ exitCode: 0, changed: ['x.txt'] });
    await live.discard();
  });

  it('cannot lead whoever reads its outbox elsewhere, or have it wait', async () => {
    const { files, refused } = await outboxAfter(`
      cd /context/outbox
      echo real > real
      ln -s /etc/shadow shadow; ln -s ../../../../s links; ln -s /store/a keeper; ln -s /proc/self/fd/0 input
      mkfifo pipe; mkdir -p folder/below; echo x > folder/below/x
      truncate -s 1T sparse
      ln /context/task.md told
      python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('socket')"
      python3 -c "import fcntl, os, time; f = open('leased', 'w'); f.write('x'); f.flush(); fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK); print('leased', flush=True); time.sleep(60)" &
      sleep 1`);
    expect(files.map(({ name, text }) => [name, text])).toEqual([['real', 'real\n']]);
    expect(refused.map(({ name }) => name).sort()).toEqual(
      expect.arrayContaining(['folder', 'input', 'keeper', 'leased', 'links', 'pipe', 'shadow', 'socket', 'sparse']),
    );
  });

  it('cannot have more read than is wanted, however much it writes', async () => {
    const huge = await outboxAfter('yes note | head -c 52428800 > /context/outbox/huge');
    expect(huge.files).toMatchObject([{ name: 'huge', size: 52_428_800 }]);
    expect(huge.files[0]?.text.length).toBeLessThanOrEqual(16_384);
    const many = await outboxAfter('cd /context/outbox; seq 10000 | split -l 1 -a 4 - f');
    expect(many.files).toHaveLength(50);
    expect(many.left).toBeGreaterThan(900);
  });

  it('has what it puts there counted as its own', async () => {
    const live = await bench.start('head -c 30000000 /dev/zero > /context/outbox/big; echo ready; sleep 60');
    await live.printed('ready');
    const { attempts } = await bench.host.resources();
    expect(attempts.get(await attemptOf(live))).toBeGreaterThan(30_000_000);
    await live.discard();
  });
});

describe('the notes of an agent whose coordinator was killed', () => {
  let scratch: Scratch;
  let state: State;
  beforeEach(async () => {
    scratch = await Scratch.create();
    await scratch.must(['submit', 'x', '--title', 'left alone']);
  });
  afterEach(async () => {
    state.close();
    await scratch[Symbol.asyncDispose]();
  });

  async function takeOver(): Promise<string[]> {
    state = openState(path.join(scratch.repository, '.git/orchestrate'));
    const engine = commandEngine({ name: 'command', command: 'true' });
    await runHere(scratch, state, { engine, engineNamed: async () => engine });
    return state.notes().map(({ kind, text, from }) => `${from?.attempt} ${kind}: ${text}`);
  }

  it('are kept once by the run that takes it over, which tells it what came meanwhile', async () => {
    const command = [
      'cd /context/outbox; echo before > before; sleep 5; echo between > between',
      'until grep -q meanwhile /context/notes.md; do sleep 0.1; done; echo after > after',
    ].join('\n');
    await killedRun(scratch, ['--engine-command', command]);
    await scratch.must(['note', 'add', 'meanwhile']);
    expect((await takeOver()).sort()).toEqual([
      'left-alone.1 note: after',
      'left-alone.1 note: before',
      'left-alone.1 note: between',
      'left-alone.1 summary: left alone: nothing was changed',
      'undefined note: meanwhile',
    ]);
  });

  it('are kept even where its sandbox is gone', async () => {
    const name = await killedRun(scratch, ['--engine-command', 'echo last words > /context/outbox/w; sleep 300']);
    await until(
      async () =>
        (await execa('docker', ['exec', name, '/usr/bin/test', '-s', '/context/outbox/w'], { reject: false }))
          .exitCode === 0,
    );
    await execa('docker', ['rm', '-f', name]);
    expect(await takeOver()).toContain('left-alone.1 note: last words');
  });
});
