// Whether the engine answers, what waits for it, and what does not wait any more.
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { environmentError, type OrchestrateError } from '../../src/errors.ts';
import { limitCalls } from '../../src/sandbox/docker/calls.ts';
import { EngineHealth, type EngineLine } from '../../src/sandbox/docker/health.ts';
import { DockerSandbox } from '../../src/sandbox/docker/sandbox.ts';
import { FakeEngine, json, lost } from '../support/fake-engine.ts';

const TIMES = { everyMs: 20, againMs: 10, pingMs: 100, failures: 2 };
const RUNNING = { State: { Status: 'running', Running: true, ExitCode: 0 } };

let engine: FakeEngine;
let health: EngineHealth;

beforeEach(async () => {
  engine = await FakeEngine.start();
  health = limitCalls(engine.docker, TIMES);
  health.watch();
});
afterEach(async () => {
  health[Symbol.dispose]();
  await engine[Symbol.asyncDispose]();
});

function told(isGone: boolean): Promise<void> {
  return new Promise((resolve) => {
    const end = health.listen((now) => {
      if (now !== isGone) return;
      end();
      resolve();
    });
  });
}

function sandbox(): DockerSandbox {
  const container = engine.docker.getContainer('x');
  const rest = { attempt: 'a.1', tree: 't', objectFormat: 'sha1', diskBytes: 1, keeper: {} };
  return new DockerSandbox({ container, engine: health, ...rest } as never);
}

describe('an engine', () => {
  it('that refuses is gone, and back when it answers', async () => {
    engine.down();
    await told(true);
    const back = told(false);
    await engine.up();
    await back;
    expect(health.outages).toBe(1);
  });

  it('lets any number of calls wait for it without a word about leaks, before and after', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    for (let times = 0; times < 2; times += 1) {
      engine.hang();
      const calls = Array.from({ length: 12 }, () => engine.docker.info().catch(() => {}));
      await told(true);
      await Promise.all(calls);
      const back = told(false);
      await engine.up();
      await back;
    }
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  it('that accepts and answers nothing is gone as well', async () => {
    engine.hang();
    await told(true);
    expect(health.gone.aborted).toBe(true);
  });

  it('is not gone for one answer that came late', async () => {
    let late = true;
    engine.answer('GET /_ping', (response) => {
      if (!late) response.end('OK');
      late = false;
    });
    await health.look();
    expect(health.gone.aborted).toBe(false);
  });

  it('that is gone ends what waits for an answer, or for more of one', async () => {
    engine.answer('GET /containers/x/logs', (response) => response.write('begun'));
    const asked = engine.docker.getContainer('x').wait();
    asked.catch(() => {});
    const log = await engine.docker.getContainer('x').logs({ follow: true, stdout: true });
    const broken = once(log, 'error');
    engine.hang();
    await expect(asked).rejects.toMatchObject({ code: 'ENGINE_GONE' });
    expect((await broken)[0]).toMatchObject({ code: 'ENGINE_GONE' });
    await expect(engine.docker.info()).rejects.toMatchObject({ code: 'ENGINE_GONE' });
  });
});

describe('what needs the engine', () => {
  it('fails while it is gone where nobody has said that it may wait', async () => {
    engine.down();
    await told(true);
    await expect(health.steadily(() => engine.docker.info())).rejects.toMatchObject({ code: 'ENGINE_GONE' });
  });

  it('waits for its return otherwise', async () => {
    health.mayWait();
    engine.answer('GET /info', json({ Name: 'it' }));
    engine.down();
    await told(true);
    const info = health.steadily(() => engine.docker.info());
    await engine.up();
    expect(await info).toMatchObject({ Name: 'it' });
  });

  it('waits no more once it was given up, and nothing that comes after', async () => {
    health.mayWait();
    engine.hang();
    await told(true);
    const waiting = health.here();
    health.giveUp();
    await expect(waiting).rejects.toMatchObject({ code: 'ENGINE_GONE' });
    await expect(health.here()).rejects.toMatchObject({ code: 'ENGINE_GONE' });
  });

  it('is asked for again where the answer was lost, and not without end', async () => {
    engine.answer('GET /info', lost);
    await expect(health.steadily(() => engine.docker.info())).rejects.toMatchObject({ code: 'ECONNRESET' });
    const asked = engine.asked.filter((call) => call === 'GET /info').length;
    expect(asked).toBeGreaterThan(1);
    expect(asked).toBeLessThan(10);
  });

  it('waits for its return where the engine refused because it was about to go', async () => {
    health.mayWait();
    const isAway = told(true);
    engine.answer('GET /info', (response, request) => {
      response.once('close', () => engine.down());
      json({ message: 'get some-store: database not open' }, 500)(response, request);
    });
    const info = health.steadily(() => engine.docker.info());
    await isAway;
    engine.answer('GET /info', json({ Name: 'it' }));
    await engine.up();
    expect(await info).toMatchObject({ Name: 'it' });
  });

  it('fails where an engine that seemed about to go stays', async () => {
    const message = 'failed to update store for object type *libnetwork.endpoint: open : no such file or directory';
    engine.answer('GET /info', json({ message }, 500));
    await expect(health.steadily(() => engine.docker.info())).rejects.toMatchObject({ statusCode: 500 });
  });

  it('is asked for once where the engine refused', async () => {
    engine.answer('GET /info', json({ message: 'no' }, 500));
    await expect(health.steadily(() => engine.docker.info())).rejects.toMatchObject({ statusCode: 500 });
    expect(engine.asked.filter((call) => call === 'GET /info')).toHaveLength(1);
  });
});

describe('a sandbox', () => {
  it('whose start was answered by nobody is started once', async () => {
    engine.answer('POST /containers/x/start', lost);
    engine.answer('GET /containers/x/json', json(RUNNING));
    await sandbox().start();
    expect(engine.asked.filter((call) => call.endsWith('/start'))).toHaveLength(1);
  });

  it('that was started before the engine went is waited for after its return', async () => {
    health.mayWait();
    engine.answer('GET /containers/x/json', json(RUNNING));
    const ended = sandbox().ended();
    engine.down();
    await told(true);
    const exited = { State: { Status: 'exited', Running: false, ExitCode: 7 } };
    engine.answer('POST /containers/x/wait', json({ StatusCode: 7 }));
    engine.answer('GET /containers/x/json', json(exited));
    engine.answer('GET /containers/x/logs', (response) => response.end());
    await engine.up();
    expect(await ended).toMatchObject({ exitCode: 7, cutOff: null, outputLost: { code: 'OUTPUT_LOST' } });
  });

  it('that PID 1 did not end itself was killed by others: by the engine where that went meanwhile', async () => {
    health.mayWait();
    engine.answer('GET /containers/x/json', json({ State: { Status: 'exited', Running: false, ExitCode: 137 } }));
    engine.answer('POST /containers/x/wait', json({ StatusCode: 137 }));
    engine.answer('GET /containers/x/logs', (response) => response.end());
    const ended = await sandbox().ended();
    expect(ended.cutOff).toMatchObject({ code: 'SANDBOX_STOPPED', kind: 'environment' });
    engine.down();
    await told(true);
    expect(ended.cutOff).toMatchObject({ code: 'ENGINE_RESTARTED' });
  });

  it('that ended with an engine which was back before any ping was refused was ended by that', async () => {
    health.mayWait();
    await vi.waitUntil(() => engine.asked.includes('GET /events'));
    await health.look();
    engine.answer('GET /containers/x/logs', (response) => response.end());
    const waits = new Promise<void>((resolve) => engine.answer('POST /containers/x/wait', () => resolve()));
    const ended = sandbox().ended();
    await waits;
    engine.answer('GET /containers/x/json', json({ State: { Status: 'exited', Running: false, ExitCode: 137 } }));
    engine.restart();
    expect(await ended).toMatchObject({ cutOff: { code: 'ENGINE_RESTARTED' } });
    expect(health.outages).toBe(0);
  });

  it('whose output cannot be read, or that cannot be removed, is trouble with the engine', async () => {
    const refused = json({ message: 'no' }, 500);
    engine.answer('GET /containers/x/logs', refused);
    engine.answer('DELETE /containers/x', refused);
    const failed = { code: 'DOCKER_FAILED', kind: 'environment' };
    await expect(sandbox().output()[Symbol.asyncIterator]().next()).rejects.toMatchObject(failed);
    await expect(sandbox().discard()).rejects.toMatchObject(failed);
  });

  it('that is not there any more was removed by others', async () => {
    engine.answer('POST /containers/x/wait', json({ message: 'No such container: x' }, 404));
    engine.answer('GET /containers/x/json', json({ message: 'No such container: x' }, 404));
    expect(await sandbox().ended()).toMatchObject({ cutOff: { code: 'SANDBOX_REMOVED' } });
  });
});

describe('the way to an engine', () => {
  const never = (): Promise<never> => new Promise(() => {});

  it('is told of again when more is known of why it is closed', async () => {
    const told: (string | undefined)[] = [];
    let code = 'HOST_UNREACHABLE';
    const line: EngineLine = {
      ping: async () => Promise.reject(new Error('no')),
      hold: never,
      whyGone: () => environmentError(code, 'it is away') as OrchestrateError,
    };
    using asked = new EngineHealth(line, TIMES);
    asked.listen(() => told.push(asked.why?.code));
    asked.watch();
    await vi.waitFor(() => expect(told).toEqual(['HOST_UNREACHABLE']));
    code = 'HOST_TLS';
    await vi.waitFor(() => expect(told).toEqual(['HOST_UNREACHABLE', 'HOST_TLS']));
  });

  it.each([
    {
      when: 'while a person waits',
      limit: 5_000,
      hurry: (asked: EngineHealth) => {
        const container = { inspect: never, stop: never, kill: never };
        void new DockerSandbox({ container, engine: asked } as never).stop();
      },
    },
    { when: 'once nobody waits', limit: 3_000, hurry: (asked: EngineHealth) => asked.giveUp() },
  ])('is not asked for long $when, though a patient question is under way', async ({ limit, hurry }) => {
    const limits: number[] = [];
    const line: EngineLine = {
      ping(limitMs) {
        limits.push(limitMs);
        return limitMs > limit ? never() : Promise.reject(new Error('no'));
      },
      hold: never,
    };
    using asked = new EngineHealth(line, { ...TIMES, pingMs: 60_000 });
    asked.watch();
    await vi.waitFor(() => expect(limits).toEqual([60_000]));
    hurry(asked);
    await vi.waitFor(() => expect(asked.gone.aborted).toBe(true));
  });
});
