/** What happened to a whole run, for the picture: when nothing was started, and from when on nothing was any more. Pure. */

import type { OrchestrateEvent } from '../events.ts';
import { oneLine } from './words.ts';

/** Nothing was started meanwhile. */
export interface Hold {
  /** ISO 8601, UTC. */
  readonly from: string;
  readonly to: string;
  /** It lasts. */
  readonly isOpen: boolean;
  readonly reason: string;
}

/** Something that changed the night at once. */
export interface Mark {
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly what: 'deadline' | 'budget' | 'key' | 'stop' | 'cut-off' | 'run';
  /** Null: there is no more to say. */
  readonly reason: string | null;
}

const MOST_HOLDS = 40;
const MOST_MARKS = 40;

interface Open {
  readonly from: string;
  readonly reason: string;
}

/** `span`: milliseconds since the epoch; `isLive`: a run is at work, so that what has no end lasts. */
export function holdsOf(
  events: readonly OrchestrateEvent[],
  span: { readonly from: number; readonly to: number },
  isLive: boolean,
): { readonly holds: readonly Hold[]; readonly leftOut: number } {
  const holds: Hold[] = [];
  let open: Open | null = null;
  const within = (at: string): string => new Date(Math.min(span.to, Math.max(span.from, Date.parse(at)))).toISOString();
  const close = (at: string, isOpen = false): void => {
    // Another reason takes over from the one before.
    if (open !== null) holds.push({ from: within(open.from), to: within(at), isOpen, reason: open.reason });
    open = null;
  };
  for (const event of events) {
    if (event.type === 'run.paused') {
      close(event.at);
      open = { from: event.at, reason: oneLine(event.reason) };
    } else if (event.type === 'run.resumed' || event.type === 'run.ended' || event.type === 'run.started') {
      close(event.at);
    }
  }
  close(new Date(span.to).toISOString(), isLive);
  const seen = holds.filter(({ from, to, isOpen }) => isOpen || from < to);
  return { holds: seen.slice(-MOST_HOLDS), leftOut: Math.max(0, seen.length - MOST_HOLDS) };
}

/** Starts of runs but the first, and what stopped them from starting more. */
export function marksOf(
  events: readonly OrchestrateEvent[],
  span: { readonly from: number; readonly to: number },
): readonly Mark[] {
  const marks: Mark[] = [];
  let before: 'none' | 'ended' | 'under-way' = 'none';
  for (const event of events) {
    if (event.type === 'run.stopping') {
      marks.push({ at: event.at, what: event.cause, reason: oneLine(event.reason) });
    } else if (event.type === 'run.started') {
      const reason = 'the run before was cut off; this one goes on';
      if (before === 'under-way') marks.push({ at: event.at, what: 'cut-off', reason });
      if (before === 'ended') marks.push({ at: event.at, what: 'run', reason: null });
      before = 'under-way';
    } else if (event.type === 'run.ended') before = 'ended';
  }
  const shown = marks.filter(({ at }) => Date.parse(at) >= span.from && Date.parse(at) <= span.to);
  return shown.slice(-MOST_MARKS);
}
