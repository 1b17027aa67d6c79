/** One `orchestrate run`, read like a sentence: base → host → gateway → queue → end. What happens to the queue is in tasks/run.ts. */

import { setTimeout as pause } from 'node:timers/promises';
import { ulid } from 'ulid';
import type { EventBus } from './events.ts';
import { resolveBase } from './git/base.ts';
import { type Outgoing, outgoing } from './git/outgoing.ts';
import { removeQuarantines } from './git/private-dir.ts';
import type { SandboxHost } from './sandbox/sandbox.ts';
import { capReached, carriedOver, NOTHING_SPENT } from './tasks/carry-over.ts';
import { CLOCK, deadlineOf } from './tasks/deadline.ts';
import { exitCodeOf, exitCodeOfFault } from './tasks/exit-code.ts';
import { openRunGateway, type RunGateway } from './tasks/gateway.ts';
import { dropOld } from './tasks/retention.ts';
import { Run, type RunEnvironment, type RunOptions, type RunSummary } from './tasks/run.ts';
import type { AttemptId, RunId, Spent } from './types.ts';

export type { RunOptions, RunSummary } from './tasks/run.ts';

/** What a host asks of the coordinator while it is used. */
export interface HostServices extends Outgoing {
  readonly run: RunId;
  /** Attempts of an earlier run that are still to be adopted: what they left stays. */
  readonly keep: readonly AttemptId[];
  onProgress(line: string): void;
  onWarning(line: string): void;
}

/** For a look at the engine's disk at the end, milliseconds. */
const DISK_MS = 3000;

export interface CoordinatorParts extends RunEnvironment {
  openHost(services: HostServices): Promise<SandboxHost>;
  /** What this run is to be called; not given: a new name. */
  readonly id?: RunId | undefined;
}

/**
 * Works the queue to its end. The caller holds the repository's coordinator lock.
 * Rejects with an OrchestrateError when the run could not be done at all; a task's failure is in the summary.
 */
export async function runQueue(parts: CoordinatorParts, options: RunOptions): Promise<RunSummary> {
  const { repository, state, bus } = parts;
  const continued = state.cutOffRun();
  const deadline = options.end == null ? null : deadlineOf(options.end, continued, CLOCK);
  const base = await resolveBase(repository, {
    ...(options.baseRef === undefined ? {} : { ref: options.baseRef }),
    includeDirty: options.includeDirty,
  });
  await removeQuarantines(repository);
  const id = parts.id ?? (ulid() as RunId);
  const host = await parts.openHost(hostServices(parts, id, options.history));
  const spent = continued === null ? NOTHING_SPENT : state.spentByRun(continued.id);
  const gateway = await gatewayOn(host, options, spent).catch(async (error) => {
    await closed(host, bus);
    throw error;
  });
  const run = state.beginRun({
    id,
    pid: options.pid,
    base: base.commit,
    deadline: deadline?.at.toISOString() ?? null,
    continues: continued?.id ?? null,
    budgetUsd: options.gateway?.configuration.caps.usd ?? null,
    budgetTokens: options.gateway?.configuration.caps.tokens ?? null,
    isolation: host.isolation,
  });
  const usedUp = capReached(options.gateway?.configuration.caps, spent);
  const coordinator = new Run({ parts, options, run, base, host, gateway, deadline, usedUp });
  if (continued !== null) warn(bus, carriedOver({ continued, run, spent, deadline }));
  let exitCode = 0;
  let fault: string | null = null;
  try {
    const summary = await coordinator.work();
    exitCode = exitCodeOf(summary, options.signal.aborted);
    return summary;
  } catch (error) {
    exitCode = exitCodeOfFault(error);
    fault = firstLine(error);
    throw error;
  } finally {
    // Nothing is left that could wait for an engine that is away.
    host.giveUp();
    await gateway?.[Symbol.asyncDispose]();
    const disk = await diskOf(host);
    // One that has no end has left something in the engine: the next start looks after it.
    if (await closed(host, bus)) state.endRun(run.id);
    await dropOld(repository, state, new Date()).catch((error) => warn(bus, error));
    const reason = options.signal.aborted ? 'interrupted' : (fault ?? coordinator.tally.limit);
    const ended = {
      type: 'run.ended',
      run: run.id,
      ...coordinator.tally,
      reason,
      exitCode,
      ...(disk === null ? {} : { disk }),
    } as const;
    // The timeline tells one that ended from one that was cut off.
    state.appendEvent({ at: new Date().toISOString(), ...ended }, run.id);
    bus.emit(ended);
  }
}

async function gatewayOn(host: SandboxHost, { gateway }: RunOptions, spent: Spent): Promise<RunGateway | null> {
  if (gateway === null) return null;
  return openRunGateway(host, { ...gateway, configuration: { ...gateway.configuration, spent } });
}

/** Null where the engine does not say at once: a run's end waits for nobody. */
async function diskOf(host: SandboxHost): Promise<{ freeBytes: number; totalBytes: number } | null> {
  const late = new AbortController();
  const found = await Promise.race([
    host.resources().catch(() => null),
    pause(DISK_MS, null, { signal: late.signal }).catch(() => null),
  ]);
  late.abort();
  return found === null ? null : { freeBytes: found.disk.free, totalBytes: found.disk.total };
}

/** What follows may be what others printed. */
function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
}

/** False where the engine did not let us remove what the run needed. */
async function closed(host: SandboxHost, bus: EventBus): Promise<boolean> {
  try {
    await host[Symbol.asyncDispose]();
    return true;
  } catch (error) {
    warn(bus, error);
    return false;
  }
}

function warn(bus: EventBus, error: unknown): void {
  bus.emit({ type: 'warning', message: error instanceof Error ? error.message : String(error) });
}

function hostServices(parts: CoordinatorParts, run: RunId, history: number): HostServices {
  const { repository, bus } = parts;
  return {
    run,
    // Its tree is written down right before an attempt starts: nothing of one without is wanted.
    keep: parts.state
      .unendedAttempts()
      .filter((attempt) => attempt.baseTree !== null)
      .map((attempt) => attempt.id),
    ...outgoing(repository, history),
    onProgress: (line) => parts.onProgress(line),
    onWarning: (message) => bus.emit({ type: 'warning', message }),
  };
}
