/** What a person should know of a patch before its diff, as data: read from the state, the logs of checks and the target. */

import { lastLines } from '../../src/review/check-logs.ts';
import { verdictOf } from '../../src/review/verdict.ts';
import type { Conflict } from '../../src/state/forecasts.ts';
import type { AttemptRecord, CheckRecord, PatchRecord, TaskRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import type { AttemptId, CheckVerdict, PatchState } from '../../src/types.ts';
import type { TargetForecast } from './target.ts';

export interface Story {
  readonly patch: PatchRecord;
  readonly task: TaskRecord;
  /** The one that made it. */
  readonly attempt: AttemptRecord;
  /** Milliseconds that the attempt took; null: not known. */
  readonly durationMs: number | null;
  readonly verdict: CheckVerdict;
  readonly checks: readonly ToldCheck[];
  /** What it stands on, lowest first. */
  readonly standsOn: readonly Foundation[];
  /** Earlier results of the same task, oldest first. */
  readonly rounds: readonly Round[];
  /** How many notes its agent left, without the summary. */
  readonly notes: number;
  readonly conflicts: readonly ToldConflict[];
  /** Whether all that may still be merged was compared with each other; else there may be more conflicts. */
  readonly isCompared: boolean;
  readonly target: TargetForecast;
}

export interface ToldCheck extends CheckRecord {
  /** The last lines of its output, as it wrote them, where it failed or is flaky. */
  readonly tail: readonly string[];
}

export interface Foundation {
  readonly id: AttemptId;
  readonly state: PatchState;
}

/** Another result that it does not merge with. */
export interface ToldConflict {
  readonly with: AttemptId;
  /** Null: its agent is at work still. */
  readonly state: PatchState | null;
  readonly paths: readonly string[];
}

export interface Round {
  readonly id: AttemptId;
  readonly state: PatchState;
  /** What was asked of it then, or why it was refused. */
  readonly reason: string | null;
}

const TAIL_LINES = 10;

export interface StorySources {
  readonly state: State;
  /** All patches, as the state has them now. */
  readonly patches: readonly PatchRecord[];
  readonly conflicts: readonly Conflict[];
  readonly isCompared: boolean;
  readonly target: TargetForecast;
}

export async function storyOf(sources: StorySources, patch: PatchRecord): Promise<Story> {
  const { state, patches } = sources;
  const attempts = state.attemptsOf(patch.task);
  const attempt = attempts.find(({ id }) => id === patch.id);
  if (attempt === undefined) throw new Error(`the state lost the attempt ${patch.id}`);
  const below = new Set(state.foundationsOf(patch.id));
  const standsOn = patches.filter(({ id }) => below.has(id)).map(({ id, state: is }) => ({ id, state: is }));
  const earlier = new Set(attempts.filter(({ n }) => n < attempt.n).map(({ id }) => id));
  return {
    ...{ patch, attempt, standsOn, task: state.task(patch.task), verdict: verdictOf(patch) },
    durationMs: durationOf(attempt),
    checks: await Promise.all(patch.checks.map((check) => told(state.directory, check))),
    rounds: patches.filter(({ id }) => earlier.has(id)).map(({ id, state: is, reason }) => ({ id, state: is, reason })),
    conflicts: conflictsOf(sources, patch.id),
    isCompared: sources.isCompared,
    notes: state.countNotes(patch.id, 'note'),
    target: sources.target,
  };
}

function conflictsOf({ conflicts, patches }: StorySources, id: AttemptId): ToldConflict[] {
  return conflicts
    .filter(({ left, right }) => left === id || right === id)
    .map(({ left, right, paths }) => {
      const other = left === id ? right : left;
      return { with: other, state: patches.find((patch) => patch.id === other)?.state ?? null, paths };
    });
}

function durationOf({ startedAt, endedAt }: AttemptRecord): number | null {
  return startedAt === null || endedAt === null ? null : Date.parse(endedAt) - Date.parse(startedAt);
}

async function told(stateDir: string, check: CheckRecord): Promise<ToldCheck> {
  const isTold = check.log !== null && (check.exitCode !== 0 || check.isFlaky);
  return { ...check, tail: isTold ? await lastLines(stateDir, check.log, TAIL_LINES) : [] };
}
