/** When a run ends (`--for`, `--until`): which moment that is, how long before it nothing is started any more, and the watch over it. */

import { usageError } from '../errors.ts';
import { dayText, minuteText } from '../local-time.ts';

/** What was asked for: so long after the start, or at a time of day (`07:00`) or a moment (ISO 8601) of this machine's zone. */
export type WantedEnd = { readonly forMs: number } | { readonly until: string };

export interface Clock {
  wall(): Date;
  /** Milliseconds that only rise, whatever is done to the wall clock; they may stand still while the machine sleeps. */
  monotonicMs(): number;
}

export const CLOCK: Clock = { wall: () => new Date(), monotonicMs: () => performance.now() };

export interface Deadline {
  readonly at: Date;
  /** By `Clock.monotonicMs`, where that ends the run too, whichever comes first; null: the wall clock alone counts. */
  readonly atMonotonicMs: number | null;
  /** Milliseconds before the end from which on nothing is started: an agent would be begun for nothing. */
  readonly closingMs: number;
  /** For people: `07:00`, `2026-03-03 07:00`. */
  readonly text: string;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const MOST_CLOSING_MS = 5 * MINUTE_MS;
const CLOSING_PART = 0.1;
/** A service that starts a run again does so at once; whoever comes later than this wants another night. */
const SAME_NIGHT_MS = HOUR_MS;
/** How far clocks are put back, where a time of day comes twice. */
const PUT_BACK_MS: readonly number[] = [HOUR_MS, HOUR_MS / 2];
const LOOK_EVERY_MS = 1_000;

/**
 * @param earlier the run that this one goes on for, its deadline in ISO 8601; null: none. With `--for` what was left of its
 * time counts. Where its deadline was the time of day that `--until` names and has just passed, the run ends at once instead
 * of a day later.
 * @throws usage BAD_VALUE for a moment in the past
 */
export function deadlineOf(
  end: WantedEnd,
  earlier: { readonly deadline: string | null } | null,
  clock: Clock,
): Deadline {
  const now = clock.wall();
  const before = earlier === null || earlier.deadline === null ? null : new Date(earlier.deadline);
  const ofThisNight = before !== null && now.getTime() - before.getTime() < SAME_NIGHT_MS ? before : null;
  const at = 'forMs' in end ? earliest(now.getTime() + end.forMs, ofThisNight) : momentOf(end.until, now, ofThisNight);
  const leftMs = Math.max(0, at.getTime() - now.getTime());
  return {
    at,
    atMonotonicMs: 'forMs' in end ? clock.monotonicMs() + leftMs : null,
    closingMs: Math.min(MOST_CLOSING_MS, leftMs * CLOSING_PART),
    text: timeText(at, now),
  };
}

function earliest(time: number, other: Date | null): Date {
  return other !== null && other.getTime() < time ? other : new Date(time);
}

function momentOf(until: string, now: Date, earlier: Date | null): Date {
  const [, hours, minutes] = /^(\d{1,2}):(\d{2})$/.exec(until) ?? [];
  if (hours !== undefined && minutes !== undefined) {
    const time = { hours: Number(hours), minutes: Number(minutes) };
    return earlier !== null && earlier <= now && isAt(earlier, time) ? earlier : nextAt(time, now);
  }
  const at = new Date(until);
  if (at > now || at.getTime() === earlier?.getTime()) return at;
  throw usageError('BAD_VALUE', `--until ${until} is in the past`, { hint: 'give a moment to come, or a time of day' });
}

interface TimeOfDay {
  readonly hours: number;
  readonly minutes: number;
}

function isAt(date: Date, { hours, minutes }: TimeOfDay): boolean {
  return date.getHours() === hours && date.getMinutes() === minutes;
}

/** The next time that clocks on the wall show it. A time that is left out on the day when they are put forward comes as much later. */
function nextAt(time: TimeOfDay, now: Date): Date {
  const today = onDay(now, 0, time);
  if (today > now) return today;
  const again = PUT_BACK_MS.map((ms) => new Date(today.getTime() + ms)).find((date) => date > now && isAt(date, time));
  return again ?? onDay(now, 1, time);
}

function onDay(day: Date, later: number, { hours, minutes }: TimeOfDay): Date {
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + later, hours, minutes);
}

/** `07:00` within a day, else `2026-03-03 07:00`; in this machine's zone. */
export function timeText(date: Date, now: Date): string {
  const isNear = Math.abs(date.getTime() - now.getTime()) < DAY_MS;
  return isNear ? minuteText(date) : `${dayText(date)} ${minuteText(date)}`;
}

/** Milliseconds until the end; 0: it is over. */
export function leftMs({ at, atMonotonicMs }: Deadline, clock: Clock): number {
  const byWall = at.getTime() - clock.wall().getTime();
  const byMonotonic = atMonotonicMs === null ? byWall : atMonotonicMs - clock.monotonicMs();
  return Math.max(0, Math.min(byWall, byMonotonic));
}

/** Tells once that nothing is to be started any more, and once that the time is up. */
export class DeadlineWatch implements Disposable {
  readonly #deadline: Deadline;
  readonly #clock: Clock;
  readonly #on: { onClosing(): void; onOver(): void };
  #timer: NodeJS.Timeout | undefined;
  #isClosing = false;

  constructor(deadline: Deadline, clock: Clock, on: { onClosing(): void; onOver(): void }) {
    this.#deadline = deadline;
    this.#clock = clock;
    this.#on = on;
  }

  /** Nothing is to be started any more. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Looks at once, then again and again: no timer is right about a clock that is changed or a machine that slept. */
  start(): void {
    const left = leftMs(this.#deadline, this.#clock);
    if (!this.#isClosing && left <= this.#deadline.closingMs) {
      this.#isClosing = true;
      this.#on.onClosing();
    }
    if (left === 0) this.#on.onOver();
    else this.#timer = setTimeout(() => this.start(), Math.min(left, LOOK_EVERY_MS));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
