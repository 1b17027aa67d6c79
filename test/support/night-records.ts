/** Records of a night as the state would hold them, with the times that a test wants. */

import type { OrchestrateEvent, Readiness } from '../../src/events.ts';
import type { Records } from '../../src/report/figures.ts';
import { periodOfRun } from '../../src/report/period.ts';
import type { AttemptRecord, PatchRecord, RunRecord, TaskSummary } from '../../src/state/records.ts';
import type { AttemptId, ObjectId, PatchState, RunId, TaskId, TaskState, Usage } from '../../src/types.ts';
import { NO_USAGE } from '../../src/types.ts';

export const RUN = 'RUN1' as RunId;
const COMMIT = 'a'.repeat(40) as ObjectId;

/** `minute` minutes after the run began. */
export function at(minute: number): string {
  return new Date(Date.UTC(2026, 2, 1, 18, 0) + minute * 60_000).toISOString();
}

export function run(more: Partial<RunRecord> = {}): RunRecord {
  const bounds = { deadline: null, budgetUsd: null, budgetTokens: null, isolation: 'shared-kernel', continues: null };
  return { id: RUN, fence: 1, pid: 1, startedAt: at(0), endedAt: at(600), ...bounds, base: COMMIT, ...more };
}

export function task(id: string, state: TaskState, more: Partial<TaskSummary> = {}): TaskSummary {
  return {
    ...{ seq: 1, id: id as TaskId, title: `Title of ${id}`, agent: 'backend-engineer', priority: 'normal', state },
    ...{
      reason: null,
      dependsOn: [],
      phase: 1,
      chain: 1,
      startedAt: null,
      endedAt: null,
      attempts: 1,
      notBefore: null,
    },
    ...more,
  };
}

/** From one minute to the other; null: not begun, or not ended. */
export function attempt(id: string, [from, to]: [number | null, number | null], more: Partial<AttemptRecord> = {}) {
  const dot = id.lastIndexOf('.');
  const record: AttemptRecord = {
    ...{ id: id as AttemptId, task: id.slice(0, dot) as TaskId, n: Number(id.slice(dot + 1)), run: RUN },
    ...{ state: to === null ? 'running' : 'ended', outcome: to === null ? null : 'succeeded' },
    ...{ host: 'local', container: id, engine: 'claude', timeoutMs: null, diskBytes: null, stopping: null },
    ...{
      baseTree: COMMIT,
      baseCommit: COMMIT,
      exitCode: null,
      reason: null,
      fault: null,
      unsettled: { usd: 0, tokens: 0 },
      usage: NO_USAGE,
      egressDenied: [],
    },
    ...{ startedAt: from === null ? null : at(from), endedAt: to === null ? null : at(to), summary: null },
    ...more,
  };
  return record;
}

export function patch(id: string, state: PatchState, more: Partial<PatchRecord> = {}): PatchRecord {
  return {
    ...{ id: id as AttemptId, task: id.slice(0, id.lastIndexOf('.')) as TaskId, state },
    ...{ baseTree: COMMIT, baseCommit: COMMIT, tree: COMMIT, commit: COMMIT },
    ...{ size: { files: 2, insertions: 30, deletions: 4 }, flags: [], checks: [], reason: null, createdAt: at(60) },
    ...{ mergedAs: null, mergedInto: null, original: null, decidedBy: null },
    ...more,
  };
}

export function used(tokens: number, usd: number | null): Usage {
  return { ...NO_USAGE, inputTokens: tokens, usd };
}

export function started(isolation: string): OrchestrateEvent {
  return { at: at(0), type: 'run.started', run: RUN, tasks: 1, isolation, base: COMMIT };
}

export function ended(reason: string | null): OrchestrateEvent {
  return { at: at(600), type: 'run.ended', run: RUN, succeeded: 1, failed: 1, blocked: 0, reason };
}

/** Nothing is started from this minute on. */
export function paused(minute: number, reason: string): OrchestrateEvent {
  return { at: at(minute), type: 'run.paused', cause: 'x', reason };
}

/** What a run found before its first agent, without a ceiling on its cost. */
export function ready(checks: Readiness['checks']): OrchestrateEvent {
  return {
    ...{ at: at(1), type: 'run.ready', isolation: 'shared-kernel', tree: COMMIT, keys: ['anthropic'], checks },
    ...{ freeBytes: { engine: 200 * 2 ** 30, state: 2 ** 40 }, memoryBytes: { agents: 1, engine: null } },
    cost: { usd: null, tokens: null, attemptUsd: null, estimate: { low: 3, high: 12 } },
    ...{ deadline: null, results: { checks: checks.length, autoApprove: 'never', autoMerge: null } },
  };
}

type Parts = Partial<Omit<Records, 'history'>> & { readonly history?: Partial<Records['history']> };

/** Of a run that began at `at(0)` and a report at `at(720)`, unless told otherwise. */
export function records({ history, ...more }: Parts): Records {
  return {
    period: periodOfRun(run(), new Date(at(720))),
    history: { runs: [run()], attempts: [], events: [], landings: [], alarms: [], checksPassed: 0, ...history },
    ...{ tasks: [], patches: [], conflicts: [], stateDir: '/state', liveRun: null },
    disk: { transcripts: 0, checkLogs: 0, state: 0 },
    ...more,
  };
}
