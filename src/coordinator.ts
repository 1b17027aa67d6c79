/** One `orchestrate run`, read like a sentence: base → hosts → gateways → queue → end. What happens to the queue is in tasks/run.ts. */

import { setTimeout as pause } from 'node:timers/promises';
import { ulid } from 'ulid';
import type { EventBus } from './events.ts';
import { resolveBase } from './git/base.ts';
import { type Outgoing, outgoing } from './git/outgoing.ts';
import { removeQuarantines } from './git/private-dir.ts';
import { slotsOf } from './sandbox/docker/hosts.ts';
import type { SandboxHost } from './sandbox/sandbox.ts';
import { BudgetSlices } from './tasks/budget-slices.ts';
import { capReached, carriedOver, NOTHING_SPENT } from './tasks/carry-over.ts';
import { CLOCK, deadlineOf } from './tasks/deadline.ts';
import { exitCodeOf, exitCodeOfFault } from './tasks/exit-code.ts';
import { openRunGateway } from './tasks/gateway.ts';
import { type HostSource, Hosts } from './tasks/hosts.ts';
import { leftBehind } from './tasks/left-behind.ts';
import type { Placement } from './tasks/placement.ts';
import { dropOld } from './tasks/retention.ts';
import { Run } from './tasks/run.ts';
import type { RunEnvironment, RunOptions, RunSummary } from './tasks/run-parts.ts';
import type { AttemptId, RunId, Spent } from './types.ts';

export type { RunOptions, RunSummary } from './tasks/run-parts.ts';

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

/** Where agents may run. */
export interface RunHost extends HostSource {
  open(services: HostServices): Promise<SandboxHost>;
}

/** Hosts of which somebody else chooses for each attempt. */
export interface PlacedHosts {
  /** At least one. */
  readonly hosts: readonly RunHost[];
  readonly placement: Placement;
  /** One that came later; null: there is none. */
  hostNamed(name: string): RunHost | null;
}

export interface CoordinatorParts extends RunEnvironment {
  /** At least one; or how they are found, by the run and the attempts of earlier ones that are still to be adopted. */
  readonly hosts: readonly RunHost[] | ((run: RunId, keep: readonly AttemptId[]) => Promise<PlacedHosts>);
  /** A host that none of these is and on which an earlier run has left agents; null: nobody knows it any more. Not given: as null. */
  otherHost?(name: string): RunHost | null;
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
  const spent = continued === null ? NOTHING_SPENT : state.spentByRun(continued.id);
  const trouble = { tell: (message: string): void => warn(bus, message) };
  const hosts = await beginHosts(parts, options, { id, spent, onWarning: (message) => trouble.tell(message) });
  const run = state.beginRun({
    id,
    pid: options.pid,
    base: base.commit,
    deadline: deadline?.at.toISOString() ?? null,
    continues: continued?.id ?? null,
    budgetUsd: options.gateway?.configuration.caps.usd ?? null,
    budgetTokens: options.gateway?.configuration.caps.tokens ?? null,
    isolation: hosts.isolation,
  });
  const usedUp = capReached(options.gateway?.configuration.caps, spent);
  const coordinator = new Run({ parts, options, run, base, hosts, deadline, usedUp });
  // From here on there is a timeline that it belongs to: who reads the report was not there.
  trouble.tell = (message) => coordinator.warn(message);
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
    hosts.giveUp();
    const disk = await diskOf(hosts);
    // One that has no end has left something in the engine: the next start looks after it.
    if (await closed(hosts, bus)) state.endRun(run.id);
    await dropOld(repository, state, new Date()).catch((error) => warn(bus, error));
    const reason = options.signal.aborted ? 'interrupted' : (fault ?? coordinator.endedBy);
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

interface RunStart {
  readonly id: RunId;
  /** By the run that this one goes on for. */
  readonly spent: Spent;
  /** Told what happens to its hosts. */
  onWarning(line: string): void;
}

/** Opens the hosts, and a gateway on each; at least one is there then. */
async function beginHosts(parts: CoordinatorParts, options: RunOptions, start: RunStart): Promise<Hosts<RunHost>> {
  const unended = parts.state.unendedAttempts();
  const left = new Set(unended.map(({ host }) => host));
  const found = parts.hosts;
  const placed =
    typeof found === 'function'
      ? await found(
          start.id,
          unended.map(({ id }) => id),
        )
      : null;
  const wanted = placed?.hosts ?? (typeof found === 'function' ? [] : found);
  const known = wanted.map(({ name }) => name);
  const others = [...left].filter((name) => !known.includes(name)).flatMap((name) => parts.otherHost?.(name) ?? []);
  const isAlone = placed === null && wanted.length + others.length === 1;
  const { gateway } = options;
  const reach = gateway && { ...gateway, configuration: { ...gateway.configuration, spent: start.spent } };
  // One cap over several gateways: each gets its part of it.
  const ledger = isAlone || reach === null ? null : new BudgetSlices(reach.configuration.caps, start.spent);
  const hosts = new Hosts<RunHost>({
    sources: [...wanted, ...others.map((other) => ({ ...other, slots: 0 }))],
    placement: placed?.placement ?? null,
    sourceNamed: (name) => placed?.hostNamed(name) ?? null,
    async open(source) {
      const host = await source.open(hostServices(parts, source.name, { ...start, history: options.history }));
      try {
        const gateway = reach && (await openRunGateway(host, reach, ledger && { ledger, name: source.name }));
        const room = isAlone ? Number.POSITIVE_INFINITY : slotsOf(host.capacity, options.bounds.limits);
        return { host, gateway, slots: source.slots ?? room };
      } catch (error) {
        await Promise.resolve(host[Symbol.asyncDispose]()).catch((failure) => warn(parts.bus, failure));
        throw error;
      }
    },
    async close({ host, gateway }) {
      await gateway?.[Symbol.asyncDispose]();
      await host[Symbol.asyncDispose]();
    },
    onLost: (name) => ledger?.lost(name),
    onProgress: (line) => parts.onProgress(line),
    onWarning: (line) => start.onWarning(line),
  });
  try {
    await hosts.begin(left);
    return hosts;
  } catch (error) {
    await closed(hosts, parts.bus);
    throw error;
  }
}

/** Null where the engine does not say at once: a run's end waits for nobody. */
async function diskOf(hosts: Hosts): Promise<{ freeBytes: number; totalBytes: number } | null> {
  const late = new AbortController();
  const found = await Promise.race([
    hosts.atWork[0]?.host.resources().catch(() => null) ?? null,
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
async function closed(hosts: Hosts, bus: EventBus): Promise<boolean> {
  try {
    await hosts[Symbol.asyncDispose]();
    return true;
  } catch (error) {
    warn(bus, error);
    return false;
  }
}

function warn(bus: EventBus, error: unknown): void {
  bus.emit({ type: 'warning', message: error instanceof Error ? error.message : String(error) });
}

function hostServices(
  parts: CoordinatorParts,
  name: string,
  { id: run, history, onWarning }: RunStart & { readonly history: number },
): HostServices {
  const { repository, state } = parts;
  return {
    run,
    // Its tree is written down right before an attempt starts: nothing of one without is wanted.
    keep: [...state.unendedAttempts(), ...leftBehind(state, name)]
      .filter(({ baseTree, host }) => baseTree !== null && host === name)
      .map((attempt) => attempt.id),
    ...outgoing(repository, history),
    onProgress: (line) => parts.onProgress(line),
    onWarning,
  };
}
