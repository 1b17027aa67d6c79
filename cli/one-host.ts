/** One Docker host for a command that is no run: checks, a shell, a planner. */

import type { Settings } from '../src/config/settings.ts';
import type { Repository } from '../src/git/repository.ts';
import type { SandboxHost } from '../src/sandbox/sandbox.ts';
import type { State } from '../src/state/state.ts';
import type { RunId } from '../src/types.ts';
import type { Context } from './context.ts';
import type { ReachedHost } from './reach-host.ts';

export interface HostPlace {
  readonly settings: Settings;
  readonly repository: Repository;
  readonly state: State;
  readonly run: RunId;
  /** Beside a run that may be at work: what is made here goes with it. */
  readonly isGuest: boolean;
  /** What the agents' image must hold, by name. */
  readonly programs?: readonly string[];
}

/** Lets go of the connection to `at` when it is disposed of, or cannot be made ready: environment errors of `openDockerHost`. */
export async function openOneHost(context: Context, at: ReachedHost, place: HostPlace): Promise<SandboxHost> {
  const [{ openDockerHost }, { liveGuests }, { outgoing }] = await Promise.all([
    import('../src/sandbox/docker/host.ts'),
    import('../src/tasks/guests.ts'),
    import('../src/git/outgoing.ts'),
  ]);
  const { settings, repository, state, run, isGuest, programs = [] } = place;
  return openDockerHost({
    ...{ ...at, installation: state.installation, run, isGuest, programs, keep: [] },
    ...{ image: settings.image, dockerfile: settings.dockerfile, workspace: settings.workspace },
    runtime: settings.runtime,
    ...outgoing(repository, settings.history),
    objectFormat: repository.objectFormat,
    guests: () => liveGuests(state.directory),
    onProgress: (line) => context.note(line),
    onWarning: (line) => context.warn(line),
  });
}
