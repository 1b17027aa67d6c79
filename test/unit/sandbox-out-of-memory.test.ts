import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EngineHealth } from '../../src/sandbox/docker/health.ts';
import { DockerSandbox } from '../../src/sandbox/docker/sandbox.ts';
import { type EndReport, encodeFrame } from '../../src/toolbox/frames.ts';
import { hasRunOutOfMemory } from '../../src/toolbox/memory.ts';
import { FakeEngine, json } from '../support/fake-engine.ts';

let engine: FakeEngine;

beforeEach(async () => {
  engine = await FakeEngine.start();
});
afterEach(() => engine[Symbol.asyncDispose]());

interface End {
  readonly code: number;
  readonly isFlagged: boolean;
  /** What PID 1 wrote last of all; null where it was killed itself. */
  readonly said: EndReport | null;
}

/** A sandbox that ended so. @param before what is done with it before anybody looks at its end */
async function ended(
  { code, isFlagged, said }: End,
  before: (sandbox: DockerSandbox) => Promise<void> = async () => {},
): Promise<DockerSandbox> {
  const state = { Status: 'exited', Running: false, Dead: false, ExitCode: code, OOMKilled: isFlagged };
  engine.answer('POST /containers/x/wait', json({ StatusCode: code }));
  engine.answer('GET /containers/x/json', json({ State: state }));
  engine.answer('GET /containers/x/logs', (response) => {
    const line = said === null ? Buffer.alloc(0) : encodeFrame({ kind: 'end', at: 0, ...said });
    const head = Buffer.from([1, 0, 0, 0, 0, 0, 0, line.length]);
    response.end(said === null ? '' : Buffer.concat([head, line]));
  });
  const health = new EngineHealth({ ping: async () => {}, hold: () => Promise.reject(new Error('nobody watches')) });
  const sandbox = new DockerSandbox({ container: engine.docker.getContainer('x'), engine: health } as never);
  await before(sandbox);
  await sandbox.ended();
  return sandbox;
}

const BY_ITSELF = { wasTold: false, outOfMemory: false };
const SHORT = { ...BY_ITSELF, outOfMemory: true };

it.each([
  ['the engine heard of in time', { code: 137, isFlagged: true, said: SHORT }],
  ['the engine did not hear of before the end', { code: 137, isFlagged: false, said: SHORT }],
  ['ended PID 1 too', { code: 137, isFlagged: true, said: null }],
])('ran out of memory: what %s', async (_, end) => {
  expect(await ended(end)).toMatchObject({ outOfMemory: true, cutOff: null });
});

it.each([
  ['was killed for something else', { code: 137, isFlagged: false, said: BY_ITSELF }],
  ['got over what its child lacked', { code: 3, isFlagged: true, said: SHORT }],
])('did not run out of memory: what %s', async (_, end) => {
  expect(await ended(end)).toMatchObject({ outOfMemory: false, cutOff: null });
});

it('did not run out of memory where somebody stopped what had lost a child to it', async () => {
  const sandbox = await ended({ code: 137, isFlagged: true, said: { wasTold: true, outOfMemory: true } });
  expect(sandbox.outOfMemory).toBe(false);
  expect(sandbox.cutOff).toMatchObject({ code: 'SANDBOX_STOPPED' });
});

it('PID 1 reads the kernel’s count, whatever the version of the control groups', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-counts-'));
  const [v2, v1] = [path.join(folder, 'memory.events'), path.join(folder, 'memory.oom_control')];
  expect(hasRunOutOfMemory([v2, v1])).toBe(false);
  await writeFile(v2, 'low 0\nhigh 0\nmax 12\noom 0\noom_kill 0\noom_group_kill 0\n');
  expect(hasRunOutOfMemory([v2, v1])).toBe(false);
  await writeFile(v1, 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n');
  expect(hasRunOutOfMemory([v2, v1])).toBe(true);
  await rm(v1);
  await writeFile(v2, 'low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n');
  expect(hasRunOutOfMemory([v2, v1])).toBe(true);
  await rm(folder, { recursive: true });
});

it('was stopped by somebody else where we say stop to what has ended already', async () => {
  const sandbox = await ended({ code: 143, isFlagged: false, said: { ...BY_ITSELF, wasTold: true } }, (one) =>
    one.stop(),
  );
  expect(sandbox.cutOff).toMatchObject({ code: 'SANDBOX_STOPPED' });
});
