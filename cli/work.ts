/** How commands work the queue: engine, lock, host, progress, Ctrl-C. */

import type { Settings } from '../src/config/settings.ts';
import type { RunSummary } from '../src/coordinator.ts';
import type { Engine } from '../src/engine/engine.ts';
import { environmentError, OrchestrateError } from '../src/errors.ts';
import type { EventBus } from '../src/events.ts';
import type { State } from '../src/state/state.ts';
import { exitCodeOf } from '../src/tasks/exit-code.ts';
import type { GatewayOptions } from '../src/tasks/gateway.ts';
import type { Holder } from '../src/tasks/lock.ts';
import type { WantedPreflight } from '../src/tasks/preflight.ts';
import type { RunId, TaskId } from '../src/types.ts';
import type { Context } from './context.ts';
import { engineNamed, thinkingOf } from './engines.ts';
import { onInterrupt } from './interrupt.ts';
import { type Logging, logRun } from './logging.ts';
import type { LiveView } from './render/live.ts';
import { roleWarnings, waitingRoles } from './roles.ts';
import { type Starter, viewForStarter } from './starter.ts';

/** Time between two snapshots of an agent's work: what losing the engine costs at most. */
const SNAPSHOT_EVERY_MS = 3 * 60_000;

export interface WatchedWork {
  readonly state: State;
  readonly settings: Settings;
  /** Only these tasks; not given: the whole queue. */
  readonly only?: readonly TaskId[];
  /** What the run is to be called; not given: a new name. */
  readonly run?: RunId;
  /** The run works on its own: this one waits for its start alone. Not given: whoever started it watches. */
  readonly starter?: Starter;
  /** Start although a check fails on the base, where that is tried before. */
  readonly allowRedBase?: boolean;
}

export interface WatchedEnd {
  readonly summary: RunSummary;
  readonly exitCode: number;
}

/** Works the queue with the progress shown and Ctrl-C handled. */
export async function workWatched(context: Context, work: WatchedWork): Promise<WatchedEnd> {
  const thinking = await thinkingOf(context, work.settings);
  const { EventBus } = await import('../src/events.ts');
  const bus = new EventBus();
  const { state, settings, starter } = work;
  const run = work.run ?? (await newRunId());
  const log = await logRun(context, { directory: state.directory, run, bus });
  const notifier =
    settings.notify === null
      ? null
      : await (await import('./notifying.ts')).openNotifier(context, { bus, state, url: settings.notify });
  const view = starter === undefined ? await viewOf(context, bus) : viewForStarter(context, bus, starter);
  const interruption = new AbortController();
  const release = onInterrupt(interruption, () =>
    context.warn('stopping the agents and keeping their work; once more to leave at once'),
  );
  const sleep = starter === undefined && settings.end === null ? null : await stayAwake(context);
  const { collectEarly } = await import('./collect-early.ts');
  const stopCollecting = collectEarly();
  try {
    const signal = interruption.signal;
    const summary = await workQueue(context, {
      ...work,
      ...thinking,
      bus,
      signal,
      run,
      isDetached: starter !== undefined,
      ...sayingBy(view, log),
    });
    return { summary, exitCode: exitCodeOf(summary, interruption.signal.aborted) };
  } catch (error) {
    log.fault(error);
    if (!isTheirs(error)) notifier?.failed(error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    stopCollecting();
    view.close();
    await notifier?.close();
    log.close();
    sleep?.();
    release();
  }
}

/** What somebody typed at a bad moment is no news to those who are asleep. */
function isTheirs(error: unknown): boolean {
  return error instanceof OrchestrateError && (error.kind === 'usage' || error.code === 'ALREADY_RUNNING');
}

async function newRunId(): Promise<RunId> {
  const { ulid } = await import('ulid');
  return ulid() as RunId;
}

/** A view that shows lines by itself keeps them from the context, and so from the log. */
function sayingBy({ say }: LiveView, log: Logging): Pick<QueueWork, 'say'> {
  if (say === undefined) return {};
  return {
    say(line) {
      log.say(line);
      say(line);
    },
  };
}

async function stayAwake(context: Context): Promise<() => void> {
  const { keepAwake } = await import('./keep-awake.ts');
  return keepAwake({
    env: context.env,
    platform: process.platform,
    pid: process.pid,
    onAsleep: (why) => context.note(`this machine may go to sleep meanwhile, which nothing prevents (${why})`),
  });
}

export interface QueueWork {
  readonly state: State;
  readonly settings: Settings;
  readonly engine: Engine;
  readonly gateway: GatewayOptions | null;
  readonly bus: EventBus;
  readonly signal: AbortSignal;
  readonly only?: readonly TaskId[];
  readonly run?: RunId;
  readonly allowRedBase?: boolean;
  /** Whoever started it waits for its start alone. */
  readonly isDetached?: boolean;
  /** Shows progress that is no event; not given: standard error. */
  readonly say?: (line: string) => void;
}

/** Opens what a run needs (lock, engine, host) and works the queue; for `run` and `demo`. */
export async function workQueue(context: Context, work: QueueWork): Promise<RunSummary> {
  const [
    { runQueue },
    { agentName, checkName },
    { runHosts },
    { roleOfTask },
    { acquireLock },
    { idlePolicy },
    { whileLanding },
    { refuseAutoMerge },
    repository,
  ] = await Promise.all([
    import('../src/coordinator.ts'),
    import('../src/sandbox/docker/names.ts'),
    import('./run-hosts.ts'),
    import('../src/roles/catalogue.ts'),
    import('../src/tasks/lock.ts'),
    import('../src/review/policy.ts'),
    import('../src/merge/landing-lock.ts'),
    import('../src/merge/auto-merge.ts'),
    context.repository(),
  ]);
  const { state, settings } = work;
  const lock = acquireLock(state.directory, {
    pid: process.pid,
    startedAt: new Date().toISOString(),
    command: 'orchestrate run',
  });
  if ('heldBy' in lock) {
    throw alreadyRunning(lock.heldBy);
  }
  try {
    if (settings.autoMerge !== null) await refuseAutoMerge(repository, settings.autoMerge);
    await whileLanding(
      repository,
      state,
      (line) => context.warn(line),
      async () => {},
    );
    const { installation } = state;
    const roles = await context.roles(settings.base ?? 'HEAD');
    const agents = await waitingRoles(context);
    const warnings = await roleWarnings({ roles, settings, engine: work.engine.name, agents });
    const idle = idlePolicy(settings);
    for (const warning of idle === null ? warnings : [...warnings, idle]) context.warn(warning);
    return await runQueue(
      {
        repository,
        state,
        bus: work.bus,
        id: work.run,
        onProgress: work.say ?? ((line) => context.note(line)),
        containerName: (task, n) => agentName(installation, task, n),
        ...(await runHosts(context, work)),
      },
      {
        maxAgents: settings.maxAgents,
        allowOverlap: settings.allowOverlap,
        engine: work.engine,
        gateway: work.gateway,
        roleOf: (name) => roleOfTask(roles, name),
        engineNamed: (name) => engineNamed(context, settings, name),
        bounds: {
          limits: settings.limits,
          timeoutMs: settings.timeoutMs,
          idleTimeoutMs: settings.idleTimeoutMs,
          snapshotEveryMs: SNAPSHOT_EVERY_MS,
        },
        end: settings.end,
        setUp: settings.setUp,
        preflight: await wantedPreflight(context, work),
        reviews: {
          checks: settings.checks,
          autoApprove: settings.autoApprove,
          autoMerge: settings.autoMerge,
          maxPending: settings.maxPendingReviews,
          containerName: (run, id) => checkName(installation, run, id),
        },
        only: work.only,
        ...(settings.base === null ? {} : { baseRef: settings.base }),
        includeDirty: settings.includeDirty,
        history: settings.history,
        signal: work.signal,
        pid: process.pid,
      },
    );
  } finally {
    lock.release();
  }
}

/** Where nobody waits for the end, what can be tried is tried while somebody is still there. */
async function wantedPreflight(
  context: Context,
  { settings, allowRedBase = false, isDetached = false }: QueueWork,
): Promise<WantedPreflight | undefined> {
  if (settings.end === null && !isDetached) return undefined;
  const { priceFor } = await import('./judge-plan.ts');
  return { allowRedBase, price: await priceFor(context, settings) };
}

function alreadyRunning({ pid, command }: Holder): Error {
  const isRun = command === 'orchestrate run';
  const what = isRun ? 'another run works' : `${command} works`;
  return environmentError('ALREADY_RUNNING', `${what} on this repository (process ${pid || 'unknown'})`, {
    hint: isRun ? 'look at it with: orchestrate attach' : 'it is over soon: try again then',
  });
}

async function viewOf(context: Context, bus: EventBus): Promise<LiveView> {
  if (context.json) {
    const { createJsonLines } = await import('./render/json-lines.ts');
    return createJsonLines(bus, context.out);
  }
  const { createLiveView } = await import('./render/live.ts');
  return createLiveView(bus, context.out, {
    tty: context.out.isTTY === true && !context.quiet,
    verbose: context.verbose,
  });
}
