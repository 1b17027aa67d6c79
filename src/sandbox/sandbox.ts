/**
 * PORT: where agents run. One driver per technology.
 * Order is in the types: a host is opened, a sandbox is created on it, started, awaited, collected from, discarded.
 * All calls may run concurrently for different attempts. Every `discard` is idempotent, has its own deadline and works
 * after a cancellation; whatever is not discarded is found again by its labels.
 */

import type { TreeChange } from '../git/quarantine.ts';
import type { AttemptId, Flag, Limits, ObjectId, TaskId } from '../types.ts';

/** How strong the wall between agent and host is, said out loud for every run. */
export type IsolationLevel = 'shared-kernel' | 'userns' | 'gvisor' | 'vm';

/** A git tree that agents start from. */
export interface BaseTree {
  readonly tree: ObjectId;
  /** A tree that the host probably has already and that differs little: only the difference is sent then. */
  readonly near: ObjectId | null;
}

/** What runs in a sandbox and with which bounds. */
export interface SandboxSpec {
  readonly attempt: AttemptId;
  readonly task: TaskId;
  /** Deterministic, so that a creation whose reply was lost is found again. */
  readonly containerName: string;
  readonly tree: ObjectId;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Files laid into the agent's home before it starts; `path` is relative to it. */
  readonly homeFiles: readonly HomeFile[];
  readonly limits: Limits;
  /** Milliseconds; the sandbox ends itself then, even without us. */
  readonly timeoutMs: number;
}

export interface HomeFile {
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
}

/** One Docker engine (or the like) made ready for a run: images, store, keeper. Disposing removes what the run needed. */
export interface SandboxHost extends AsyncDisposable {
  readonly name: string;
  readonly isolation: IsolationLevel;
  /** Lays out a tree once; concurrent and repeated calls for one tree share the work. */
  prepareTree(base: BaseTree): Promise<void>;
  /** Needs the spec's tree prepared. Rejects with an OrchestrateError of kind `environment` when the engine fails. */
  create(spec: SandboxSpec): Promise<CreatedSandbox>;
}

export interface CreatedSandbox {
  start(): Promise<RunningSandbox>;
  discard(): Promise<void>;
}

export interface RunningSandbox {
  /** What the agent writes, from its first byte, in order of arrival; ends with the agent. To be consumed once. */
  output(): AsyncIterable<OutputChunk>;
  /** Resolves when the agent's main process is gone. */
  ended(): Promise<EndedSandbox>;
  /** SIGTERM, then SIGKILL after the grace period; resolves when it is gone. Harmless when it is already. */
  stop(): Promise<void>;
}

export interface EndedSandbox {
  readonly exitCode: number;
  /** The kernel ended something inside for want of memory. */
  readonly outOfMemory: boolean;
  /** What the agent changed. May be called again until discarded. */
  collect(): Promise<Collection>;
  discard(): Promise<void>;
}

export interface OutputChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Buffer;
}

/** The changes of an attempt against its tree; `changes` must be read to the end before `tree` resolves. */
export interface Collection {
  readonly changes: AsyncIterable<TreeChange>;
  /** The resulting tree's id as the sandbox's side computed it. */
  readonly tree: Promise<ObjectId>;
  readonly flags: readonly Flag[];
  readonly count: number;
}
