/** The stable JSON shapes of the command line. Fields may be added, never changed or taken away. */

import { verdictOf } from '../../src/review/verdict.ts';
import type { Standstill } from '../../src/state/history.ts';
import type {
  AttemptRecord,
  CheckRecord,
  PatchRecord,
  RunRecord,
  TaskRecord,
  TaskSummary,
} from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import { whyOf } from '../../src/tasks/why.ts';
import {
  type CheckVerdict,
  type Flag,
  NO_USAGE,
  type TaskId,
  type TaskState,
  tokensOf,
  type Usage,
} from '../../src/types.ts';
import { conflictsOf } from '../conflicts.ts';

export interface TaskJson {
  readonly id: string;
  readonly title: string;
  readonly agent: string;
  readonly priority: string;
  readonly status: string;
  /** From 1. */
  readonly phase: number;
  readonly dependsOn: readonly string[];
  /** Id of the newest attempt. */
  readonly attempt: string | null;
  readonly host: string | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly usage: Usage;
  readonly patch: TaskPatchJson | null;
  /** Why it waits or failed. */
  readonly reason: string | null;
}

export interface TaskPatchJson {
  readonly id: string;
  readonly status: string;
  readonly files: number;
  readonly insertions: number;
  readonly deletions: number;
  readonly flags: readonly Flag[];
  readonly checks: CheckVerdict;
  /** As in a patch's own JSON. */
  readonly conflictsWith: readonly string[];
}

/** What a task's JSON is made of besides the task. */
export interface TaskContext {
  readonly attempt: AttemptRecord | null;
  readonly usage: Usage;
  readonly patch: PatchRecord | null;
  /** Of the patch. */
  readonly conflictsWith: readonly string[];
  /** Whether a run works the queue now. */
  readonly isRunning: boolean;
  /** Why that run starts nothing just now, or nothing more; not given: nobody looked. */
  readonly standstill?: Standstill | null;
  readonly now: Date;
  /** State of another task. */
  stateOf(id: string): TaskState | undefined;
}

export function taskJson(task: TaskSummary, context: TaskContext): TaskJson {
  return {
    id: task.id,
    title: task.title,
    agent: task.agent,
    priority: task.priority,
    status: task.state,
    phase: task.phase,
    dependsOn: task.dependsOn,
    attempt: context.attempt?.id ?? null,
    host: context.attempt?.host ?? null,
    startedAt: task.startedAt,
    endedAt: task.endedAt,
    usage: context.usage,
    patch: context.patch === null ? null : taskPatchJson(context.patch, context.conflictsWith),
    reason: whyOf(task, context),
  };
}

/** JSON of one task, with all that belongs to it read from the state, and who or what chose its role (null: nobody said). */
export function taskJsonOf(
  state: State,
  task: TaskRecord,
  isRunning: boolean,
): TaskJson & { readonly agentReason: string | null } {
  const attempts = state.attemptsOf(task.id);
  const patch = state.patchOf(task.id);
  const run = isRunning ? state.currentRun() : null;
  const json = taskJson(task, {
    attempt: attempts.at(-1) ?? null,
    usage: attempts.map((attempt) => attempt.usage).reduce(addUsage, NO_USAGE),
    patch,
    conflictsWith: patch === null ? [] : conflictsOf(state, patch.id),
    isRunning,
    standstill: run === null ? null : state.standstillOf(run.id),
    now: new Date(),
    stateOf: (id) => (task.dependsOn.some((one) => one === id) ? state.task(id as TaskId).state : undefined),
  });
  return { ...json, agentReason: task.routing };
}

function taskPatchJson(patch: PatchRecord, conflictsWith: readonly string[]): TaskPatchJson {
  const { id, state: status, size, flags } = patch;
  return { id, status, ...size, flags, checks: verdictOf(patch), conflictsWith };
}

/** `log`: the file with its output, in the state's folder. */
export function checkJson({ command, exitCode, durationMs, isFlaky, log }: CheckRecord) {
  return { command, exitCode, durationMs, flaky: isFlaky, log };
}

export function attemptJson(attempt: AttemptRecord) {
  return {
    id: attempt.id,
    outcome: attempt.outcome,
    host: attempt.host,
    startedAt: attempt.startedAt,
    endedAt: attempt.endedAt,
    exitCode: attempt.exitCode,
    usage: attempt.usage,
    egressDenied: attempt.egressDenied,
    engine: attempt.engine,
    reason: attempt.reason,
    summary: attempt.summary,
  };
}

/** `conflictsWith`: ids of patches, and of attempts under way, that it will not merge with as far as that was looked at. */
export function patchJson(patch: PatchRecord, conflictsWith: readonly string[]) {
  return {
    id: patch.id,
    task: patch.task,
    status: patch.state,
    base: patch.baseTree,
    tree: patch.tree,
    /** What the agent left, where the patch is something else now. */
    original: patch.original?.tree ?? null,
    ...patch.size,
    flags: patch.flags,
    checks: patch.checks.map(checkJson),
    conflictsWith,
    reason: patch.reason,
    decidedBy: patch.decidedBy,
    createdAt: patch.createdAt,
    mergedAs: patch.mergedAs,
    mergedInto: patch.mergedInto,
  };
}

export function runJson(run: RunRecord, spent: Usage) {
  return {
    id: run.id,
    pid: run.pid,
    startedAt: run.startedAt,
    isolation: run.isolation,
    deadline: run.deadline,
    budget: { usd: run.budgetUsd, tokens: run.budgetTokens },
    spent: { usd: spent.usd, tokens: tokensOf(spent) },
  };
}

function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cacheReadTokens: a.cacheReadTokens + b.cacheReadTokens,
    cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
    // What is not known stays so in a sum.
    usd: isUnpriced(a) || isUnpriced(b) ? null : a.usd === null ? b.usd : a.usd + (b.usd ?? 0),
  };
}

function isUnpriced(usage: Usage): boolean {
  return usage.usd === null && tokensOf(usage) > 0;
}
