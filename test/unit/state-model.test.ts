/** Random operations on a real state, compared with a small model of what must be true. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { AttemptEnd, RunRecord, TaskRecord } from '../../src/state/records.ts';
import { openState, type State } from '../../src/state/state.ts';
import { phasesOf } from '../../src/tasks/phases.ts';
import {
  ATTEMPT_OUTCOMES,
  type AttemptId,
  type AttemptOutcome,
  NO_USAGE,
  type ObjectId,
  PATCH_STATES,
  type PatchState,
  PRIORITIES,
  type RunId,
  TASK_SIZES,
  type TaskId,
} from '../../src/types.ts';

const OID = 'b'.repeat(40) as ObjectId;
const BOUNDS = { timeoutMs: 60_000, diskBytes: 2 ** 30 };
const PLACE = { ...BOUNDS, host: 'local', engine: 'demo', container: (task: string, n: number) => `${task}-${n}` };

interface Model {
  /** What was really told to succeed, by an attempt that was under way. */
  readonly succeeded: Set<TaskId>;
  /** Ids of attempts in the order of claiming. */
  readonly claimed: AttemptId[];
  /** Tasks that were set aside by hand and wait for nothing else. */
  readonly setAside: Set<TaskId>;
  readonly patches: Map<AttemptId, PatchState>;
  /** What each attempt was merged from, directly. */
  readonly foundations: Map<AttemptId, readonly AttemptId[]>;
}

/** All that a patch stands on. */
function below({ foundations }: Model, patch: AttemptId): Set<AttemptId> {
  const found = new Set(foundations.get(patch));
  for (const id of found) for (const further of foundations.get(id) ?? []) found.add(further);
  return found;
}

function isUndermined(model: Model, patch: AttemptId): boolean {
  return [...below(model, patch)].some((id) => model.patches.get(id) === 'rejected');
}

/** What others start from: a result that is not of a failed attempt, rejected, or on top of a rejected one. */
const UNUSABLE: readonly (PatchState | undefined)[] = [undefined, 'salvaged', 'rejected', 'stale'];
/** What nothing that happens below a patch changes any more. */
const SETTLED: readonly PatchState[] = ['merged', 'rejected', 'salvaged', 'changes-requested'];

/** What a rejection, or its end, does to the patches on top. */
function settle(model: Model, patch: AttemptId): void {
  const rejected = model.patches.get(patch) === 'rejected';
  for (const [id, state] of model.patches) {
    if (!below(model, id).has(patch) || SETTLED.includes(state)) continue;
    if (rejected) model.patches.set(id, 'stale');
    else if (state === 'stale' && !isUndermined(model, id)) model.patches.set(id, 'pending');
  }
}

interface Real {
  state: State;
  readonly directory: string;
  /** Oldest first; only the last one's fence counts. */
  readonly runs: RunRecord[];
}

type Act = (model: Model, real: Real) => void;

function pick<Item>(items: readonly Item[], index: number): Item | undefined {
  return items[index % Math.max(1, items.length)];
}

function isNewest(real: Real, run: RunRecord): boolean {
  return run === real.runs.at(-1);
}

const WEIGHTS = { small: 1, medium: 3, large: 8 };
const FILES = ['src/a.ts', 'src/b.ts', 'src/', 'README.md'];

function chainOf(task: TaskRecord, all: readonly TaskRecord[]): number {
  const above = all.filter((other) => other.dependsOn.includes(task.id)).map((other) => chainOf(other, all));
  return WEIGHTS[task.size] + Math.max(0, ...above);
}

function doOverlap(a: TaskRecord, b: TaskRecord): boolean {
  const covers = (one: string, other: string) => one === other || (one.endsWith('/') && other.startsWith(one));
  return a.files.some((one) => b.files.some((other) => covers(one, other) || covers(other, one)));
}

function isAtWork(task: TaskRecord): boolean {
  return task.state === 'running' || task.state === 'paused';
}

/** In the order in which they are claimed, whatever stands in their way. */
function inOrder(tasks: readonly TaskRecord[]): TaskRecord[] {
  const rank = (task: TaskRecord) => PRIORITIES.indexOf(task.priority) * 1e9 - chainOf(task, tasks) * 1e5 + task.seq;
  return tasks.filter((task) => task.state === 'queued').sort((a, b) => rank(a) - rank(b));
}

const addBatch = fc
  .record({
    added: fc.array(
      fc.record({
        priority: fc.constantFrom(...PRIORITIES),
        size: fc.constantFrom(...TASK_SIZES),
        files: fc.subarray(FILES, { maxLength: 2 }),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    titles: fc.constantFrom('same title', 'другой', 'x'),
    below: fc.array(fc.tuple(fc.nat(3), fc.nat(40)), { maxLength: 6 }),
  })
  .map(
    ({ added, titles, below }): Act =>
      (_, { state }) => {
        const known = state.tasks().map((task) => task.id);
        state.addTasks(
          added.map((chosen, i) => ({
            ...{ ...chosen, title: titles, description: '', agent: 'general', key: `k${i}` },
            dependsOn: below
              .filter(([of]) => of === i)
              .map(([, on]) => (on % 2 === 0 && i > 0 ? `k${on % i}` : pick(known, on)))
              .filter((name) => name !== undefined),
          })),
        );
      },
  );

const claim = fc.tuple(fc.nat(20), fc.nat(5)).map(
  ([nth, asked]): Act =>
    (model, real) => {
      // Mostly the newest run, sometimes one that was replaced.
      const run = (nth > 2 ? real.runs.at(-1) : pick(real.runs, nth)) as RunRecord;
      const allowOverlap = asked === 0;
      const before = real.state.tasks();
      const isHeld = (task: TaskRecord) => before.some((other) => isAtWork(other) && doOverlap(task, other));
      const queued = inOrder(before);
      const free = queued.find((task) => allowOverlap || !isHeld(task));
      const expected = isNewest(real, run) ? free : undefined;
      const claimed = real.state.claimNext(run, { ...PLACE, allowOverlap });
      expect(claimed?.task.id).toBe(expected?.id);
      if (isNewest(real, run)) {
        const passedOver = expected === undefined ? queued : queued.slice(0, queued.indexOf(expected));
        for (const { id } of passedOver) expect(real.state.task(id).reason).toMatch(/^waits for .*: both touch /);
      }
      if (claimed === null) return;
      expect(claimed.task.reason).toBeNull();
      expect(claimed.attempt.id).toBe(`${claimed.task.id}.${(expected?.attempts ?? 0) + 1}`);
      model.claimed.push(claimed.attempt.id);
      const newest = claimed.task.dependsOn.map((on) => real.state.patchOf(on)?.id);
      const usable = newest.filter((id) => id !== undefined).filter((id) => !UNUSABLE.includes(model.patches.get(id)));
      model.foundations.set(claimed.attempt.id, usable);
    },
);

const moveOn = fc.tuple(fc.nat(), fc.nat(20), fc.boolean()).map(
  ([which, nth, started]): Act =>
    (model, real) => {
      const id = pick(model.claimed, which);
      const run = (nth > 2 ? real.runs.at(-1) : pick(real.runs, nth)) as RunRecord;
      if (id === undefined) return;
      const before = real.state.unendedAttempts().find((attempt) => attempt.id === id)?.state;
      const moved = started
        ? real.state.attemptStarted(id, run.fence, { tree: OID, commit: OID })
        : real.state.attemptCollecting(id, run.fence);
      expect(moved).toBe(isNewest(real, run) && before === (started ? 'creating' : 'running'));
    },
);

const pause = fc.tuple(fc.nat(), fc.nat(20), fc.boolean()).map(
  ([which, nth, on]): Act =>
    (_, real) => {
      const task = pick(real.state.tasks().filter(isAtWork), which);
      const run = (nth > 2 ? real.runs.at(-1) : pick(real.runs, nth)) as RunRecord;
      if (task === undefined) return;
      const paused = real.state.pauseTask(task.id, run.fence, on ? 'a pause' : null);
      expect(paused).toBe(isNewest(real, run) && (on || task.state === 'paused'));
    },
);

function taskStateAfter(outcome: AttemptOutcome, nth: number): AttemptEnd['taskState'] {
  if (outcome === 'succeeded' || outcome === 'no-changes') return 'succeeded';
  if (outcome === 'killed') return 'cancelled';
  return nth % 2 === 0 ? 'failed' : 'queued';
}

const endOne = fc.tuple(fc.nat(), fc.nat(20), fc.constantFrom(...ATTEMPT_OUTCOMES), fc.boolean()).map(
  ([which, nth, outcome, withPatch]): Act =>
    (model, real) => {
      const id = pick(model.claimed, which);
      const run = (nth > 2 ? real.runs.at(-1) : pick(real.runs, nth)) as RunRecord;
      if (id === undefined) return;
      const task = id.slice(0, id.lastIndexOf('.')) as TaskId;
      const underWay = real.state.unendedAttempts().some((attempt) => attempt.id === id);
      const state: PatchState = outcome === 'succeeded' ? 'pending' : 'salvaged';
      const size = { files: 1, insertions: 1, deletions: 0 };
      const trees = { baseTree: OID, baseCommit: OID, tree: OID, commit: OID };
      const patch = withPatch ? { id, task, state, ...trees, size, flags: [], reason: null } : null;
      const taskState = taskStateAfter(outcome, nth);
      const rest = { exitCode: 1, reason: 'why', usage: NO_USAGE, egressDenied: [], summary: null };
      const ended = real.state.endAttempt(id, run.fence, { outcome, taskState, ...rest, patch });
      expect(ended).toBe(underWay && isNewest(real, run));
      if (!ended) return;
      const { state: now, dependsOn } = real.state.task(task);
      const isReady = dependsOn.every((on) => model.succeeded.has(on));
      expect(now).toBe(taskState === 'queued' && !isReady ? 'blocked' : taskState);
      if (taskState === 'succeeded') model.succeeded.add(task);
      if (patch !== null) model.patches.set(id, state === 'pending' && isUndermined(model, id) ? 'stale' : state);
    },
);

const block = fc.tuple(fc.nat(), fc.nat(20)).map(
  ([which, nth]): Act =>
    (model, real) => {
      const task = pick(real.state.tasks(), which);
      const run = (nth > 2 ? real.runs.at(-1) : pick(real.runs, nth)) as RunRecord;
      if (task === undefined) return;
      const attempt = real.state.unendedAttempts().find((one) => one.task === task.id);
      const free = task.state === 'queued' || (task.state === 'running' && attempt?.state === 'creating');
      const blocked = real.state.blockTask(task.id, run.fence, 'by hand');
      expect(blocked).toBe(free && isNewest(real, run));
      // Where a dependency is being done again, that is what it waits for first.
      const isReady = task.dependsOn.every((on) => model.succeeded.has(on));
      if (blocked && isReady) model.setAside.add(task.id);
    },
);

/** What is stale follows from what was rejected. */
const DECISIONS = PATCH_STATES.filter((state) => state !== 'stale');

const movePatch = fc
  .tuple(fc.nat(), fc.constantFrom(...DECISIONS), fc.subarray([...PATCH_STATES], { minLength: 4 }))
  .map(
    ([which, to, from]): Act =>
      (model, real) => {
        const id = pick([...model.patches.keys()], which);
        if (id === undefined) return;
        const before = model.patches.get(id) as PatchState;
        const task = real.state.task(id.slice(0, id.lastIndexOf('.')) as TaskId);
        const moved = real.state.setPatchState(id, from, to);
        if (moved) {
          const waits = before === 'changes-requested' && (task.state === 'queued' || task.state === 'blocked');
          const isDone = real.state.attemptsOf(task.id).find((one) => one.id === id)?.outcome === 'succeeded';
          if (waits && task.startFrom === id) model.setAside.delete(task.id);
          if (waits && task.startFrom === id && isDone) model.succeeded.add(task.id);
          expect(from).toContain(before);
          expect(before).not.toBe('merged');
          expect(['pending', 'approved', 'conflict', 'set-aside', 'salvaged'].includes(before) || to !== 'merged').toBe(
            true,
          );
          model.patches.set(id, to);
          if (before === 'rejected' || to === 'rejected') settle(model, id);
        }
      },
  );

const cancel = fc.nat().map(
  (which): Act =>
    (model, real) => {
      const task = pick(real.state.tasks(), which);
      if (task === undefined) return;
      const cancelled = real.state.cancelTask(task.id);
      expect(cancelled).toBe(task.state === 'queued' || task.state === 'blocked');
      if (cancelled) model.setAside.delete(task.id);
    },
);

const retry = fc.tuple(fc.nat(), fc.nat()).map(
  ([which, salvaged]): Act =>
    (model, real) => {
      const task = pick(real.state.tasks(), which);
      if (task === undefined) return;
      const from = pick([null, null, ...model.patches.keys()], salvaged) ?? null;
      const own = from === null || from.startsWith(`${task.id}.`);
      const isOver = task.endedAt !== null || model.setAside.has(task.id);
      const retried = real.state.retryTask(task.id, { from });
      // What waits already only has chosen what it starts from.
      const waits = from !== null && isWaiting(model, task);
      expect(retried).toBe(own && (isOver || waits));
      if (!retried) return;
      const isAsked = task.startFrom !== null && model.patches.get(task.startFrom) === 'changes-requested';
      const startFrom = from ?? (isAsked ? task.startFrom : null);
      expect(real.state.task(task.id)).toMatchObject({ startFrom, attempts: task.attempts });
      if (!waits) begunAnew(model, real, task.id);
    },
);

function isWaiting(model: Model, { id, state }: TaskRecord): boolean {
  return state === 'queued' || (state === 'blocked' && !model.setAside.has(id));
}

function begunAnew(model: Model, real: Real, task: TaskId): void {
  model.succeeded.delete(task);
  model.setAside.delete(task);
  // These wait for the task now, whatever they waited for before.
  for (const { id, dependsOn } of real.state.tasks()) if (dependsOn.includes(task)) model.setAside.delete(id);
}

const ASKABLE: readonly PatchState[] = [
  'pending',
  'approved',
  'conflict',
  'set-aside',
  'salvaged',
  'changes-requested',
];

const askForChanges = fc.nat().map(
  (which): Act =>
    (model, real) => {
      const id = pick([...model.patches.keys()], which);
      if (id === undefined) return;
      const task = real.state.task(id.slice(0, id.lastIndexOf('.')) as TaskId);
      const waits = isWaiting(model, task);
      const asked = real.state.requestChanges(id, `change ${id}`);
      const isFree = waits || task.endedAt !== null || model.setAside.has(task.id);
      expect(asked).toBe(isFree && ASKABLE.includes(model.patches.get(id) as PatchState));
      if (!asked) return;
      model.patches.set(id, 'changes-requested');
      expect(real.state.task(task.id).startFrom).toBe(id);
      expect(real.state.changeRequests(id).at(-1)).toEqual({ patch: id, message: `change ${id}` });
      if (!waits) begunAnew(model, real, task.id);
    },
);

const newRun = fc.constant((_: Model, real: Real) => {
  const id = `run-${real.runs.length}` as RunId;
  const budget = { deadline: null, budgetUsd: null, budgetTokens: null };
  const run = real.state.beginRun({ id, pid: 1, base: OID, ...budget });
  expect(run.fence).toBe((real.runs.at(-1)?.fence ?? 0) + 1);
  real.runs.push(run);
});

const reopen = fc.constant((_: Model, real: Real) => {
  real.state.close();
  real.state = openState(real.directory);
});

function checkInvariants(model: Model, { state }: Real): void {
  const tasks = state.tasks();
  const byId = new Map(tasks.map((task) => [task.id, task]));
  expect(byId.size).toBe(tasks.length);
  expect(tasks.map((task) => task.seq)).toEqual(tasks.map((_, i) => i + 1));
  const counts = state.counts();
  for (const [name, count] of Object.entries(counts)) {
    expect(count, name).toBe(tasks.filter((task) => task.state === name).length);
  }
  const unended = state.unendedAttempts();
  expect(unended.map((attempt) => attempt.task).sort()).toEqual(
    tasks
      .filter(isAtWork)
      .map((task) => task.id)
      .sort(),
  );
  const graph = phasesOf(tasks);
  if ('cycle' in graph) throw new Error('a cycle was accepted');
  for (const task of tasks) {
    expect(task.phase).toBe(graph.phases.get(task.id));
    expect(task.chain, task.id).toBe(chainOf(task, tasks));
    const holder = task.state === 'queued' ? /^waits for (.*): both touch /.exec(task.reason ?? '')?.[1] : undefined;
    if (holder !== undefined) {
      const by = byId.get(holder as TaskId);
      expect(by !== undefined && isAtWork(by) && doOverlap(task, by), `${task.id}: ${task.reason}`).toBe(true);
    }
    const attempts = state.attemptsOf(task.id);
    expect(attempts.map((attempt) => attempt.id)).toEqual(attempts.map((_, i) => `${task.id}.${i + 1}`));
    expect(task.attempts).toBe(attempts.length);
    expect(task.state === 'succeeded', task.id).toBe(model.succeeded.has(task.id));
    const ready = task.dependsOn.every((id) => byId.get(id)?.state === 'succeeded');
    if (task.state === 'queued') expect(ready, task.id).toBe(true);
    if (task.state === 'blocked') expect(ready, task.id).toBe(model.setAside.has(task.id));
    if (task.state === 'blocked') expect(task.reason).not.toBeNull();
    expect(task.endedAt === null).toBe(!['succeeded', 'failed', 'cancelled'].includes(task.state));
  }
  expect(new Map(state.patches().map((patch) => [patch.id, patch.state]))).toEqual(model.patches);
}

it('keeps its invariants under any sequence of operations', { timeout: 120_000 }, () => {
  const act = fc.oneof(
    { weight: 3, arbitrary: addBatch },
    { weight: 6, arbitrary: claim },
    { weight: 4, arbitrary: moveOn },
    { weight: 1, arbitrary: pause },
    { weight: 6, arbitrary: endOne },
    { weight: 1, arbitrary: block },
    { weight: 3, arbitrary: movePatch },
    { weight: 1, arbitrary: cancel },
    { weight: 2, arbitrary: retry },
    { weight: 2, arbitrary: askForChanges },
    { weight: 1, arbitrary: newRun },
    { weight: 1, arbitrary: reopen },
  );
  fc.assert(
    fc.property(fc.array(act, { minLength: 10, maxLength: 60, size: 'max' }), (acts) => {
      const directory = mkdtempSync(join(tmpdir(), 'orchestrate-model-'));
      const real: Real = { state: openState(directory), directory, runs: [] };
      const model: Model = {
        succeeded: new Set(),
        claimed: [],
        setAside: new Set(),
        patches: new Map(),
        foundations: new Map(),
      };
      try {
        const first = {
          id: 'run-first' as RunId,
          pid: 1,
          base: OID,
          deadline: null,
          budgetUsd: null,
          budgetTokens: null,
        };
        real.runs.push(real.state.beginRun(first));
        for (const one of acts) {
          one(model, real);
          checkInvariants(model, real);
        }
      } finally {
        real.state.close();
        rmSync(directory, { recursive: true });
      }
    }),
    { numRuns: 60 },
  );
});
