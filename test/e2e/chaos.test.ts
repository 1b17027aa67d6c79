// Each point of a run × what can happen to it there: killed, stopped for a while, its engine or a container gone. The run after
// that puts all in order.
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FAULTS, type Fault, KILLED } from '../support/chaos-faults.ts';
import { POINTS, type Point, place } from '../support/chaos-points.ts';
import { ChaosQueue, COMMAND } from '../support/chaos-queue.ts';
import { type CutRun, type StartedRun, seeded, startRun, times } from '../support/endurance.ts';
import { EngineProxy } from '../support/engine-proxy.ts';
import { GitGate } from '../support/git-gate.ts';
import { Scratch } from '../support/scratch.ts';

/** Every point with every fault that happens there, so often; the short form takes one fault at a quarter of the points. */
const ROUNDS = times({ short: 0, long: 6 });
const IS_LONG = ROUNDS > 0;
/** Somebody waits for its end, or tries a seed again. */
const IS_WATCHED = IS_LONG || process.env.ORCHESTRATE_TEST_SEED !== undefined;
const STOP_MS = times({ short: 1_500, long: 5_000 });
/** Once for each point, in the long form. */
const LONG_STOP_MS = 90_000;
const TIMEOUT_MS = times({ short: 5, long: 300 }) * 60_000;
/** What recovery may take, as promised. */
const RECOVERED_WITHIN_MS = 30_000;
/** A round of work takes seconds, with what is tried again later; what takes longer hangs. */
const ENDED_WITHIN_MS = 120_000;
const MOST_TRIES = 5;

let scratch: Scratch;
let proxy: EngineProxy;
let gate: GitGate;
let queue: ChaosQueue;
/** The one that was started last. */
let run: StartedRun | null = null;

beforeEach(async () => {
  scratch = await Scratch.create();
  proxy = await EngineProxy.open(path.join(scratch.folder, 'engine.sock'));
  gate = await GitGate.create(path.join(scratch.folder, 'gate'));
  queue = new ChaosQueue(scratch);
});
afterEach(async () => {
  run?.signal('SIGKILL', 'group');
  await proxy[Symbol.asyncDispose]();
  await gate[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

interface Strike {
  readonly point: Point;
  readonly fault: Fault;
  readonly stopMs: number;
}

it('a run hit anywhere loses nothing, doubles nothing and leaves nothing behind', { timeout: TIMEOUT_MS }, () =>
  seeded(async (random) => {
    const strikes = shuffled(IS_LONG ? allOften() : someOnce(random), random);
    const struck = new Map<string, number>();
    let isDone = true;
    for (const strike of strikes) {
      const name = `${strike.fault.name}: ${strike.point.name}`;
      try {
        isDone = await strikeAt(strike, isDone, random);
        // What the next one hits may be the recovery; what was lost in part is tried again later and later.
        if (!isDone && (strike.fault.leaves === 'some' || random() < 0.5)) isDone = await finish();
      } catch (cause) {
        throw new Error(`${name}, after ${counted(struck)}`, { cause });
      }
      struck.set(strike.fault.name, (struck.get(strike.fault.name) ?? 0) + 1);
      if (IS_WATCHED) process.stdout.write(`${name} (${counted(struck)})\n`);
    }
    if (!isDone) await finish();
  }),
);

/** `killed 3, stopped 2` */
function counted(struck: ReadonlyMap<string, number>): string {
  return [...struck].map(([fault, times]) => `${fault} ${times}`).join(', ');
}

/** At every fourth point one of the faults that happen there. */
function someOnce(random: () => number): Strike[] {
  const offset = Math.floor(random() * FAULTS.length);
  const points = POINTS.filter((_, at) => at % 4 === offset % 4);
  return points.flatMap((point, at) => {
    const faults = FAULTS.filter((fault) => fault.happensAt(point));
    const fault = faults[(at + offset) % faults.length];
    return fault === undefined ? [] : [{ point, fault, stopMs: STOP_MS }];
  });
}

function allOften(): Strike[] {
  return Array.from({ length: ROUNDS }, (_, round) =>
    POINTS.flatMap((point) => {
      const faults = FAULTS.filter((fault) => fault.happensAt(point));
      return faults.map((fault) => ({ point, fault, stopMs: round === 0 ? LONG_STOP_MS : STOP_MS }));
    }),
  ).flat();
}

/** Says whether all work is done after it. */
async function strikeAt(strike: Strike, wasDone: boolean, random: () => number): Promise<boolean> {
  const before = POINTS.find(({ name }) => name === strike.point.afterKillAt);
  let isDone = wasDone;
  // A run that goes on after another may not get there any more.
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    if (before !== undefined && !isDone) isDone = await finish();
    if (isDone) await queue.submit();
    if (before !== undefined) await hit({ point: before, fault: KILLED, stopMs: 0 }, random);
    const end = await hit(strike, random);
    isDone = end.isDone;
    if (end.wasHit) return isDone;
  }
  throw new Error('no run got there');
}

interface HitEnd {
  readonly wasHit: boolean;
  readonly isDone: boolean;
}

async function hit({ point, fault, stopMs }: Strike, random: () => number): Promise<HitEnd> {
  const placed = await place(point, { proxy, gate });
  const env = { ...placed.env, DOCKER_HOST: proxy.dockerHost };
  run = startRun(scratch, COMMAND, { env, args: fault.flags ?? [] });
  const held = await Promise.race([placed.reached, run.ended.then(() => null)]);
  placed.withdraw();
  const yesOrNo = (): boolean => random() < 0.5;
  if (held !== null) await fault.strike({ scratch, proxy, run, held, stopMs, yesOrNo });
  const ended = await inTime(run);
  const isDone = queue.isDoneAfter(ended);
  if (held === null || fault.leaves === 'all') expectEnded(ended);
  else if (fault.leaves === 'nobody') expect(ended).toMatchObject({ exitCode: null });
  if (ended.exitCode === 0) await queue.expectWhole();
  if (ended.exitCode !== null) await queue.retryGivenUp();
  return { wasHit: held !== null, isDone };
}

/** A run that nobody hits: all is in order soon, and done in the end. */
async function finish(): Promise<true> {
  for (;;) {
    const started = performance.now();
    let recoveredMs: number | null = null;
    run = startRun(scratch, COMMAND, {
      onEvent: ({ type }) => {
        if (type === 'task.started' || type === 'task.ended') recoveredMs ??= performance.now() - started;
      },
    });
    const ended = await inTime(run);
    expectEnded(ended);
    expect(recoveredMs ?? 0).toBeLessThan(RECOVERED_WITHIN_MS);
    if (queue.isDoneAfter(ended)) {
      await queue.expectWhole();
      return true;
    }
    // Given up by an earlier run.
    expect(await queue.retryGivenUp()).not.toEqual([]);
  }
}

/** The end of a run that nothing stands in the way of any more. */
async function inTime(run: StartedRun): Promise<CutRun> {
  const over = new AbortController();
  const late = wait(ENDED_WITHIN_MS, 'late' as const, { signal: over.signal }).catch(() => 'late' as const);
  const first = await Promise.race([run.ended, late]);
  over.abort();
  if (first !== 'late') return first;
  run.signal('SIGKILL', 'group');
  const { events, stderr } = await run.ended;
  throw new Error(`it hung: ${JSON.stringify(events)} ${stderr}`);
}

function expectEnded({ exitCode, stderr }: CutRun): void {
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: expect.any(String) });
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const all = [...items];
  for (let at = all.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    [all[at], all[other]] = [all[other] as Item, all[at] as Item];
  }
  return all;
}
