/** What a Docker host is opened with. */

import type Docker from 'dockerode';
import type { Outgoing } from '../../git/outgoing.ts';
import type { AttemptId, WorkspaceKind } from '../../types.ts';
import type { StoreLimits } from './store.ts';

export interface DockerHostOptions extends Outgoing {
  readonly name: string;
  readonly docker: Docker;
  /** What leads to the engine, where that ends with the host. */
  readonly connection?: AsyncDisposable;
  /** Keys may be told to what runs there; not given: they may. */
  readonly mayHoldKeys?: boolean;
  readonly installation: string;
  readonly run: string;
  /** The agent image the user asked for; null for ours. */
  readonly image: string | null;
  /** Absolute path of a Dockerfile to build it from instead. */
  readonly dockerfile?: string | null | undefined;
  /** The engine of this machine, for one elsewhere: what that lacks of images is sent. Not given: there is nothing to send. */
  readonly imagesFrom?: Docker | null | undefined;
  /** What that image must hold, by name; not given: nothing. */
  readonly programs?: readonly string[];
  /** Somebody beside the run that may be at work: tidies nothing, and what it lays out goes with it. */
  readonly isGuest?: boolean | undefined;
  /** Runs' ids of the guests that are alive: what they have stays. */
  readonly guests?: (() => readonly string[]) | undefined;
  /** Attempts of an earlier run that are still to be adopted: what they left stays. */
  readonly keep: readonly AttemptId[];
  readonly objectFormat: 'sha1' | 'sha256';
  /** How the repository gets in; null: overlay where a probe shows that the engine can, else copy. */
  readonly workspace: WorkspaceKind | null;
  /** The container runtime of sandboxes, by the engine's name for it; null or not given: the engine's default. */
  readonly runtime?: string | null;
  /** Not given: STORE_LIMITS. */
  readonly storeLimits?: StoreLimits;
  /** One line for people whenever something slow starts. */
  onProgress(line: string): void;
  onWarning(line: string): void;
}
