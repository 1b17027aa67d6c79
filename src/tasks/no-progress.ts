/**
 * Sees when an agent goes round in circles: the same call fails with the same result again and again, and nothing new succeeds
 * in between. Only what engines tell of their calls counts; what a plain command prints says nothing of what failed in it,
 * and builds and test watchers print the same lines for good reasons.
 */

import { createHash } from 'node:crypto';
import type { ToolResult } from '../engine/engine.ts';

/** So often is too often, when it took long enough for something else to have happened meanwhile; or however quick it was. */
const TOO_OFTEN = { slow: 8, quick: 24, slowMs: 180_000 } as const;
/** The same for calls that wait for something to come up. */
const TOO_OFTEN_WAITING = 60;
const WAITS = /\b(?:sleep|wait|until|while|curl|wget|nc|ping|pg_isready)\b/;
/** Of an output, so many characters are compared at either end. */
const COMPARED = 16_384;
/** Results that are remembered: an agent that does so many different things does not go round in circles. */
const REMEMBERED = 256;
const LONGEST_NAMED = 100;

interface Failure {
  times: number;
  readonly sinceMs: number;
}

export class NoProgress {
  readonly #nowMs: () => number;
  /** What came of which call, in the order of the first time. */
  readonly #seen = new Set<string>();
  /** Those that fail since something new succeeded. */
  readonly #failing = new Map<string, Failure>();

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Why the agent that these are told of is to be ended; null: it gets on. */
  see(result: ToolResult): string | null {
    const { input, failed } = result;
    const outcome = input === null ? null : outcomeOf(result, input);
    const isNew = outcome === null || !this.#seen.has(outcome);
    if (outcome !== null && isNew) this.#remember(outcome);
    if (!failed) {
      // Looking at the same file, or making the same change once more, is nothing new.
      if (isNew) this.#failing.clear();
      return null;
    }
    if (outcome === null) return null;
    const { times = 0, sinceMs = this.#nowMs() } = this.#failing.get(outcome) ?? {};
    this.#failing.set(outcome, { times: times + 1, sinceMs });
    if (!isTooOften(times + 1, this.#nowMs() - sinceMs, WAITS.test(input ?? ''))) return null;
    const named = `${result.tool}: ${result.detail}`.slice(0, LONGEST_NAMED);
    return `ended because the same call failed ${times + 1} times with the same result, and nothing new worked (${named})`;
  }

  #remember(outcome: string): void {
    this.#seen.add(outcome);
    const [oldest] = this.#seen;
    if (this.#seen.size <= REMEMBERED || oldest === undefined) return;
    this.#seen.delete(oldest);
    this.#failing.delete(oldest);
  }
}

function isTooOften(times: number, tookMs: number, waits: boolean): boolean {
  if (waits) return times >= TOO_OFTEN_WAITING;
  return times >= TOO_OFTEN.quick || (times >= TOO_OFTEN.slow && tookMs >= TOO_OFTEN.slowMs);
}

function outcomeOf({ tool, failed, output }: ToolResult, input: string): string {
  const compared = output.length <= 2 * COMPARED ? output : output.slice(0, COMPARED) + output.slice(-COMPARED);
  const digest = createHash('sha256');
  for (const part of [tool, input, String(failed), normalised(compared)]) digest.update(part).update('\0');
  return digest.digest('base64');
}

const ESCAPE = String.fromCharCode(27);
/** What differs between two runs of one command without meaning anything. Small numbers stay: `3 failed` after `4` is progress. */
const CHANGING: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`${ESCAPE}\\[[0-9;?]*[A-Za-z]`, 'g'), ''],
  [/\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?/g, '<time>'],
  [/\d\d?:\d\d(?::\d\d)(?:[.,]\d+)?/g, '<time>'],
  [/\d+(?:[.,]\d+)? ?(?:ns|[uµ]s|ms|s|secs?|seconds?|mins?|minutes?)\b/g, '<duration>'],
  [/(?:\/private)?(?:\/var)?\/tmp\/[^\s'":,)]+/g, '<temporary>'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, '<id>'],
  [/\b(?:0x[0-9a-f]+|(?=[a-f]*\d)[0-9a-f]{7,64})\b/gi, '<id>'],
  [/\b(pid|process)[ =:#]*\d+/gi, '$1 <number>'],
  [/\[\d+\]/g, '[<number>]'],
  [/\d{5,}/g, '<number>'],
  [/[ \t\r]+$/gm, ''],
];

/** @internal */
function normalised(output: string): string {
  return CHANGING.reduce((text, [pattern, by]) => text.replace(pattern, by), output);
}
