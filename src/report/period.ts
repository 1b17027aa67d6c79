/** Which time a report tells of. */

import { parseDuration } from '../config/sizes.ts';
import { OrchestrateError, usageError } from '../errors.ts';
import type { RunRecord } from '../state/records.ts';

export interface Period {
  /** ISO 8601, UTC. */
  readonly since: string;
  readonly until: string;
  /** `run`: it begins with the newest run; `asked`: the person said when. */
  readonly by: 'run' | 'asked';
}

/** Everything since the newest run began. */
export function periodOfRun(run: RunRecord, now: Date): Period {
  return { since: run.startedAt, until: now.toISOString(), by: 'run' };
}

/**
 * Since a moment as people write it: `12h` ago, an ISO date or time (without a zone: local), `yesterday` (its midnight),
 * `18:00` (the last one there was). Throws usage BAD_VALUE for anything else, and for what is still to come.
 */
export function periodSince(written: string, now: Date): Period {
  const since = momentOf(written.trim(), now);
  if (since === null || Number.isNaN(since.getTime())) {
    const hint = 'write it like 12h, 18:00, yesterday, 2026-03-01 or 2026-03-01T18:00';
    throw usageError('BAD_VALUE', `--since: "${written}" is no time`, { hint });
  }
  if (since > now) throw usageError('BAD_VALUE', `--since: ${written} is still to come`);
  return { since: since.toISOString(), until: now.toISOString(), by: 'asked' };
}

function momentOf(written: string, now: Date): Date | null {
  if (written === 'yesterday') return new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  const [, hours, minutes] = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(written) ?? [];
  if (hours !== undefined && minutes !== undefined) return lastTime(Number(hours), Number(minutes), now);
  // A date alone would be read as UTC, unlike one with a time.
  if (/^\d{4}-\d{2}-\d{2}$/.test(written)) return new Date(`${written}T00:00`);
  if (/^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}/.test(written)) return new Date(written.replace(' ', 'T'));
  try {
    return new Date(now.getTime() - parseDuration(written));
  } catch (error) {
    if (error instanceof OrchestrateError) return null;
    throw error;
  }
}

function lastTime(hours: number, minutes: number, now: Date): Date {
  const today = new Date(now.getFullYear(), now.getMonth(), now.getDate(), hours, minutes);
  return today <= now ? today : new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1, hours, minutes);
}
