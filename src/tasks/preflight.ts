/** What is tried before a run is left alone: that the base passes its checks, that there is room, and what bounds the cost. */

import { GIBIBYTE } from '../config/sizes.ts';
import { environmentError, failure } from '../errors.ts';
import type { BaseCheck, EventBody, ExpectedCost, Readiness } from '../events.ts';
import { roughCost } from '../plan/estimate.ts';
import { lastLines, removeCheckLogs } from '../review/check-logs.ts';
import type { Checker } from '../review/checker.ts';
import { roomAt } from '../room.ts';
import type { BaseTree, HostResources, SandboxHost } from '../sandbox/sandbox.ts';
import { sanitiseLine } from '../sanitise.ts';
import type { CheckRecord, TaskRecord } from '../state/records.ts';
import type { AutoApproval, Caps, Limits, ModelApi, Price } from '../types.ts';
import type { Holds } from './holds.ts';

/** Holds that somebody has to see to; others pass by themselves. */
const NEED_ROOM: readonly string[] = ['disk', 'inodes', 'state'];
const LITTLE_FOR_STATE = 2 * GIBIBYTE;
/** Agents seldom need all that they may use; beyond this they will sooner or later be out of memory together. */
const OVERCOMMITTED = 1.5;
/** Of a red check's output, told with the refusal. */
const LAST_LINES = 12;
const LONGEST_LINE = 300;

export interface WantedPreflight {
  /** A check that fails on the base is a warning, and no reason not to start. */
  readonly allowRedBase: boolean;
  /** Of the model that does the work; null: not known. */
  readonly price: Price | null;
}

/** The run's means, and what it would do with them. */
export interface PreflightContext extends WantedPreflight {
  readonly host: Pick<SandboxHost, 'isolation' | 'resources'>;
  /** The state's folder. */
  readonly stateDir: string;
  readonly base: Pick<BaseTree, 'tree' | 'commit'>;
  readonly checker: Checker;
  /** Commands that must pass. */
  readonly checks: readonly string[];
  /** What is to be worked. */
  readonly tasks: readonly Pick<TaskRecord, 'size'>[];
  readonly maxAgents: number;
  readonly limits: Limits;
  /** Services that agents ask, whose keys were tried. */
  readonly keys: readonly ModelApi[];
  readonly budget: Caps;
  readonly attemptBudget: Caps;
  readonly deadline: string | null;
  /** Of the run that this one goes on for: what was checked then is not checked again. Null: there is none. */
  readonly earlier: Pick<Readiness, 'tree' | 'checks'> | null;
  readonly autoApprove: AutoApproval;
  readonly autoMerge: string | null;
  /** Aborted: nothing is to be started any more. */
  readonly signal: AbortSignal;
  emit(event: EventBody): void;
  /** One line for people. */
  onProgress(line: string): void;
}

/**
 * Whoever is about to leave makes room before; a run that goes on for one that was cut off has nobody to ask, and waits.
 * @throws environment DISK_TOO_SMALL where nothing would be started for want of disk
 */
export function requireRoom(holds: Pick<Holds, 'of'>): void {
  const reason = NEED_ROOM.map((cause) => holds.of(cause)).find((phrase) => phrase !== null);
  if (reason === undefined) return;
  throw environmentError('DISK_TOO_SMALL', `nothing would be started: ${reason}`, {
    hint: 'make room there; what earlier runs left: orchestrate cleanup',
  });
}

/**
 * Resolves when agents may start, which it tells by the event `run.ready`, or when the signal was aborted, silently. Rejects
 * with failure BASE_RED and what the checker rejects with: then nothing is to be started.
 */
export async function preflight(context: PreflightContext): Promise<void> {
  const { host, checks, keys, signal, emit } = context;
  if (signal.aborted) return;
  const resources = await host.resources();
  const freeBytes = await roomOf(context, resources);
  tellOfMemory(context, resources);
  const cost = expectedCost(context);
  const done = await checkBase(context).catch((error) => {
    if (signal.aborted) return null;
    throw error;
  });
  if (done === null || signal.aborted) return;
  emit({
    type: 'run.ready',
    isolation: host.isolation,
    tree: context.base.tree,
    keys,
    checks: done,
    freeBytes,
    memoryBytes: { agents: memoryOf(context), engine: resources.memory?.total ?? null },
    cost,
    deadline: context.deadline,
    results: { checks: checks.length, autoApprove: context.autoApprove, autoMerge: context.autoMerge },
  });
}

async function roomOf({ stateDir, maxAgents, limits, emit }: PreflightContext, { disk }: HostResources) {
  const state = await roomAt(stateDir);
  const free = { engine: disk.free, state: state.disk.free };
  const wanted = maxAgents * limits.diskBytes;
  if (free.engine < wanted) {
    const agents = `agents may write ${gibibytes(wanted)} together (--max-agents × --disk)`;
    emit({ type: 'warning', message: `${gibibytes(free.engine)} are free on the Docker engine's disk, and ${agents}` });
  }
  if (free.state < LITTLE_FOR_STATE) {
    const message = `only ${gibibytes(free.state)} are free where the state and all that agents say is kept: ${stateDir}`;
    emit({ type: 'warning', message });
  }
  return free;
}

function memoryOf({ maxAgents, limits }: PreflightContext): number {
  return maxAgents * limits.memoryBytes;
}

function tellOfMemory(context: PreflightContext, { memory }: HostResources): void {
  const wanted = memoryOf(context);
  if (memory === null || wanted <= memory.total * OVERCOMMITTED) return;
  const agents = `agents may use ${gibibytes(wanted)} of memory together (--max-agents × --memory)`;
  const message = `${agents}, and the Docker engine has ${gibibytes(memory.total)}: those that need it most will be ended`;
  context.emit({ type: 'warning', message });
}

function expectedCost({ keys, tasks, price, budget, attemptBudget, emit }: PreflightContext): ExpectedCost | null {
  if (keys.length === 0) return null;
  const estimate = price === null ? null : roughCost(tasks, price);
  if (budget.usd === null && budget.tokens === null) {
    const roughly = estimate === null ? 'what it will cost is not known' : `roughly ${dollars(estimate)}`;
    const most = attemptBudget.usd === null ? '' : `, at most $${attemptBudget.usd.toFixed(2)} for each attempt`;
    const message = `NO CEILING on the cost of this run (${roughly}${most}); --budget-usd sets one`;
    emit({ type: 'warning', message });
  }
  return { usd: budget.usd, tokens: budget.tokens, attemptUsd: attemptBudget.usd, estimate };
}

function dollars({ low, high }: { readonly low: number; readonly high: number }): string {
  return `$${low.toFixed(2)} to $${high.toFixed(2)} if nothing has to be done again`;
}

/** All of them, as they were tried on the same base; null: one is not known, or would have to be refused. */
function knownOf({ earlier, base, checks, allowRedBase }: PreflightContext): BaseCheck[] | null {
  if (earlier?.tree !== base.tree) return null;
  const known = checks.map((command) => earlier.checks.find((check) => check.command === command));
  const usable = known.filter((check) => check !== undefined && (allowRedBase || check.exitCode === 0));
  return usable.length === checks.length ? usable.flatMap((check) => check ?? []) : null;
}

/** What passed leaves no log; what did not keeps its own. */
async function checkBase(context: PreflightContext): Promise<BaseCheck[]> {
  const { checker, checks, base, stateDir, signal, emit, onProgress } = context;
  if (checks.length === 0) return [];
  const known = knownOf(context);
  if (known !== null) return known;
  onProgress(`checks on the base: ${checks.map(shortened).join(', ')}`);
  const { tree, commit } = base;
  const records = await checker.check({ name: 'base', tree, commit, near: null }, checks, signal);
  const red = records.filter(({ exitCode }) => exitCode !== 0);
  for (const { command } of records.filter(({ isFlaky }) => isFlaky)) {
    const message = `the check is flaky on the base, it failed and passed when it was run once more: ${shortened(command)}`;
    emit({ type: 'warning', message });
  }
  const passed = records.filter(({ exitCode }) => exitCode === 0);
  await removeCheckLogs(
    stateDir,
    passed.flatMap(({ log }) => log ?? []),
  );
  if (red.length > 0) await refuseOrTell(context, red);
  return records.map(({ command, exitCode, isFlaky, log }) => ({
    ...{ command, exitCode, flaky: isFlaky },
    log: exitCode === 0 ? null : log,
  }));
}

async function refuseOrTell(
  { allowRedBase, stateDir, emit }: PreflightContext,
  red: readonly CheckRecord[],
): Promise<void> {
  if (allowRedBase) {
    for (const { command, exitCode } of red) {
      const message = `the check fails on the base already (${exitCode}), which was allowed: ${shortened(command)}`;
      emit({ type: 'warning', message });
    }
    return;
  }
  const told = await Promise.all(red.map((record) => redText(stateDir, record)));
  throw failure('BASE_RED', told.flat().join('\n'), {
    hint: 'every patch would fail it as well: make the base pass, or start all the same with --allow-red-base',
  });
}

async function redText(stateDir: string, { command, exitCode, log }: CheckRecord): Promise<string[]> {
  const lines = log === null ? [] : await lastLines(stateDir, log, LAST_LINES);
  return [
    `the check fails on the base (${exitCode}): ${shortened(command)}`,
    ...lines.map((line) => `| ${sanitiseLine(line.slice(0, LONGEST_LINE))}`),
    ...(log === null ? [] : [`its whole output: ${stateDir}/${log}`]),
  ];
}

/** A command may be a whole script. */
function shortened(command: string): string {
  const [first = '', ...more] = command.trim().split('\n');
  return more.length === 0 && first.length <= 100 ? first : `${first.slice(0, 100)} …`;
}

function gibibytes(bytes: number): string {
  return `${(bytes / GIBIBYTE).toFixed(1)} GiB`;
}
