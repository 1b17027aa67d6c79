/** `orchestrate run`: works the queue until it is empty. */

import type { Settings } from '../../src/config/settings.ts';
import type { RunSummary } from '../../src/coordinator.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { EXIT_CODES, environmentError } from '../../src/errors.ts';
import type { EventBus } from '../../src/events.ts';
import type { State } from '../../src/state/state.ts';
import type { Context } from '../context.ts';
import type { RunOptions } from '../options.ts';
import { formatDuration, formatSize } from '../render/quantities.ts';

/** Resolves to the exit code: 0 all done, 1 some task failed or cannot start, 130 interrupted. */
export async function run(context: Context, options: RunOptions): Promise<number> {
  const { settings } = await context.settings(options.settings, { trust: options.trust });
  const state = await context.state();
  const waiting = state.tasks().filter((task) => task.state === 'queued' || task.state === 'blocked');
  if (options.dryRun) return dryRun(context, settings, waiting);
  const { recoverable } = await import('../../src/tasks/recovery.ts');
  if (!waiting.some((task) => task.state === 'queued') && !recoverable(state)) {
    if (context.json) return EXIT_CODE_DONE;
    context.note(
      waiting.length === 0
        ? 'The queue is empty. Queue work with: orchestrate submit "…"'
        : blockedLine(waiting.length),
    );
    return waiting.length === 0 ? EXIT_CODE_DONE : EXIT_CODES.failure;
  }
  const engine = await engineOf(settings);
  const { EventBus } = await import('../../src/events.ts');
  const bus = new EventBus();
  const view = await viewOf(context, bus);
  const interruption = new AbortController();
  const release = onInterrupt(context, interruption);
  try {
    const summary = await workQueue(context, { state, settings, engine, bus, signal: interruption.signal });
    view.close();
    if (!context.json) context.note(ending(summary));
    if (interruption.signal.aborted) return EXIT_CODES.interrupted;
    return summary.failed > 0 || summary.blocked > 0 ? EXIT_CODES.failure : EXIT_CODE_DONE;
  } finally {
    view.close();
    release();
  }
}

const EXIT_CODE_DONE = 0;

export interface QueueWork {
  readonly state: State;
  readonly settings: Settings;
  readonly engine: Engine;
  readonly bus: EventBus;
  readonly signal: AbortSignal;
}

/** Opens what a run needs (lock, engine, host) and works the queue; for `run` and `demo`. */
export async function workQueue(context: Context, work: QueueWork): Promise<RunSummary> {
  const [{ runQueue }, { connectEngine }, { openDockerHost }, { agentName }, { acquireLock }, repository] =
    await Promise.all([
      import('../../src/coordinator.ts'),
      import('../../src/sandbox/docker/connect.ts'),
      import('../../src/sandbox/docker/host.ts'),
      import('../../src/sandbox/docker/names.ts'),
      import('../../src/tasks/lock.ts'),
      context.repository(),
    ]);
  const { state, settings } = work;
  const lock = acquireLock(state.directory, {
    pid: process.pid,
    startedAt: new Date().toISOString(),
    command: 'orchestrate run',
  });
  if ('heldBy' in lock) {
    throw environmentError(
      'ALREADY_RUNNING',
      `another run works on this repository (process ${lock.heldBy?.pid ?? 'unknown'})`,
      {
        hint: 'follow it with: orchestrate status --watch',
      },
    );
  }
  try {
    const docker = await connectEngine(context.env);
    const { installation } = state;
    return await runQueue(
      {
        repository,
        state,
        bus: work.bus,
        onProgress: (line) => context.note(line),
        containerName: (task, n) => agentName(installation, task, n),
        openHost: (services) =>
          openDockerHost({
            name: 'local',
            docker,
            installation,
            image: settings.image,
            objectFormat: repository.objectFormat,
            ...services,
          }),
      },
      {
        maxAgents: settings.maxAgents,
        engine: work.engine,
        bounds: { limits: settings.limits, timeoutMs: settings.timeoutMs },
        ...(settings.base === null ? {} : { baseRef: settings.base }),
        includeDirty: settings.includeDirty,
        signal: work.signal,
        pid: process.pid,
      },
    );
  } finally {
    lock.release();
  }
}

async function engineOf(settings: Settings): Promise<Engine> {
  const chosen = settings.engine;
  if (chosen === null) {
    throw environmentError('NO_ENGINE', 'no engine was chosen', {
      hint: "name one: --engine-command '<command>' runs any program as the agent, --engine demo the scripted one",
    });
  }
  if (chosen.command !== null) {
    const { commandEngine } = await import('../../src/engine/command.ts');
    return commandEngine(chosen.name, chosen.command);
  }
  const { demoEngine } = await import('../../src/engine/demo.ts');
  return demoEngine;
}

async function viewOf(context: Context, bus: EventBus): Promise<{ close(): void }> {
  if (context.json) {
    const { createJsonLines } = await import('../render/json-lines.ts');
    return createJsonLines(bus, context.out);
  }
  const { createLiveView } = await import('../render/live.ts');
  return createLiveView(bus, context.out, {
    tty: context.out.isTTY === true && !context.quiet,
    verbose: context.verbose,
  });
}

/** The first Ctrl-C (or SIGTERM) stops the agents and salvages their work; the second gives up at once. */
function onInterrupt(context: Context, interruption: AbortController): () => void {
  const onSignal = (): void => {
    if (interruption.signal.aborted) process.exit(EXIT_CODES.interrupted);
    context.warn('stopping the agents and keeping their work; once more to leave at once');
    interruption.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return () => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
}

function ending(summary: RunSummary): string {
  const parts = [`${summary.succeeded} succeeded`, `${summary.failed} failed`];
  if (summary.blocked > 0) parts.push(`${summary.blocked} blocked`);
  return `${parts.join(', ')}. Look at the results with: orchestrate patch list`;
}

function blockedLine(count: number): string {
  return `${count} ${count === 1 ? 'task is' : 'tasks are'} blocked and none can start; see: orchestrate status`;
}

function dryRun(context: Context, settings: Settings, waiting: ReturnType<State['tasks']>): number {
  const { limits } = settings;
  if (context.json) {
    context.printJson({
      tasks: waiting.map(({ id, title, agent, priority, phase }) => ({ id, title, agent, priority, phase })),
      engine: settings.engine?.name ?? null,
      maxAgents: settings.maxAgents,
      host: 'local',
      image: settings.image,
      timeoutMs: settings.timeoutMs,
      limits,
    });
    return EXIT_CODE_DONE;
  }
  const lines = [
    `${waiting.length} ${waiting.length === 1 ? 'task' : 'tasks'}, ${settings.maxAgents} at once, on the local Docker engine`,
    `engine ${settings.engine?.name ?? '(none chosen)'}, image ${settings.image ?? 'orchestrate-agent'}, time-out ${formatDuration(settings.timeoutMs)}`,
    `per sandbox: memory ${formatSize(limits.memoryBytes)}, ${limits.cpus} CPUs, ${limits.pids} processes, disk ${formatSize(limits.diskBytes)}, no network`,
    ...waiting.map((task) => `  phase ${task.phase}  ${task.priority.padEnd(6)}  ${task.id}`),
  ];
  context.print(`${lines.join('\n')}\n`);
  return EXIT_CODE_DONE;
}
