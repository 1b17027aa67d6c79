/** Why a task is not done, as one phrase for `status`, `task` and JSON: what it waits for, what became of it, until when. Pure. */

import type { Standstill } from '../state/history.ts';
import type { AttemptRecord, TaskSummary } from '../state/records.ts';
import type { TaskState } from '../types.ts';
import { timeText } from './deadline.ts';

export interface WhyContext {
  readonly now: Date;
  /** Whether a run works the queue now. */
  readonly isRunning: boolean;
  /** Why it starts nothing just now, or nothing more; null or not given: nothing stands in its way. */
  readonly standstill?: Standstill | null;
  readonly attempt: AttemptRecord | null;
  /** State of another task. */
  stateOf(id: string): TaskState | undefined;
}

/** From this part of its time-out on a task is said to run long. */
const LONG_PART = 0.5;
const MINUTE_MS = 60_000;

/** Of a task at work on a host that is away. */
export function awayText(host: string): string {
  return `its host ${host} does not answer`;
}

/** Null: it is done, or at work with nothing to be said of it. */
export function whyOf(task: TaskSummary, context: WhyContext): string | null {
  const reason = task.reason === null ? null : oneLine(task.reason);
  switch (task.state) {
    case 'queued':
      return whyQueued(task, reason, context);
    case 'blocked':
      return reason?.startsWith('waits for ') ? waitsFor(task, reason, context) : reason;
    case 'running':
      return whyRunning(reason, context);
    case 'paused':
    case 'failed':
    case 'cancelled':
    case 'succeeded':
      return reason;
  }
}

function whyQueued(
  { notBefore }: TaskSummary,
  reason: string | null,
  { now, isRunning, standstill, attempt }: WhyContext,
): string | null {
  const before = attempt?.reason == null ? null : oneLine(attempt.reason);
  // What the last attempt ended with says nothing of what it waits for now. It may have been hidden by a hold since.
  const own = reason === before ? null : reason;
  const isAfter = before !== null && (reason === before || notBefore !== null);
  const after = isAfter ? ` after “${before}”` : '';
  if (!isRunning) return own ?? `waits for \`orchestrate run\`${after}`;
  if (standstill?.isOver === true)
    return `waits for the next \`orchestrate run\`${after}: ${oneLine(standstill.reason)}`;
  if (notBefore !== null && new Date(notBefore) > now && own === null) {
    return `tries again at ${timeText(new Date(notBefore), now)}${after}`;
  }
  return own ?? `waits for a free agent${after}`;
}

/** The same with the state of each that it depends on, as far as they are named. */
function waitsFor({ dependsOn }: TaskSummary, reason: string, { stateOf }: WhyContext): string {
  return dependsOn.reduce((text, id) => {
    const state = stateOf(id);
    // A task that is only queued needs no word: it waits as well.
    return state === undefined || state === 'queued' || state === 'succeeded'
      ? text
      : text.replace(new RegExp(`(?<=[ ,])${id}(?=,| and |$)`), `${id} (${state})`);
  }, reason);
}

function whyRunning(reason: string | null, { now, isRunning, standstill, attempt }: WhyContext): string | null {
  if (attempt === null) return reason;
  const isAway = reason === awayText(attempt.host);
  // Its run was cut off, or could not reach it any more.
  if (!isRunning)
    return `waits for \`orchestrate run\`, which ${attempt.stopping === null ? 'takes it up' : 'ends it'}`;
  if (attempt.stopping !== null) return isAway ? `is being ended, but ${reason}` : 'is being ended';
  if (isAway) return reason;
  if (standstill?.cause === 'engine') return oneLine(standstill.reason);
  if (attempt.state === 'creating') return 'its sandbox is being made';
  if (attempt.state === 'collecting') return 'its work is being collected';
  if (reason !== null) return reason;
  const { startedAt, timeoutMs } = attempt;
  if (startedAt === null || timeoutMs === null) return null;
  const workedMs = now.getTime() - Date.parse(startedAt);
  if (workedMs < timeoutMs * LONG_PART) return null;
  return `runs for ${minutes(workedMs)} (ended after ${minutes(timeoutMs)} of work)`;
}

function minutes(ms: number): string {
  return ms < MINUTE_MS ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / MINUTE_MS)} min`;
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, '; ');
}
