/** The one union of events that the core emits; text, JSON Lines and the live screen are listeners. */

import type {
  AttemptId,
  AttemptOutcome,
  AutoApproval,
  Flag,
  ModelApi,
  ObjectId,
  PatchSize,
  RunId,
  TaskId,
  Usage,
} from './types.ts';

interface At {
  /** ISO 8601, UTC. */
  readonly at: string;
}

interface OfAttempt {
  readonly task: TaskId;
  readonly attempt: AttemptId;
}

/** What a run that is left alone found before its first agent. */
export interface Readiness {
  readonly isolation: string;
  /** The model services that took the key; empty: none is asked. */
  readonly keys: readonly ModelApi[];
  /** What the agents start from. */
  readonly tree: ObjectId;
  /** What the configured commands said of it. */
  readonly checks: readonly BaseCheck[];
  /** Bytes that are free on the disk of the engine, and where the state is. */
  readonly freeBytes: { readonly engine: number; readonly state: number };
  /** Bytes that agents may use together, and those of the engine's machine; null: it does not say. */
  readonly memoryBytes: { readonly agents: number; readonly engine: number | null };
  /** Null: no model is asked. */
  readonly cost: ExpectedCost | null;
  /** ISO 8601, UTC; null: none. */
  readonly deadline: string | null;
  readonly results: { readonly checks: number; readonly autoApprove: AutoApproval; readonly autoMerge: string | null };
}

export interface BaseCheck {
  readonly command: string;
  readonly exitCode: number;
  readonly flaky: boolean;
  /** Name of its output in the state's folder; null: it was not kept. */
  readonly log: string | null;
}

/** What bounds the cost of a run. */
export interface ExpectedCost {
  /** Budget of the run in dollars, and in tokens; null: none. */
  readonly usd: number | null;
  readonly tokens: number | null;
  /** Budget of each attempt in dollars; null: none. */
  readonly attemptUsd: number | null;
  /** Dollars, roughly, where no task has to be done again; null: not known. */
  readonly estimate: { readonly low: number; readonly high: number } | null;
}

export type EventBody =
  | {
      readonly type: 'run.started';
      readonly run: RunId;
      readonly tasks: number;
      readonly isolation: string;
      readonly base: string;
    }
  /** What can be tried before the first agent starts was tried, and agents start. */
  | ({ readonly type: 'run.ready' } & Readiness)
  | ({
      readonly type: 'task.started';
      readonly title: string;
      readonly agent: string;
      readonly host: string;
    } & OfAttempt)
  | ({ readonly type: 'agent.output'; readonly stream: 'stdout' | 'stderr'; readonly text: string } & OfAttempt)
  | ({ readonly type: 'agent.tool'; readonly tool: string; readonly detail: string } & OfAttempt)
  | ({ readonly type: 'usage'; readonly usage: Usage } & OfAttempt)
  | ({ readonly type: 'egress.denied'; readonly host: string; readonly reason: string } & OfAttempt)
  | ({ readonly type: 'task.paused'; readonly reason: string; readonly until: string | null } & OfAttempt)
  | ({ readonly type: 'task.resumed' } & OfAttempt)
  | ({
      readonly type: 'task.ended';
      readonly outcome: AttemptOutcome;
      readonly status: 'succeeded' | 'failed' | 'queued' | 'cancelled';
      readonly exitCode: number | null;
      readonly durationMs: number;
      readonly reason: string | null;
    } & OfAttempt)
  | { readonly type: 'task.blocked'; readonly task: TaskId; readonly reason: string }
  | ({
      readonly type: 'patch.created';
      readonly patch: AttemptId;
      readonly salvaged: boolean;
      readonly flags: readonly Flag[];
    } & PatchSize &
      OfAttempt)
  /** Of the attempt's patch, by a person. */
  | ({ readonly type: 'changes.requested'; readonly message: string } & OfAttempt)
  | ({
      readonly type: 'check.ended';
      readonly command: string;
      readonly exitCode: number;
      readonly durationMs: number;
      /** It failed, and passed when it was done once more. */
      readonly flaky: boolean;
    } & OfAttempt)
  /** By policy: `--auto-approve`. */
  | ({ readonly type: 'patch.approved'; readonly patch: AttemptId } & OfAttempt)
  /** What was approved was merged into a branch during a run: `--auto-merge`. */
  | {
      readonly type: 'merge.ended';
      readonly target: string;
      readonly from: string;
      readonly to: string;
      readonly merged: readonly AttemptId[];
      readonly setAside: readonly { readonly id: AttemptId; readonly reason: string }[];
      /** `with`: a patch, or the target by its name. */
      readonly conflicts: readonly {
        readonly id: AttemptId;
        readonly with: string;
        readonly paths: readonly string[];
      }[];
    }
  /** Nothing is started meanwhile; again where the reason becomes another one. */
  | {
      readonly type: 'run.paused';
      readonly reason: string;
      /** `reviews`, or a cause as `Holds` has it; not given: not known. */
      readonly cause?: string;
    }
  | { readonly type: 'run.resumed' }
  /** Nothing more is started, before the queue is at its end: a deadline, a budget, a key that is refused, `stop`. */
  | { readonly type: 'run.stopping'; readonly cause: 'deadline' | 'budget' | 'key' | 'stop'; readonly reason: string }
  | { readonly type: 'warning'; readonly message: string; readonly task?: TaskId; readonly attempt?: AttemptId }
  | {
      readonly type: 'run.ended';
      readonly run: RunId;
      readonly succeeded: number;
      readonly failed: number;
      readonly blocked: number;
      readonly reason: string | null;
      /** Bytes on the disk of the engine; not given: it could not be asked. */
      readonly disk?: { readonly freeBytes: number; readonly totalBytes: number };
      /** What a command that waited for it ends with; not there: an older version wrote it down. */
      readonly exitCode?: number;
    };

export type OrchestrateEvent = EventBody & At;

export type Listener = (event: OrchestrateEvent) => void;

/** Fans events out to listeners, in order; a listener that throws is the listener's bug and ends the process. */
export class EventBus {
  readonly #listeners = new Set<Listener>();

  /** Adds a listener; the returned function takes it away. */
  on(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(body: EventBody): void {
    const event: OrchestrateEvent = { at: new Date().toISOString(), ...body };
    for (const listener of this.#listeners) listener(event);
  }
}
