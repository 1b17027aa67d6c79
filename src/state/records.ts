/** What the state holds, as the rest of the program sees it. All times are ISO 8601, UTC. */

import type { AttemptState } from '../tasks/machine.ts';
import type {
  AttemptId,
  AttemptOutcome,
  Decider,
  Flag,
  NoteKind,
  ObjectId,
  PatchSize,
  PatchState,
  Priority,
  RunId,
  Spent,
  StopCause,
  TaskId,
  TaskSize,
  TaskState,
  Usage,
} from '../types.ts';

export interface TaskRecord {
  /** Rises with the order of adding; what has the same priority and chain is taken in this order. */
  readonly seq: number;
  readonly id: TaskId;
  readonly title: string;
  readonly description: string;
  readonly agent: string;
  readonly priority: Priority;
  readonly state: TaskState;
  /** Why it waits, is blocked, failed or was cancelled. */
  readonly reason: string | null;
  readonly dependsOn: readonly TaskId[];
  /** 1 + the longest chain of dependencies below it. */
  readonly phase: number;
  /** Who or what chose its role, as a phrase; null: nobody said. */
  readonly routing: string | null;
  /** Paths and globs that it will probably touch. */
  readonly files: readonly string[];
  readonly size: TaskSize;
  /** The longest chain of work that begins with it (itself included): small tasks count 1, medium 3, large 8. */
  readonly chain: number;
  readonly plan: string | null;
  readonly createdAt: string;
  /** Of the newest attempt; null while it waits. */
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  /** How many there were so far. */
  readonly attempts: number;
  /** Queued, it is not started before then; null: at once. */
  readonly notBefore: string | null;
  /** The patch that the next attempt, or the one under way, goes on with; null: it starts afresh. */
  readonly startFrom: AttemptId | null;
}

/** What a list of tasks shows: everything but the long text. */
export type TaskSummary = Omit<
  TaskRecord,
  'description' | 'routing' | 'files' | 'size' | 'plan' | 'createdAt' | 'startFrom'
>;

export interface AttemptRecord {
  readonly id: AttemptId;
  readonly task: TaskId;
  readonly n: number;
  /** The run that claimed the task. */
  readonly run: RunId;
  readonly state: AttemptState;
  /** Null until it ended. */
  readonly outcome: AttemptOutcome | null;
  readonly host: string;
  /** Name of its container. */
  readonly container: string;
  readonly engine: string;
  /** The bounds it was started with; null: claimed by a version that did not write them down. */
  readonly timeoutMs: number | null;
  readonly diskBytes: number | null;
  /** It was told to end; null: it was not. */
  readonly stopping: StopCause | null;
  readonly baseTree: ObjectId | null;
  readonly baseCommit: ObjectId | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly exitCode: number | null;
  readonly reason: string | null;
  /** Code of the fault around the agent that ended it (`DOCKER_FAILED`); null: none did. */
  readonly fault: string | null;
  readonly usage: Usage;
  /** What it may have cost beside: requests that are under way, or that nobody saw the end of, each at its most. */
  readonly unsettled: Spent;
  /** Hosts that the gateway refused. */
  readonly egressDenied: readonly string[];
  readonly summary: string | null;
}

export interface PatchRecord {
  readonly id: AttemptId;
  readonly task: TaskId;
  readonly state: PatchState;
  readonly baseTree: ObjectId;
  readonly baseCommit: ObjectId;
  readonly tree: ObjectId;
  readonly commit: ObjectId;
  readonly size: PatchSize;
  readonly flags: readonly Flag[];
  /** Those of `tree`, each command's newest, in the order in which they ended. */
  readonly checks: readonly CheckRecord[];
  readonly reason: string | null;
  readonly createdAt: string;
  /** The commit that it became, and the branch (null: a detached HEAD). */
  readonly mergedAs: ObjectId | null;
  readonly mergedInto: string | null;
  /** What the agent left, where a person approved parts of it or edited it; null: the result is as the agent left it. */
  readonly original: { readonly tree: ObjectId; readonly commit: ObjectId } | null;
  /** Who approved or rejected it; null: nobody did. */
  readonly decidedBy: Decider | null;
}

export interface CheckRecord {
  readonly command: string;
  readonly exitCode: number;
  readonly durationMs: number;
  /** What it was done on; null: done by a version that did not write it down. */
  readonly tree: ObjectId | null;
  /** It failed, and passed when it was done once more. */
  readonly isFlaky: boolean;
  /** Name of the file in the state's folder that has its output. */
  readonly log: string | null;
}

export interface RunRecord {
  readonly id: RunId;
  /** Rises by one with every run; a change that comes with an older fence is refused. */
  readonly fence: number;
  readonly pid: number;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly deadline: string | null;
  readonly budgetUsd: number | null;
  readonly budgetTokens: number | null;
  readonly base: ObjectId;
  /** Of its sandboxes; null: written by a version that did not say. */
  readonly isolation: string | null;
  /** The run that was cut off and whose budget and deadline this one goes on with; null: none. */
  readonly continues: RunId | null;
}

export interface NewTask {
  readonly title: string;
  readonly description: string;
  readonly agent: string;
  readonly priority: Priority;
  readonly routing?: string | null;
  /** Default: none known. */
  readonly files?: readonly string[];
  /** Default: medium. */
  readonly size?: TaskSize;
  /** The plan that it is of. */
  readonly plan?: string | null;
  /** Ids, or `key`s of the same batch (a key goes before an id of the same name). */
  readonly dependsOn: readonly string[];
  /** A name for this task within its batch. */
  readonly key?: string;
  /** The patch of another task whose conflict this one resolves: it starts from it, and is merged in its place. */
  readonly startFrom?: AttemptId;
}

/** What a person wants changed of a patch. */
export interface ChangeRequest {
  readonly patch: AttemptId;
  readonly message: string;
}

export interface PlanSummary {
  readonly id: string;
  readonly goal: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** Its tasks are queued since then, and it does not change any more; null: it is a draft. */
  readonly approvedAt: string | null;
  readonly taskCount: number;
}

export interface PlanRecord extends Omit<PlanSummary, 'taskCount'> {
  /** Of this revision, as it was written; what it means is for src/plan/ to say. */
  readonly document: unknown;
  readonly revision: number;
  /** What was on the screen, as it was written; null: nothing was. */
  readonly view: unknown;
  /** The change that undoing takes back, and that redoing does again; null: there is none. */
  readonly undoes: string | null;
  readonly redoes: string | null;
  /** What it became. */
  readonly tasks: readonly TaskId[];
}

/** Something that was said about a plan. */
export interface PlanMessage {
  readonly from: 'you' | 'planner';
  readonly text: string;
  /** ISO 8601, UTC. */
  readonly at: string;
}

/** How an attempt ended, and what becomes of its task. */
export interface AttemptEnd {
  readonly outcome: AttemptOutcome;
  readonly taskState: 'succeeded' | 'failed' | 'queued' | 'cancelled';
  readonly exitCode: number | null;
  readonly reason: string | null;
  /** As in AttemptRecord; not given: none. */
  readonly fault?: string | null;
  /** Its task, queued again, is not to be started before then (ISO 8601, UTC); not given: at once. */
  readonly notBefore?: string | null;
  /** Its task, queued again, goes on with the patch that it leaves, where it leaves one; not given: as it began. */
  readonly goesOn?: boolean;
  /** Without a token: nobody can say any more, and what was written down meanwhile stays. */
  readonly usage: Usage;
  readonly egressDenied: readonly string[];
  readonly summary: string | null;
  readonly patch: Omit<
    PatchRecord,
    'createdAt' | 'mergedAs' | 'mergedInto' | 'checks' | 'original' | 'decidedBy'
  > | null;
  /** What it tells others by itself, fit to be shown; not given: nothing. */
  readonly note?: string | null;
}

export interface NewNote {
  /** Null: a person leaves it. */
  readonly attempt: AttemptId | null;
  readonly kind: NoteKind;
  /** Unlike that of any other note, and the same for the same note told twice; null: it is told once. */
  readonly source: string | null;
  /** Fit to be shown. */
  readonly text: string;
}

export interface NoteRecord {
  readonly id: number;
  /** Null: a person. */
  readonly from: { readonly attempt: AttemptId; readonly task: TaskId; readonly role: string } | null;
  readonly kind: NoteKind;
  readonly text: string;
  readonly createdAt: string;
}

/** A note that concerns an attempt. */
export interface RelevantNote extends NoteRecord {
  /** Of a person, or of what its task builds on. */
  readonly isClose: boolean;
}
