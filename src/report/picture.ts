/** The night as a picture, as data: agents × time. Pure. */

import type { OrchestrateEvent } from '../events.ts';
import type { AttemptRecord } from '../state/records.ts';
import type { AttemptId, AttemptOutcome, TaskId } from '../types.ts';
import type { HostOf } from './hosts.ts';
import { type Hold, holdsOf, type Mark, marksOf } from './whole-run.ts';
import { oneLine } from './words.ts';

export interface Bar {
  readonly attempt: AttemptId;
  readonly task: TaskId;
  /** From 1; above 1 it is a retry. */
  readonly n: number;
  /** Where it ran; null: where all others did. */
  readonly host: string | null;
  /** Null: it is under way. */
  readonly outcome: AttemptOutcome | null;
  /** Code of the fault around the agent that ended it; null: none did. */
  readonly fault: string | null;
  /** ISO 8601, UTC. */
  readonly from: string;
  readonly to: string;
  readonly pauses: readonly { readonly from: string; readonly to: string }[];
}

export interface Picture {
  readonly from: string;
  readonly to: string;
  /** One for each agent that worked at the same time as others. */
  readonly lanes: readonly (readonly Bar[])[];
  /** Attempts that were at work, but are in no lane here: the picture is bounded. */
  readonly leftOut: number;
  /** Attempts that ended before their agent began. */
  readonly neverStarted: number;
  /** When nothing was started, across all lanes. */
  readonly holds: readonly Hold[];
  readonly holdsLeftOut: number;
  readonly marks: readonly Mark[];
}

interface Span {
  readonly from: number;
  readonly to: number;
}

const MOST_LANES = 16;
const MOST_BARS = 400;
const MOST_PAUSES = 20;

/** `span`: what it shows, milliseconds since the epoch; what began before is cut there. */
export function pictureOf(
  attempts: readonly AttemptRecord[],
  events: readonly OrchestrateEvent[],
  span: Span & { readonly isLive: boolean; readonly hostOf: HostOf },
): Picture {
  const pauses = pausesOf(events);
  const started = attempts.filter(({ startedAt }) => startedAt !== null);
  const bars = started.map((attempt) => barOf(attempt, pauses.get(attempt.id) ?? [], span, span.hostOf(attempt)));
  const lanes = inLanes(bars).slice(0, MOST_LANES);
  const kept = mostTelling(lanes.flat());
  const shown = lanes.map((lane) => lane.filter((bar) => kept.has(bar))).filter((lane) => lane.length > 0);
  const { holds, leftOut: holdsLeftOut } = holdsOf(events, span, span.isLive);
  return {
    from: new Date(span.from).toISOString(),
    to: new Date(span.to).toISOString(),
    lanes: shown,
    leftOut: bars.length - shown.flat().length,
    neverStarted: attempts.filter(({ startedAt, state }) => startedAt === null && state === 'ended').length,
    holds,
    holdsLeftOut,
    marks: marksOf(events, span),
  };
}

interface Pause {
  readonly from: string;
  /** Null: it lasts. */
  readonly to: string | null;
}

function pausesOf(events: readonly OrchestrateEvent[]): Map<AttemptId, Pause[]> {
  const pauses = new Map<AttemptId, Pause[]>();
  for (const event of events) {
    if (event.type !== 'task.paused' && event.type !== 'task.resumed') continue;
    const of = pauses.get(event.attempt) ?? [];
    const last = of.at(-1);
    if (event.type === 'task.resumed') {
      if (last?.to === null) of[of.length - 1] = { from: last.from, to: event.at };
    } else if (last?.to !== null && of.length < MOST_PAUSES) of.push({ from: event.at, to: null });
    pauses.set(event.attempt, of);
  }
  return pauses;
}

function barOf(attempt: AttemptRecord, pauses: readonly Pause[], span: Span, host: string | null): Bar {
  const within = (at: string | null): string =>
    new Date(Math.min(span.to, Math.max(span.from, at === null ? span.to : Date.parse(at)))).toISOString();
  const to = within(attempt.endedAt);
  return {
    attempt: attempt.id,
    task: attempt.task,
    n: attempt.n,
    host,
    outcome: attempt.outcome,
    fault: attempt.fault === null ? null : oneLine(attempt.fault, 60),
    from: within(attempt.startedAt),
    to,
    pauses: pauses.map((pause) => ({ from: within(pause.from), to: pause.to === null ? to : within(pause.to) })),
  };
}

/** Each bar goes into the first lane that is free when it begins: as many lanes as agents were at work at once. */
function inLanes(bars: readonly Bar[]): Bar[][] {
  const lanes: Bar[][] = [];
  for (const bar of [...bars].sort(byStart)) {
    const free = lanes.find((lane) => (lane.at(-1)?.to ?? '') <= bar.from);
    if (free === undefined) lanes.push([bar]);
    else free.push(bar);
  }
  return lanes;
}

/** What went wrong, was tried again or was held still, then the rest; where there are too many, evenly over the time. */
function mostTelling(bars: readonly Bar[]): ReadonlySet<Bar> {
  const inTime = [...bars].sort(byStart);
  const telling = evenly(
    inTime.filter((bar) => !isPlain(bar)),
    MOST_BARS,
  );
  return new Set([...telling, ...evenly(inTime.filter(isPlain), MOST_BARS - telling.length)]);
}

function isPlain({ n, pauses, outcome }: Bar): boolean {
  return n === 1 && pauses.length === 0 && (outcome === 'succeeded' || outcome === 'no-changes');
}

function evenly(bars: readonly Bar[], most: number): readonly Bar[] {
  if (bars.length <= most) return bars;
  return Array.from({ length: most }, (_, at) => bars[Math.floor((at * bars.length) / most)]).filter(
    (bar) => bar !== undefined,
  );
}

function byStart(a: Bar, b: Bar): number {
  return a.from < b.from ? -1 : a.from > b.from ? 1 : 0;
}
