/** The events of a run that another process works, from its timeline: first how it stands, then what is new. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { EventBus, OrchestrateEvent } from '../src/events.ts';
import type { AttemptRecord, RunRecord } from '../src/state/records.ts';
import type { State } from '../src/state/state.ts';
import { lockHolder } from '../src/tasks/lock.ts';
import { lastLineOf } from './last-line.ts';

const POLL_MS = 250;
/** Of the looks at the timeline every so many-th also looks whether the run is still there, and what agents say. */
const POLLS_PER_LOOK_AROUND = 4;
const MOST_AT_ONCE = 1000;

export type RunEnded = OrchestrateEvent & { readonly type: 'run.ended' };

export interface Followed {
  readonly state: State;
  readonly run: RunRecord;
  readonly bus: EventBus;
  /** What happened before anybody looked, and is no part of how it stands. */
  readonly onPast: (event: OrchestrateEvent) => void;
  /** The last lines that agents print are told as well, as their output. */
  readonly withOutput: boolean;
  readonly signal: AbortSignal;
}

/** Resolves with the run's end; null: nobody works it any more, and it has none, or the signal was aborted. */
export async function followRun(followed: Followed): Promise<RunEnded | null> {
  const { state, run, bus, signal } = followed;
  let after = tellHowItStands(followed);
  const said = new Map<string, string>();
  for (let look = 0; !signal.aborted; look += 1) {
    const looksAround = look % POLLS_PER_LOOK_AROUND === 0;
    // Asked before the timeline is: what came last is in it by then.
    const isThere = !looksAround || lockHolder(state.directory)?.pid === run.pid;
    for (const { seq, event } of newEvents(state, run, after)) {
      after = seq;
      bus.emit(event);
      if (event.type === 'run.ended') return event;
    }
    if (!isThere) return null;
    if (looksAround && followed.withOutput) await tellOutput(followed, said);
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
  return null;
}

/** The run's end; null: it has none. */
export function endOf(state: State, run: RunRecord): RunEnded | null {
  for (const { event } of newEvents(state, run, 0)) if (event.type === 'run.ended') return event;
  return null;
}

function* newEvents(state: State, run: RunRecord, from: number): Generator<{ seq: number; event: OrchestrateEvent }> {
  let after = from;
  for (;;) {
    const some = state.eventsOfRun(run.id, after, MOST_AT_ONCE);
    yield* some;
    if (some.length < MOST_AT_ONCE) return;
    after = some.at(-1)?.seq ?? after;
  }
}

/** Returns the place in the timeline up to which everything is told. */
function tellHowItStands({ state, run, bus, onPast }: Followed): number {
  const unended = state.unendedAttempts();
  const past = [...newEvents(state, run, 0)];
  // An end is for those who follow, also one that came just now.
  const ended = past.findIndex(({ event }) => event.type === 'run.ended');
  if (ended >= 0) past.splice(ended);
  const over = new Set(past.flatMap(({ event }) => (event.type === 'task.ended' ? [event.attempt] : [])));
  // Of one whose sandbox is being made its start will be told.
  const isAtWork = ({ id, state: now }: AttemptRecord): boolean => !over.has(id) && now !== 'creating';
  const atWork = new Map(unended.filter(isAtWork).map((attempt) => [attempt.id, attempt]));
  const pauses = new Map(past.map(({ event }) => [subjectOf(event, run), event]));
  for (const { event } of past) {
    if (event.type === 'run.started' || event.type === 'run.ready') bus.emit(event);
    else if (event.type !== 'task.started' || !atWork.has(event.attempt)) onPast(event);
  }
  for (const attempt of atWork.values()) {
    bus.emit(startOf(state, attempt));
    const pause = pauses.get(attempt.id);
    if (pause?.type === 'task.paused') bus.emit(pause);
  }
  const pause = pauses.get(run.id);
  if (pause?.type === 'run.paused') bus.emit(pause);
  return past.at(-1)?.seq ?? 0;
}

/** What an event holds still or lets go: an attempt or the run; null: neither. */
function subjectOf(event: OrchestrateEvent, run: RunRecord): string | null {
  if (event.type === 'task.paused' || event.type === 'task.resumed') return event.attempt;
  return event.type === 'run.paused' || event.type === 'run.resumed' ? run.id : null;
}

/** It may have been started by a run that was cut off, and be in that one's timeline. */
function startOf(state: State, { id, task, host, startedAt }: AttemptRecord): OrchestrateEvent {
  const { title, agent } = state.task(task);
  return { at: startedAt ?? new Date().toISOString(), type: 'task.started', task, attempt: id, title, agent, host };
}

async function tellOutput({ state, bus }: Followed, said: Map<string, string>): Promise<void> {
  for (const { id, task } of state.unendedAttempts()) {
    const text = await lastLineOf(state.directory, id);
    if (text === null || said.get(id) === text) continue;
    said.set(id, text);
    bus.emit({ type: 'agent.output', task, attempt: id, stream: 'stdout', text });
  }
}
