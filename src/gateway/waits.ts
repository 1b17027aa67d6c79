/** How long a model service asks us to wait, out of the headers of an answer. */

import type { IncomingHttpHeaders } from 'node:http';
import { LIMITS } from './limits.ts';

/**
 * Milliseconds from `now`; null where the service does not say. Sources: `retry-after` (RFC 9110, seconds or a date),
 * `retry-after-ms`, Anthropic's `anthropic-ratelimit-*-reset` (ISO 8601, or seconds since 1970 for `unified`), OpenAI's
 * `x-ratelimit-reset-*` (`6m0s`).
 */
export function statedWait(headers: IncomingHttpHeaders, now: number): number | null {
  const stated = retryAfter(headers, now) ?? limitReset(headers, now);
  return stated === null ? null : Math.min(Math.max(stated, 0), LIMITS.statedWaitMost);
}

function retryAfter(headers: IncomingHttpHeaders, now: number): number | null {
  const ms = numberIn(text(headers['retry-after-ms']));
  if (ms !== null) return ms;
  const value = text(headers['retry-after']);
  const seconds = numberIn(value);
  if (seconds !== null) return seconds * 1_000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : date - now;
}

/** Of the limits that are used up the one that is reset last; where none says so, the one that is reset first. */
function limitReset(headers: IncomingHttpHeaders, now: number): number | null {
  const used: number[] = [];
  const others: number[] = [];
  for (const [name, value] of Object.entries(headers)) {
    const limit = /^(?:anthropic-ratelimit-(.+)-reset|x-ratelimit-reset-(.+))$/.exec(name);
    if (limit === null) continue;
    const [, anthropic, openai] = limit;
    const wait = anthropic === undefined ? spanIn(text(value)) : momentIn(text(value), now);
    if (wait === null) continue;
    const left =
      headers[
        anthropic === undefined ? `x-ratelimit-remaining-${openai}` : `anthropic-ratelimit-${anthropic}-remaining`
      ];
    (numberIn(text(left)) === 0 ? used : others).push(wait);
  }
  if (used.length > 0) return Math.max(...used);
  return others.length > 0 ? Math.min(...others) : null;
}

function text(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? '';
}

function numberIn(value: string): number | null {
  return /^\d+(?:\.\d+)?$/.test(value.trim()) ? Number(value) : null;
}

function momentIn(value: string, now: number): number | null {
  const seconds = numberIn(value);
  const moment = seconds === null ? Date.parse(value) : seconds * 1_000;
  return Number.isNaN(moment) ? null : moment - now;
}

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** `1h2m3.5s`, `6m0s`, `20ms`. */
function spanIn(value: string): number | null {
  if (!/^(?:\d+(?:\.\d+)?(?:ms|h|m|s))+$/.test(value)) return null;
  const parts = value.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g);
  return [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS[unit ?? ''] ?? 0), 0);
}
