/** How commands outside of a run check: in the repository's own store where nobody works, else as a guest beside the run. */

import type { Settings } from '../src/config/settings.ts';
import type { Base } from '../src/git/base.ts';
import type { Repository } from '../src/git/repository.ts';
import type { Checker } from '../src/review/checker.ts';
import type { SandboxHost, SetUpEgress } from '../src/sandbox/sandbox.ts';
import type { Holder, Lock } from '../src/tasks/lock.ts';
import type { WantedSetUp } from '../src/tasks/set-up.ts';
import type { Watermarks } from '../src/tasks/watermarks.ts';
import type { Context } from './context.ts';
import { Disposals } from './disposals.ts';
import { setUpReachOf } from './engines.ts';

export interface Checking extends AsyncDisposable {
  readonly checker: Checker;
}

export interface CheckingOptions {
  /** Who holds the repository meanwhile, for whoever else wants it: `orchestrate merge`. */
  readonly command: string;
  /** Aborted: nothing more is set up; the checks themselves take a signal of their own. */
  readonly signal: AbortSignal;
}

/**
 * Makes a Docker host ready for checks, with the set-up that agents have where one is configured. Disposed, nothing of it is
 * left but what later runs can use. Rejects with environment errors of the host, SETUP_FAILED and the signal's reason.
 */
export async function openChecker(context: Context, settings: Settings, options: CheckingOptions): Promise<Checking> {
  const [{ openOneHost }, { firstHost }, { acquireLock }, { registerGuest }, { recoverable }] = await Promise.all([
    import('./one-host.ts'),
    import('./reach-host.ts'),
    import('../src/tasks/lock.ts'),
    import('../src/tasks/guests.ts'),
    import('../src/tasks/recovery.ts'),
  ]);
  const [repository, state] = await Promise.all([context.repository(), context.state()]);
  await using opened = new Disposals();
  const holder = { pid: process.pid, startedAt: new Date().toISOString(), command: options.command };
  // What a run that was cut off has left is the next run's: its agents may work still.
  const lock = recoverable(state) ? null : ownLock(acquireLock(state.directory, holder));
  if (lock !== null) opened.use(lock);
  // Known by this to `cleanup` as well, which asks for no lock.
  const guest = opened.use(registerGuest(state.directory));
  const isGuest = lock === null;
  const at = await firstHost(context, settings);
  const host = opened.use(await openOneHost(context, at, { settings, repository, state, run: guest.id, isGuest }));
  const [{ createChecker }, { checkName }, { Watermarks }] = await Promise.all([
    import('../src/review/checks.ts'),
    import('../src/sandbox/docker/names.ts'),
    import('../src/tasks/watermarks.ts'),
  ]);
  const watermarks = new Watermarks(() => host.resources());
  const { signal } = options;
  if (settings.setUp !== null) {
    await setUp(context, { settings, repository, host, watermarks, signal, wanted: settings.setUp });
  }
  signal.throwIfAborted();
  const { installation, directory: stateDir } = state;
  const checker = createChecker({
    ...{
      place: () => ({ host, watermarks }),
      stateDir,
      run: guest.id,
      limits: settings.limits,
      timeoutMs: settings.timeoutMs,
    },
    containerName: (id) => checkName(installation, guest.id, id),
  });
  const kept = opened.move();
  return { checker, [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose]() };
}

/** Null where somebody else has it. */
function ownLock(lock: Lock | { readonly heldBy: Holder }): Lock | null {
  return 'heldBy' in lock ? null : lock;
}

interface SetUpPlace {
  readonly settings: Settings;
  readonly repository: Repository;
  readonly host: SandboxHost;
  readonly watermarks: Watermarks;
  readonly signal: AbortSignal;
  readonly wanted: WantedSetUp;
}

/** As a run does it, on the same base: a store that has the result already is not made to do it again. */
async function setUp(context: Context, { settings, repository, wanted, ...place }: SetUpPlace): Promise<void> {
  const [{ RunSetUp }, base] = await Promise.all([import('../src/tasks/set-up.ts'), baseOf(settings, repository)]);
  const { limits, timeoutMs } = settings;
  const made = new RunSetUp(wanted, {
    ...{ ...place, repository, base, bounds: { limits, timeoutMs } },
    openEgress: () => openEgress(context, settings, place.host),
    onProgress: (line) => context.note(line),
    onWarning: (line) => context.warn(line),
  });
  await made.make();
}

async function baseOf({ base, includeDirty }: Settings, repository: Repository): Promise<Base> {
  const { resolveBase } = await import('../src/git/base.ts');
  return resolveBase(repository, { ...(base === null ? {} : { ref: base }), includeDirty });
}

/** A gateway for the set-up alone. */
async function openEgress(
  context: Context,
  settings: Settings,
  host: SandboxHost,
): Promise<(SetUpEgress & AsyncDisposable) | null> {
  const reach = await setUpReachOf(context, settings);
  if (reach === null) return null;
  const { openRunGateway } = await import('../src/tasks/gateway.ts');
  await using opened = new Disposals();
  const gateway = opened.use(await openRunGateway(host, reach));
  gateway.listen({
    onRunBudget: () => {},
    onUnusable: () => {},
    onWarning: (line) => context.warn(line),
  });
  const egress = await gateway.admitSetUp();
  if (egress === null) return null;
  opened.use(egress);
  const kept = opened.move();
  return { ...egress, [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose]() };
}
