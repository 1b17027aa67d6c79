/** What an attempt consists of: what it has of its run, its agent, and the sandbox that works. */

import type { EarlierWork } from '../engine/earlier.ts';
import type { Access, AgentSession, Engine } from '../engine/engine.ts';
import type { EventBody } from '../events.ts';
import type { AttemptTotals } from '../gateway/protocol.ts';
import type { Repository } from '../git/repository.ts';
import type { Role } from '../roles/role.ts';
import type { RunningSandbox, SandboxHost } from '../sandbox/sandbox.ts';
import type { AttemptRecord } from '../state/records.ts';
import type { Limits, ObjectId, Spent, Usage } from '../types.ts';
import type { RunGateway } from './gateway.ts';
import type { KnownAtStart, NoteExchange } from './note-exchange.ts';
import type { StartTurn } from './start-line.ts';
import type { StartTree } from './start-tree.ts';
import type { StateRoom } from './state-room.ts';
import type { Ties } from './ties.ts';
import type { Watermarks } from './watermarks.ts';

export interface AttemptBounds {
  readonly limits: Limits;
  /** Milliseconds from the start of the agent. */
  readonly timeoutMs: number;
  /** Milliseconds without any sign of work. */
  readonly idleTimeoutMs: number;
  /** Milliseconds between two snapshots of the agent's work. */
  readonly snapshotEveryMs: number;
}

/** What an attempt needs of the run it belongs to. */
export interface AttemptContext {
  readonly host: SandboxHost;
  readonly engine: Engine;
  /** As in RunOptions. */
  readonly roleOf?: ((name: string) => Role) | undefined;
  /** Null where the run's agents reach nothing at all. */
  readonly gateway: RunGateway | null;
  readonly bounds: AttemptBounds;
  readonly watermarks: Watermarks;
  readonly room: Pick<StateRoom, 'isOut' | 'untilRoom' | 'takesTranscript'>;
  readonly notes: NoteExchange;
  /** Aborted when this attempt is to end now; its reason says whether the user or the run wants it. */
  readonly signal: AbortSignal;
  readonly repository: Repository;
  /** Starts happen in the order of the queue: waits for this attempt's turn, and lets the next one go. */
  readonly turn: StartTurn;
  emit(event: EventBody): void;
  /** What it goes on with; undefined: it starts afresh. */
  earlier(): Promise<EarlierWork | undefined>;
  /** Faults of the attempts right before this one that were lost too, the newest first. */
  losses(): readonly (string | null)[];
  onStarted(base: StartTree): void;
  onCollecting(): void;
  onUsage(usage: Usage): void;
  onUnsettled(spent: Spent): void;
  /** What the agent has so far was kept. */
  onSnapshot(trees: { readonly baseTree: ObjectId; readonly tree: ObjectId }): void;
  /** Its task is held still for this reason, or goes on (null). */
  onPaused(reason: string | null): void;
  /** Its agent has shown no sign of work for so many minutes, or does again (null). */
  onQuiet(minutes: number | null): void;
}

/** The agent of an attempt: the engine's session, and what it may reach. Disposed, it reaches nothing any more. */
export interface Agent extends AsyncDisposable {
  readonly session: AgentSession;
  readonly access: Access | null;
  readonly ties: Ties;
  readonly known: KnownAtStart;
  readonly earlier: EarlierWork | undefined;
  /** Shuts it out of the gateway; what the gateway counted, null where there is none. */
  release(): Promise<AttemptTotals | null>;
}

/** An attempt whose agent runs. */
export interface StartedAttempt {
  readonly attempt: AttemptRecord;
  readonly start: StartTree;
  readonly agent: Agent;
  readonly running: RunningSandbox;
  /** How long the agent has run already, milliseconds. */
  readonly elapsedMs: number;
}
