/**
 * The story of a night, as data: what landed, what waits, what failed, what it took. Pure: from records to figures. All text
 * of others in it is fit to be shown, of bounded length, and still to be escaped by each output; all lists are bounded, and
 * say what is left out.
 */

import { join } from 'node:path';
import type { BaseCheck, ExpectedCost, OrchestrateEvent, Readiness } from '../events.ts';
import { verdictOf } from '../review/verdict.ts';
import type { Conflict } from '../state/forecasts.ts';
import type { CheckAlarm, History } from '../state/history.ts';
import type { PatchRecord, RunRecord, TaskSummary } from '../state/records.ts';
import type { AttemptId, CheckVerdict, Decider, ObjectId, RunId, TaskId, TaskState } from '../types.ts';
import { TASK_STATES } from '../types.ts';
import { type Denied, deniedOf } from './egress.ts';
import { type Failure, failuresOf } from './failures.ts';
import { hostsOf } from './hosts.ts';
import type { Period } from './period.ts';
import { type Picture, pictureOf } from './picture.ts';
import { plus, type Spend, type Spending, spendingOf, spendOf } from './spend.ts';
import { type Stuck, stuckOf, type Waiting, waitingOf } from './waiting.ts';
import { type Listed, listed, oneLine } from './words.ts';

export interface Records {
  readonly period: Period;
  readonly history: History;
  readonly tasks: readonly TaskSummary[];
  readonly patches: readonly PatchRecord[];
  readonly conflicts: readonly Conflict[];
  /** The state's folder: where the output of checks is. */
  readonly stateDir: string;
  /** The run that is at work; null: none is. */
  readonly liveRun: RunId | null;
  readonly disk: Disk;
}

/** Bytes; null: it could not be looked at. */
export interface Disk {
  readonly transcripts: number | null;
  readonly checkLogs: number | null;
  readonly state: number | null;
}

export interface RunFigures {
  readonly id: RunId;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly state: 'ended' | 'under-way' | 'cut-off';
  /** Why it ended before its queue did: a budget, a deadline, somebody. */
  readonly reason: string | null;
  readonly base: ObjectId;
  /** Null: not known. */
  readonly isolation: string | null;
  /** What was tried before its first agent; null: nothing was. */
  readonly before: Before | null;
  /** Bytes on the disk of the engine when it ended; null: not known. */
  readonly diskAtEnd: { readonly freeBytes: number; readonly totalBytes: number } | null;
  readonly deadline: string | null;
  readonly budget: { readonly usd: number | null; readonly tokens: number | null };
  /** By its attempts that ended in the period, or are under way: less than the run spent where that began before. */
  readonly spent: Spend;
}

export interface Before {
  /** On the base; `log` with its folder. */
  readonly checks: Listed<BaseCheck>;
  /** Free on the disk of the engine. */
  readonly freeBytes: number;
  readonly cost: ExpectedCost | null;
}

export interface Landed {
  readonly patch: AttemptId;
  readonly task: TaskId;
  readonly title: string;
  readonly commit: ObjectId | null;
  /** Null: a detached HEAD. */
  readonly branch: string | null;
  /** Null: it was merged without anybody's approval. */
  readonly approvedBy: Decider | null;
  readonly checks: CheckVerdict;
}

/** Two results that will not merge with each other. */
export interface ForecastConflict {
  readonly left: AttemptId;
  readonly right: AttemptId;
  readonly paths: Listed<string>;
}

export interface CheckFigures {
  readonly passed: number;
  readonly red: number;
  readonly flaky: number;
  /** Red and flaky ones, the newest first; `log` with its folder. */
  readonly alarms: Listed<CheckAlarm>;
}

export interface Report {
  readonly period: Period;
  readonly runs: Listed<RunFigures>;
  /** Of all tasks there are, now. */
  readonly tasks: Readonly<Record<TaskState, number>>;
  /** Tasks that are failed or cancelled now, with an attempt in the period, and failed ones without: they are still open. */
  readonly undone: { readonly failed: number; readonly cancelled: number; readonly failedEarlier: number };
  /** Attempts that ended in the period or are under way, by outcome (`under-way` for those). */
  readonly attempts: Readonly<Record<string, number>>;
  readonly landed: Listed<Landed>;
  readonly waiting: Listed<Waiting>;
  readonly stuck: Listed<Stuck>;
  readonly failed: Listed<Failure>;
  readonly picture: Picture;
  readonly spending: Spending;
  readonly checks: CheckFigures;
  readonly conflicts: Listed<ForecastConflict>;
  readonly denied: Listed<Denied>;
  readonly warnings: Listed<string>;
  readonly disk: Disk;
}

const MOST_RUNS = 10;
const MOST_BASE_CHECKS = 12;
const MOST_LANDED = 60;
const MOST_ALARMS = 30;
const MOST_CONFLICTS = 30;
const MOST_PATHS = 6;
const MOST_WARNINGS = 20;

/** Everything but the last lines of transcripts, which are no records: `withLastLines` adds them. */
export function reportOf(records: Records): Report {
  const { period, history, patches, disk } = records;
  const tasks = new Map(records.tasks.map((task) => [task.id, task]));
  const span = spanOf(records);
  const hostOf = hostsOf(history.attempts);
  const conflicts = new Map<AttemptId, AttemptId[]>();
  for (const { left, right } of records.conflicts) {
    conflicts.set(left, [...(conflicts.get(left) ?? []), right]);
    conflicts.set(right, [...(conflicts.get(right) ?? []), left]);
  }
  return {
    period,
    runs: listed(runsOf(records).reverse(), MOST_RUNS),
    tasks: countStates(records.tasks),
    undone: undoneOf(records),
    attempts: countOutcomes(history),
    landed: landedOf(records, tasks),
    waiting: waitingOf(patches, tasks, conflicts),
    stuck: stuckOf(records.tasks),
    failed: failuresOf(history.attempts, tasks, hostOf),
    picture: pictureOf(history.attempts, history.events, { ...span, isLive: records.liveRun !== null, hostOf }),
    spending: spendingOf(history.attempts, tasks, span),
    checks: checksOf(history, records.stateDir),
    conflicts: conflictsOf(records.conflicts),
    denied: deniedOf(history.attempts, history.events),
    warnings: warningsOf(history.events),
    disk,
  };
}

/** From where something happened first to where it did last: a picture of an idle day shows nothing. */
function spanOf({ period, history, liveRun }: Records): { from: number; to: number } {
  const since = Date.parse(period.since);
  const until = Date.parse(period.until);
  const starts = [...history.runs, ...history.attempts].flatMap(({ startedAt }) => startedAt ?? []).map(Date.parse);
  const ended = [...history.runs, ...history.attempts].flatMap(({ endedAt }) => endedAt ?? []);
  // A run that was cut off has no end: up to what is known of it last.
  const ends = [...ended, ...history.events.slice(-1).map(({ at }) => at)].map(Date.parse);
  const from = Math.max(
    since,
    starts.reduce((a, b) => Math.min(a, b), until),
  );
  const to = liveRun === null ? ends.reduce((a, b) => Math.max(a, b), from) : until;
  return { from, to: Math.max(from + 1, to) };
}

function runsOf({ history, liveRun, stateDir }: Records): RunFigures[] {
  const spent = new Map<RunId, Spend>();
  for (const { run, usage } of history.attempts) {
    const used = spendOf(usage);
    const before = spent.get(run);
    spent.set(run, before === undefined ? used : plus(before, used));
  }
  const said = new Map(history.events.flatMap((event) => (event.type === 'run.started' ? [[event.run, event]] : [])));
  const ended = new Map(history.events.flatMap((event) => (event.type === 'run.ended' ? [[event.run, event]] : [])));
  const before = readyOf(history.events);
  return history.runs.map((run) => ({
    id: run.id,
    startedAt: run.startedAt,
    // One that had to leave something in an engine that is away said its end, and the next one writes it down.
    endedAt: run.endedAt ?? ended.get(run.id)?.at ?? null,
    state: run.id === liveRun ? 'under-way' : endOf(run, said.has(run.id), ended.has(run.id)),
    reason: shown(ended.get(run.id)?.reason),
    base: run.base,
    isolation: shown(run.isolation ?? said.get(run.id)?.isolation),
    before: beforeOf(before.get(run.id), stateDir),
    diskAtEnd: ended.get(run.id)?.disk ?? null,
    deadline: run.deadline,
    budget: { usd: run.budgetUsd, tokens: run.budgetTokens },
    spent: spent.get(run.id) ?? { tokens: 0, usd: 0, unpricedTokens: 0 },
  }));
}

/** An event of a run belongs to the one that began last before it. */
function readyOf(events: readonly OrchestrateEvent[]): Map<RunId, Readiness> {
  const found = new Map<RunId, Readiness>();
  let run: RunId | null = null;
  for (const event of events) {
    if (event.type === 'run.started') run = event.run;
    if (event.type === 'run.ready' && run !== null) found.set(run, event);
  }
  return found;
}

function beforeOf(ready: Readiness | undefined, stateDir: string): Before | null {
  if (ready === undefined) return null;
  const { items, leftOut } = listed(ready.checks, MOST_BASE_CHECKS);
  const checks = items.map((check) => ({
    ...check,
    command: oneLine(check.command, 160),
    log: check.log === null ? null : oneLine(join(stateDir, check.log)),
  }));
  return { checks: { items: checks, leftOut }, freeBytes: ready.freeBytes.engine, cost: ready.cost };
}

function shown(text: string | null | undefined): string | null {
  return text === null || text === undefined ? null : oneLine(text);
}

/** A run that the next one found cut off has an end, but never said so. */
function endOf(run: RunRecord, saidItsStart: boolean, saidItsEnd: boolean): RunFigures['state'] {
  if (saidItsEnd) return 'ended';
  return run.endedAt === null || saidItsStart ? 'cut-off' : 'ended';
}

/** `patch apply` keeps no time: what it merged counts with the attempt that made it. */
function landedOf({ history, patches }: Records, tasks: ReadonlyMap<TaskId, TaskSummary>): Listed<Landed> {
  const inPeriod = new Set(history.landings.flatMap((landing) => landing.patches));
  for (const { id } of history.attempts) inPeriod.add(id);
  const merged = patches.filter(({ id, state }) => state === 'merged' && inPeriod.has(id));
  const { items, leftOut } = listed(merged.reverse(), MOST_LANDED);
  return { items: items.map((patch) => landed(patch, tasks.get(patch.task))), leftOut };
}

function landed(patch: PatchRecord, task: TaskSummary | undefined): Landed {
  return {
    patch: patch.id,
    task: patch.task,
    title: oneLine(task?.title ?? patch.task, 120),
    commit: patch.mergedAs,
    branch: patch.mergedInto === null ? null : oneLine(patch.mergedInto, 120),
    approvedBy: patch.decidedBy,
    checks: verdictOf(patch),
  };
}

function checksOf({ alarms, checksPassed }: History, stateDir: string): CheckFigures {
  const shown = listed(alarms, MOST_ALARMS);
  const flaky = alarms.filter(({ exitCode }) => exitCode === 0).length;
  return {
    passed: checksPassed,
    red: alarms.length - flaky,
    flaky,
    alarms: {
      items: shown.items.map((alarm) => ({
        ...alarm,
        command: oneLine(alarm.command, 160),
        log: alarm.log === null ? null : oneLine(join(stateDir, alarm.log)),
      })),
      leftOut: shown.leftOut,
    },
  };
}

function conflictsOf(conflicts: readonly Conflict[]): Listed<ForecastConflict> {
  const { items, leftOut } = listed(conflicts, MOST_CONFLICTS);
  const shown = items.map(({ left, right, paths }) => {
    const { items: first, leftOut: more } = listed(paths, MOST_PATHS);
    return { left, right, paths: { items: first.map((path) => oneLine(path, 160)), leftOut: more } };
  });
  return { items: shown, leftOut };
}

/** Each text once, the newest first. */
function warningsOf(events: readonly OrchestrateEvent[]): Listed<string> {
  const texts = events.flatMap((event) => (event.type === 'warning' ? [warningText(event)] : []));
  return listed([...new Set(texts.reverse())], MOST_WARNINGS);
}

function warningText({ attempt, task, message }: OrchestrateEvent & { readonly type: 'warning' }): string {
  const about = attempt ?? task;
  return oneLine(about === undefined ? message : `${about}: ${message}`);
}

function countStates(tasks: readonly TaskSummary[]): Record<TaskState, number> {
  const counts = Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as Record<TaskState, number>;
  for (const { state } of tasks) counts[state] += 1;
  return counts;
}

function undoneOf({ tasks, history }: Records): Report['undone'] {
  const worked = new Set(history.attempts.map(({ task }) => task));
  const count = (state: TaskState, isWorked: boolean): number =>
    tasks.filter((task) => task.state === state && worked.has(task.id) === isWorked).length;
  const cancelled = count('cancelled', true);
  return { failed: count('failed', true), cancelled, failedEarlier: count('failed', false) };
}

function countOutcomes({ attempts }: History): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of attempts) counts[outcome ?? 'under-way'] = (counts[outcome ?? 'under-way'] ?? 0) + 1;
  return counts;
}
