/**
 * PORT: where agents run. One driver per technology. What runs survives trouble with the engine: calls whose answer was
 * lost are made again where that is right, and all of them go on when it answers again (see onTrouble).
 * Order is in the types: a host is opened, a sandbox is created on it, started, awaited, collected from, discarded.
 * All calls may run concurrently for different attempts. Every `discard` is idempotent, has its own deadline and works
 * after a cancellation; whatever is not discarded is found again by its labels.
 */

import type { Duplex } from 'node:stream';
import type { OrchestrateError } from '../errors.ts';
import type { TreeChange } from '../git/quarantine.ts';
import type { AttemptId, Flag, Limits, ObjectId, TaskId, WorkspaceKind } from '../types.ts';

/** How strong the wall between agent and host is, said out loud for every run. */
export type IsolationLevel = 'shared-kernel' | 'userns' | 'gvisor' | 'vm';

/** A git tree that agents start from. */
export interface BaseTree {
  readonly tree: ObjectId;
  /** A commit of it, for the history that agents see. */
  readonly commit: ObjectId;
  /** A tree that the host probably has already and that differs little: only the difference is sent then. */
  readonly near: ObjectId | null;
}

/** What runs in a sandbox and with which bounds. */
export interface SandboxSpec {
  /** Of a check: found again and swept as such; `attempt` and `task` stand for those that there are not. Not given: an agent's. */
  readonly kind?: 'check';
  readonly attempt: AttemptId;
  readonly task: TaskId;
  /** Deterministic, so that a creation whose reply was lost is found again. */
  readonly containerName: string;
  readonly tree: ObjectId;
  /** The commit that the tree was prepared with. */
  readonly commit: ObjectId;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Files laid into the agent's home before it starts; `path` is relative to it. */
  readonly homeFiles: readonly HomeFile[];
  /** It may look at the workspace and not write there. */
  readonly isReadOnly?: true;
  /** Laid into `/context`, where the agent can read and not change them, beside its `outbox`. Not given: no such folder. */
  readonly contextFiles?: readonly ContextFile[];
  /** stdout and stderr are one stream (told as stdout), in the order of the writes; else each is in order. */
  readonly oneStream?: true;
  readonly limits: Limits;
  /** Milliseconds; the sandbox ends itself then, even without us. */
  readonly timeoutMs: number;
  /** Whether it may connect to the gateway, which must be open then. */
  readonly hasGateway: boolean;
  /** What process 1 shows the gateway to serve tools; null: it runs `argv` instead. */
  readonly toolboxToken: string | null;
}

export interface HomeFile {
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
}

export interface ContextFile {
  /** `notes.md`: lower case, `.md` or `.json`. */
  readonly name: string;
  readonly content: Buffer;
}

/** What an agent has put into its outbox since the last look. Names are printable. */
export interface OutboxNews {
  /** `text` is how the file begins, as the agent wrote it; `size` counts all its bytes. */
  readonly files: readonly { readonly name: string; readonly size: number; readonly text: string }[];
  readonly refused: readonly { readonly name: string; readonly reason: string }[];
  /** Files that are there and were not to be taken. */
  readonly left: number;
  /** There is more to be had at once. */
  readonly more: boolean;
}

/** One Docker engine (or the like) made ready for a run: images, store, keeper. Disposing removes what the run needed. */
export interface SandboxHost extends AsyncDisposable {
  readonly name: string;
  readonly isolation: IsolationLevel;
  readonly workspace: WorkspaceKind;
  /** Its gateway may be told keys; else this side makes the connections that need one. */
  readonly mayHoldKeys: boolean;
  /** What its machine has for all sandboxes together. */
  readonly capacity: Capacity;
  /** Lays out a tree once; concurrent and repeated calls for one tree share the work. */
  prepareTree(base: BaseTree): Promise<void>;
  /**
   * Takes over the sandbox of an attempt that an earlier coordinator started, running or ended. Null where there is none
   * any more (or it never started): what may be left of it is removed.
   */
  adopt(left: LeftSandbox): Promise<AdoptedSandbox | null>;
  /** Needs the spec's tree prepared. Rejects with an OrchestrateError of kind `environment` when the engine fails. */
  create(spec: SandboxSpec): Promise<CreatedSandbox>;
  /**
   * Starts the gateway, or finds the one of a run that was cut off again. `dials`: it makes connections itself; else it
   * has no network and asks the coordinator for each. Disposing the host removes it. A guest has one of its own.
   */
  openGateway(options: { readonly dials: boolean }): Promise<GatewayTransport>;
  /**
   * Has an earlier set-up of the same image, command and inputs be what sandboxes start from that are created from here
   * on. False where there is none.
   */
  reuseSetUp(spec: Pick<SetUpSpec, 'command' | 'inputs'>): Promise<boolean>;
  /**
   * Names who sets up again where `create` finds what was set up deleted by somebody else; that `create` waits for it, and
   * rejects with its failure. Not named: it rejects with environment IMAGE_MISSING.
   */
  onSetUpLost(again: () => Promise<void>): void;
  /** A sandbox to set up in: root, on the tree, which must be prepared. One at a time. Otherwise as `create`. */
  createSetUp(spec: SetUpSpec): Promise<CreatedSetUp>;
  /** Puts files into `/context` of sandboxes, each file at once; attempts that are gone are passed over. */
  putContext(contexts: ReadonlyMap<AttemptId, readonly ContextFile[]>): Promise<void>;
  /**
   * Takes what is new in attempts' outboxes, at most so many files of each. Each state of a file is told once: when two calls
   * in a row found it the same, or at once where its agent has ended (`final`). Cheap enough for every second.
   */
  takeNotes(most: ReadonlyMap<AttemptId, number>, final: boolean): Promise<ReadonlyMap<AttemptId, OutboxNews>>;
  /** Costs a walk over what the running attempts wrote. */
  resources(): Promise<HostResources>;
  /**
   * From now on calls wait for the return of an engine that does not answer, and `listener` is told when that is so (a
   * phrase, within 30 s; another one when more is known) and when it answers again (null). Without a listener they reject with environment ENGINE_GONE.
   */
  onTrouble(listener: (trouble: string | null) => void): void;
  /** Nobody waits any more: what does and what still comes rejects with ENGINE_GONE as soon as the engine does not answer. */
  giveUp(): void;
}

/** How control sessions into the gateway are opened; each ends the one before. */
export interface GatewayTransport {
  /** @param anew the gateway that is there has hung: another one takes its place */
  open(anew?: boolean): Promise<Duplex>;
}

/** What is done once for all sandboxes, before the first. */
export interface SetUpSpec {
  /** Run by `sh -c` in the workspace. */
  readonly command: string;
  /** Digest of the files that it depends on. */
  readonly inputs: string;
  readonly tree: ObjectId;
  readonly commit: ObjectId;
  readonly limits: Limits;
  /** Milliseconds; the sandbox ends itself then, even without us. */
  readonly timeoutMs: number;
  /** The way out; null: no network at all. */
  readonly egress: SetUpEgress | null;
}

/** The gateway as a set-up reaches it. */
export interface SetUpEgress {
  /** Where its forward proxy is, inside the sandbox: `http://127.0.0.1:47821`. */
  readonly url: string;
  /** Worth nothing once the set-up has ended. */
  readonly token: string;
  /** Private registries that the gateway has a token for: `host`, `host:port`. */
  readonly registries: readonly string[];
}

export interface CreatedSetUp extends CreatedSandbox {
  /** Its name in `resources`. */
  readonly attempt: AttemptId;
  /**
   * Has what it made be what sandboxes start from that are created from here on: its root file system, and of workspace
   * and home what the tree does not have. To be called once, when it has ended and before it is discarded.
   */
  keep(): Promise<KeptSetUp>;
}

export interface KeptSetUp {
  /** Tracked paths that it had changed and that are as they were again: how many, and the first of them, printable. */
  readonly restored: { readonly count: number; readonly paths: readonly string[] };
}

export interface Capacity {
  /** Processors. */
  readonly cpus: number;
  readonly memoryBytes: number;
}

/** What there is of something, and how much of it is still to be had. */
export interface Amount {
  readonly free: number;
  readonly total: number;
}

/** What the engine's host has, and what sandboxes take of it. */
export interface HostResources {
  /** Bytes that each attempt holds on the disk beyond what it started from (sparse files by their blocks). */
  readonly attempts: ReadonlyMap<AttemptId, number>;
  /** Bytes on the disk that sandboxes write to. */
  readonly disk: Amount;
  /** On the same disk; 0 of 0 where the file system has no fixed number. */
  readonly inodes: Amount;
  /** Bytes of the host itself, and what it could give without swapping; null where it does not say. */
  readonly memory: Amount | null;
}

/** How to find the sandbox of an attempt again. */
export interface LeftSandbox {
  readonly attempt: AttemptId;
  readonly containerName: string;
  readonly tree: ObjectId;
  /** Limit of what the attempt may write. */
  readonly diskBytes: number;
}

export interface AdoptedSandbox {
  readonly sandbox: RunningSandbox;
  /** When its agent started, by the engine's clock. */
  readonly startedAt: Date;
}

export interface CreatedSandbox {
  start(): Promise<RunningSandbox>;
  discard(): Promise<void>;
}

export interface RunningSandbox {
  /**
   * What the agent writes, from its first byte (or the first that is still there), in order; ends with the agent. Where
   * bytes were not kept, a line on stdout says how many; the last 10 MB are. To be consumed once.
   */
  output(): AsyncIterable<OutputChunk>;
  /** CPU time that everything in it has used so far, milliseconds. */
  cpuMs(): Promise<number>;
  /** Memory that everything in it holds now, without what the kernel could drop at once. */
  memoryBytes(): Promise<number>;
  /** Resolves when the agent's main process is gone, whoever ended it; rejects as every call where nobody waits for the engine. */
  ended(): Promise<EndedSandbox>;
  /** Holds the agent still while `take` reads what it changed so far, and lets it go on whatever happens. */
  snapshot<Result>(take: (collection: Collection) => Promise<Result>): Promise<Result>;
  /** Holds the agent still until `goOn`; a snapshot meanwhile does not let it go on. Harmless when it is gone. */
  hold(): Promise<void>;
  goOn(): Promise<void>;
  /** Tells when the engine does not answer (at once where that is so) and when it does again. Returns how to end that. */
  onTrouble(listener: (isAway: boolean) => void): () => void;
  /** SIGTERM, then SIGKILL after the grace period; resolves when it is gone. Harmless when it is already. */
  stop(): Promise<void>;
  /** SIGKILL at once, for what does harm meanwhile. Harmless when it is gone. */
  kill(): Promise<void>;
  /** Removes it, ended or not, with its workspace. Idempotent. */
  discard(): Promise<void>;
}

export interface EndedSandbox {
  readonly exitCode: number;
  /** The kernel ended the agent for want of memory; not a child of it that the agent survived. */
  readonly outOfMemory: boolean;
  /**
   * Why it ended where neither the agent nor we ended it: the engine was started anew (ENGINE_RESTARTED), somebody else
   * stopped it (SANDBOX_STOPPED) or removed it (SANDBOX_REMOVED); kind `environment`. What it changed is there all the same.
   */
  readonly cutOff: OrchestrateError | null;
  /** OUTPUT_LOST where the end of what it printed is gone for good: its exit code is all that is left. */
  readonly outputLost: OrchestrateError | null;
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
