/** What a run is told, what it works with, and what it says at its end. */

import type { Engine } from '../engine/engine.ts';
import type { EventBus } from '../events.ts';
import type { Base } from '../git/base.ts';
import type { Repository } from '../git/repository.ts';
import type { Role } from '../roles/role.ts';
import type { RunRecord, TaskRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import type { RunId, TaskId } from '../types.ts';
import type { AttemptBounds } from './attempt-parts.ts';
import type { Deadline, WantedEnd } from './deadline.ts';
import type { GatewayOptions } from './gateway.ts';
import type { Hosts } from './hosts.ts';
import type { WantedPreflight } from './preflight.ts';
import type { WantedReviews } from './run-patches.ts';
import type { WantedSetUp } from './set-up.ts';

export interface RunOptions {
  readonly maxAgents: number;
  /** Tasks that touch the same files are worked at once as well; not given: one after the other. */
  readonly allowOverlap?: boolean | undefined;
  readonly engine: Engine;
  /** What agents reach, and how; null: nothing at all. */
  readonly gateway: GatewayOptions | null;
  /** The engine of an attempt that is taken over from an earlier run, by the name it was recorded with. */
  engineNamed(name: string): Promise<Engine>;
  /** The role of a task, by its name; throws usage UNKNOWN_ROLE where it is gone. Not given: roles are names and nothing more. */
  readonly roleOf?: ((name: string) => Role) | undefined;
  readonly bounds: AttemptBounds;
  /** What is done once before the first agent; not given: nothing. */
  readonly setUp?: WantedSetUp | null;
  /** Nobody will look after it: what can be tried is tried before anything is started; not given: nothing is. */
  readonly preflight?: WantedPreflight | undefined;
  /** What becomes of patches meanwhile; not given: they wait. */
  readonly reviews?: WantedReviews | undefined;
  /** What agents start from; undefined: HEAD. */
  readonly baseRef?: string | undefined;
  readonly includeDirty: boolean;
  /** Only these tasks; not given: the whole queue. */
  readonly only?: readonly TaskId[] | undefined;
  /** When it ends though there is more to do; not given, or null: when there is not. */
  readonly end?: WantedEnd | null;
  /** How many commits deep the history is that agents see; 1: none but one made up for the tree. */
  readonly history: number;
  /** Aborted: agents are stopped, their work is salvaged, the run ends. */
  readonly signal: AbortSignal;
  readonly pid: number;
  /** Where there are other hosts, how long one may be away before its tasks go elsewhere, milliseconds; not given: 90 s. */
  readonly hostLostAfterMs?: number | undefined;
}

/** What the runs of a repository have in common. */
export interface RunEnvironment {
  readonly repository: Repository;
  readonly state: State;
  readonly bus: EventBus;
  /** One line for people whenever something slow starts before the run does. */
  onProgress(line: string): void;
  /** Deterministic name of an attempt's container. */
  containerName(task: TaskRecord['id'], n: number): string;
}

export interface RunSummary {
  readonly run: RunId;
  readonly succeeded: number;
  readonly failed: number;
  readonly blocked: number;
  /** Patches with a check that failed. */
  readonly redPatches: number;
  /** Why the run ended before its queue did: a budget or a deadline; null: it did not, or somebody stopped it. */
  readonly limit: string | null;
}

export interface RunParts {
  readonly parts: RunEnvironment;
  readonly options: RunOptions;
  readonly run: RunRecord;
  readonly base: Base;
  /** Begun, and not attached yet. */
  readonly hosts: Hosts;
  /** Of `options.end`. */
  readonly deadline: Deadline | null;
  /** Why nothing is begun: what the run goes on for has spent all that it may; null: it has not. */
  readonly usedUp: string | null;
}
