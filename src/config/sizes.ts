/** Reads the quantities people write: sizes as Docker means them, durations, counts. Every reader refuses rubbish. */

import parse from 'parse-duration';
import { usageError } from '../errors.ts';

const SIZE = /^(\d+(?:\.\d+)?) ?([kmgtp])?(?:i?b)?$/i;
const POWERS = ['', 'k', 'm', 'g', 't', 'p'];
const DURATION = /^(?:\d+(?:\.\d+)?\s*(?:ms|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)\s*)+$/i;
const NUMBER = /^\d+(?:\.\d+)?$/;

/** The least and the most that a quantity may be, both included. */
export interface Bounds {
  readonly least: number;
  readonly most: number;
}

export const MEBIBYTE = 1024 ** 2;
export const GIBIBYTE = 1024 ** 3;
export const SECOND_MS = 1000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/**
 * Bytes of a size as `docker run --memory` reads it: binary units whether or not the `i` is written
 * (`4g` = `4GB` = `4GiB` = 4 × 1024³), fractions allowed and rounded down, a bare number means bytes.
 * Throws usage `BAD_VALUE` for anything else, for zero and for what no safe integer holds.
 */
export function parseSize(text: string, bounds: Bounds = { least: 1, most: Number.MAX_SAFE_INTEGER }): number {
  const match = SIZE.exec(text.trim());
  const power = POWERS.indexOf((match?.[2] ?? '').toLowerCase());
  const bytes = match === null ? Number.NaN : Math.floor(Number(match[1]) * 1024 ** power);
  if (!Number.isSafeInteger(bytes) || bytes === 0) {
    throw usageError('BAD_VALUE', `${quote(text)} is not a size; write it like 512m, 4g or 1.5GiB`);
  }
  return within(bytes, bounds, formatSize, text);
}

/** The shortest exact way to write a number of bytes so that `parseSize` reads it back: `4g`, `1536m`, `1000`. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let power = 0;
  while (value >= 1024 && value % 1024 === 0 && power < POWERS.length - 1) {
    value /= 1024;
    power += 1;
  }
  return `${value}${POWERS[power] ?? ''}`;
}

/**
 * Milliseconds of a duration such as `45s`, `10m`, `1h30m` or `1.5 days`. A unit is required, because `90` alone
 * could mean anything. Throws usage `BAD_VALUE` for rubbish, negatives and zero.
 */
export function parseDuration(text: string, bounds: Bounds = { least: 1, most: 36_500 * DAY_MS }): number {
  const written = text.trim();
  const parsed = DURATION.test(written) ? parse(written) : null;
  const milliseconds = parsed === null ? Number.NaN : Math.round(parsed);
  if (!Number.isSafeInteger(milliseconds) || milliseconds === 0) {
    throw usageError('BAD_VALUE', `${quote(text)} is not a duration; write it with a unit, like 45s, 10m or 1h30m`);
  }
  return within(milliseconds, bounds, formatDuration, text);
}

/** A duration in the form that `parseDuration` reads back: `1h30m`, `45s`, `250ms`. */
export function formatDuration(milliseconds: number): string {
  const parts: string[] = [];
  let rest = milliseconds;
  for (const [unit, size] of [
    ['d', DAY_MS],
    ['h', HOUR_MS],
    ['m', MINUTE_MS],
    ['s', SECOND_MS],
    ['ms', 1],
  ] as const) {
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count}${unit}`);
    rest -= count * size;
  }
  return parts.length === 0 ? '0s' : parts.join('');
}

/** A whole number without sign, exponent or unit. Throws usage `BAD_VALUE`. */
export function parseCount(text: string, bounds: Bounds): number {
  const count = /^\d+$/.test(text.trim()) ? Number(text.trim()) : Number.NaN;
  if (!Number.isSafeInteger(count)) throw usageError('BAD_VALUE', `${quote(text)} is not a whole number`);
  return within(count, bounds, String, text);
}

/** A number that may have a fraction, such as `0.5` CPUs. Throws usage `BAD_VALUE`. */
export function parseNumber(text: string, bounds: Bounds): number {
  const number = NUMBER.test(text.trim()) ? Number(text.trim()) : Number.NaN;
  if (!Number.isFinite(number)) throw usageError('BAD_VALUE', `${quote(text)} is not a number`);
  return within(number, bounds, String, text);
}

function within(value: number, bounds: Bounds, format: (value: number) => string, text: string): number {
  if (value < bounds.least)
    throw usageError('BAD_VALUE', `${quote(text)} is too little: at least ${format(bounds.least)}`);
  if (value > bounds.most) throw usageError('BAD_VALUE', `${quote(text)} is too much: at most ${format(bounds.most)}`);
  return value;
}

function quote(text: string): string {
  return `"${text}"`;
}
