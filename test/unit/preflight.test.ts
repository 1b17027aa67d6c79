// What is tried before a run is left alone, and what it refuses to start with.

import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventLine } from '../../cli/render/event-line.ts';
import { OrchestrateError } from '../../src/errors.ts';
import type { EventBody } from '../../src/events.ts';
import type { HostResources } from '../../src/sandbox/sandbox.ts';
import type { CheckRecord } from '../../src/state/records.ts';
import { Holds } from '../../src/tasks/holds.ts';
import { type PreflightContext, preflight, requireRoom } from '../../src/tasks/preflight.ts';
import type { ObjectId } from '../../src/types.ts';

const GIB = 1024 ** 3;
const COMMIT = 'a'.repeat(40) as ObjectId;
const NO_CAPS = { usd: null, tokens: null };
const PRICE = { input: 2, output: 10, cacheRead: 0.2, cacheWrite: 2.5 };

let stateDir: string;
let events: EventBody[];

beforeEach(async () => {
  stateDir = await mkdtemp(path.join(tmpdir(), 'orchestrate-preflight-'));
  await mkdir(path.join(stateDir, 'checks'));
  events = [];
});
afterEach(() => rm(stateDir, { recursive: true, force: true }));

function hostWith({ freeBytes = 500 * GIB, memoryBytes = (64 * GIB) as number | null } = {}): PreflightContext['host'] {
  const use: HostResources = {
    attempts: new Map(),
    disk: { free: freeBytes, total: 900 * GIB },
    inodes: { free: 0, total: 0 },
    memory: memoryBytes === null ? null : { free: memoryBytes, total: memoryBytes },
  };
  return { isolation: 'shared-kernel', resources: async () => use };
}

/** What the check of a command would have left, by what it says: `red` and `flaky` are what they are called. */
async function recordOf(command: string, at: number): Promise<CheckRecord> {
  const log = `checks/base-${at}.log`;
  await writeFile(path.join(stateDir, log), `first\n\x1b]0;owned\x07output of ${command}\n`);
  const exitCode = command.startsWith('red') ? 7 : 0;
  return { command, exitCode, durationMs: 1, tree: COMMIT, isFlaky: command.startsWith('flaky'), log };
}

function contextOf(more: Partial<PreflightContext> = {}): PreflightContext {
  return {
    ...{ allowRedBase: false, price: null, host: hostWith(), stateDir, base: { tree: COMMIT, commit: COMMIT } },
    checker: { check: (_on, commands) => Promise.all(commands.map(recordOf)) },
    ...{ checks: [], tasks: [{ size: 'small' }], maxAgents: 3, keys: [], budget: NO_CAPS, attemptBudget: NO_CAPS },
    limits: { memoryBytes: 4 * GIB, cpus: 2, pids: 10, diskBytes: 10 * GIB },
    ...{ deadline: null, earlier: null, autoApprove: 'never', autoMerge: null, signal: new AbortController().signal },
    emit: (event) => void events.push(event),
    onProgress: () => {},
    ...more,
  };
}

async function refused(context: PreflightContext): Promise<OrchestrateError> {
  const error = await preflight(context).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof OrchestrateError)) throw new Error(`not refused: ${String(error)}`);
  expect(events.filter(({ type }) => type === 'run.ready')).toEqual([]);
  return error;
}

const warnings = (): string[] => events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));

function ready(): string {
  const [event] = events.filter(({ type }) => type === 'run.ready');
  if (event === undefined) throw new Error('it is not ready');
  return eventLine({ at: new Date(0).toISOString(), ...event }) ?? '';
}

describe('the base', () => {
  it('is ready where all checks pass, and their logs are gone', async () => {
    await preflight(contextOf({ checks: ['good', 'flaky one'] }));
    expect(ready()).toMatch(/base +passes: good; passes, flaky: flaky one/);
    expect(warnings()).toEqual([expect.stringContaining('flaky on the base')]);
    expect(await readdir(path.join(stateDir, 'checks'))).toEqual([]);
  });

  it('is refused where a check is red, with the end of what it printed, and where the rest is', async () => {
    const error = await refused(contextOf({ checks: ['good', 'red one'] }));
    expect(error).toMatchObject({ code: 'BASE_RED', exitCode: 1, hint: expect.stringContaining('--allow-red-base') });
    expect(error.message).toContain('the check fails on the base (7): red one');
    expect(error.message).toContain('output of red one');
    expect(error.message).not.toContain('\x1b');
    expect(await readdir(path.join(stateDir, 'checks'))).toEqual(['base-1.log']);
    expect(error.message).toContain('checks/base-1.log');
  });

  it('may be red where that is wanted, and is told as such', async () => {
    await preflight(contextOf({ checks: ['red one'], allowRedBase: true }));
    expect(ready()).toContain('RED (7), allowed: red one');
    expect(warnings()).toEqual([expect.stringContaining('fails on the base already (7), which was allowed: red one')]);
  });

  it('is not tried again where the run goes on for one that tried it, but for what would be refused', async () => {
    const good = { command: 'good', exitCode: 0, flaky: false, log: null };
    const red = { command: 'red one', exitCode: 7, flaky: false, log: 'checks/base-9.log' };
    const asked: (readonly string[])[] = [];
    const checker: PreflightContext['checker'] = {
      check: (_on, commands) => {
        asked.push(commands);
        return Promise.all(commands.map(recordOf));
      },
    };
    const earlier = { tree: COMMIT, checks: [good, red] };
    await preflight(contextOf({ checks: ['good'], checker, earlier }));
    await preflight(contextOf({ checks: ['red one', 'good'], checker, earlier, allowRedBase: true }));
    expect(asked).toEqual([]);
    await expect(preflight(contextOf({ checks: ['red one'], checker, earlier }))).rejects.toMatchObject({
      code: 'BASE_RED',
    });
    const other = { ...earlier, tree: 'b'.repeat(40) as ObjectId };
    await preflight(contextOf({ checks: ['good'], checker, earlier: other }));
    await preflight(contextOf({ checks: ['good', 'new one'], checker, earlier }));
    expect(asked).toEqual([['red one'], ['good'], ['good', 'new one']]);
  });

  it('is nothing any more where the run is stopped meanwhile', async () => {
    const stop = new AbortController();
    const check = (): Promise<never> => {
      stop.abort();
      return Promise.reject(stop.signal.reason);
    };
    await preflight(contextOf({ checks: ['good'], checker: { check }, signal: stop.signal }));
    expect(events).toEqual([]);
  });
});

describe('room', () => {
  it('is refused for what somebody has to see to, with its figure, and for nothing that passes', () => {
    const holds = new Holds(() => {});
    holds.set('memory', 'the memory is nearly used up');
    holds.set('engine', 'the Docker engine does not answer');
    requireRoom(holds);
    holds.set('disk', 'the disk has 1.2 GB of 20 GB left');
    const refusal = { code: 'DISK_TOO_SMALL', exitCode: 3, message: expect.stringContaining('1.2 GB of 20 GB') };
    expect(() => requireRoom(holds)).toThrow(expect.objectContaining(refusal));
  });

  it('is warned of where agents together may want more', async () => {
    await preflight(contextOf({ host: hostWith({ freeBytes: 20 * GIB, memoryBytes: 7 * GIB }) }));
    expect(warnings()).toEqual([
      expect.stringMatching(/20\.0 GiB are free .* 30\.0 GiB together/),
      expect.stringMatching(/12\.0 GiB of memory together .* 7\.0 GiB/),
    ]);
  });

  it('is not warned of where memory is a little short, or not known', async () => {
    await preflight(contextOf({ host: hostWith({ memoryBytes: 8 * GIB }) }));
    await preflight(contextOf({ host: hostWith({ memoryBytes: null }) }));
    expect(warnings()).toEqual([]);
  });
});

describe('the cost', () => {
  it('is bounded by the budget', async () => {
    await preflight(contextOf({ keys: ['anthropic'], budget: { usd: 20, tokens: 1_000_000 } }));
    expect(ready()).toMatch(/cost +at most \$20\.00, at most 1,000,000 tokens/);
    expect(warnings()).toEqual([]);
  });

  it('is loudly without a ceiling where there is no budget, with what it will roughly be', async () => {
    const tasks = [{ size: 'small' }, { size: 'large' }] as const;
    await preflight(contextOf({ keys: ['anthropic'], price: PRICE, tasks }));
    expect(warnings()).toEqual([expect.stringMatching(/NO CEILING .*roughly \$\d.* to \$\d.*--budget-usd/)]);
    expect(ready()).toMatch(/cost +NO CEILING/);
  });

  it('says so where the price is not known, and where no model is asked', async () => {
    await preflight(contextOf({ keys: ['anthropic'] }));
    expect(warnings()).toEqual([expect.stringContaining('what it will cost is not known')]);
    await preflight(contextOf());
    expect(warnings()).toHaveLength(1);
  });
});
