/** Which events of a long night belong into the timeline: what can come again and again without end is kept so often. */

import type { EventBody } from '../events.ts';

/** Warnings, refusals and pauses of one attempt, and the same of the run itself. */
const MOST = 500;
const CUT = 'more warnings, refusals and pauses than this are not kept in the timeline';

interface Recurring {
  times: number;
  /** A pause was kept that has no end yet. */
  isPaused: boolean;
}

/** One per run. */
export class KeptEvents {
  readonly #recurring = new Map<string, Recurring>();

  /** What is to be written down for this event: itself, what says that others like it are not kept, or nothing. */
  of(event: EventBody): EventBody | null {
    switch (event.type) {
      case 'agent.output':
        return null;
      case 'task.resumed':
      case 'run.resumed': {
        const recurring = this.#of(event);
        const { isPaused, times } = recurring;
        recurring.isPaused = false;
        // A pause that was kept has its end; one more or less matters only where there were too many.
        return isPaused || times < MOST ? event : null;
      }
      case 'warning':
      case 'egress.denied':
      case 'task.paused':
      case 'run.paused':
        return this.#again(event);
      default:
        return event;
    }
  }

  #again(event: EventBody): EventBody | null {
    const recurring = this.#of(event);
    recurring.times += 1;
    if (recurring.times === MOST) {
      const { task, attempt } = ofAttempt(event);
      return { type: 'warning', message: CUT, ...(task && { task }), ...(attempt && { attempt }) };
    }
    if (recurring.times > MOST) return null;
    if (event.type === 'task.paused' || event.type === 'run.paused') recurring.isPaused = true;
    return event;
  }

  #of(event: EventBody): Recurring {
    const key = ofAttempt(event).attempt ?? '';
    const known = this.#recurring.get(key) ?? { times: 0, isPaused: false };
    this.#recurring.set(key, known);
    return known;
  }
}

type OfAttempt = Pick<Extract<EventBody, { type: 'warning' }>, 'task' | 'attempt'>;

function ofAttempt(event: EventBody): OfAttempt {
  const { task, attempt } = event as OfAttempt;
  return { ...(task && { task }), ...(attempt && { attempt }) };
}
