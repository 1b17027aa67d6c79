/** What waits for a person, what they should look at first in front, each with what to type. Pure. */

import { verdictOf } from '../review/verdict.ts';
import type { PatchRecord, TaskSummary } from '../state/records.ts';
import type { AttemptId, CheckVerdict, Flag, PatchSize, PatchState, TaskId } from '../types.ts';
import { type Listed, listed, oneLine } from './words.ts';

export interface Waiting {
  readonly patch: AttemptId;
  readonly task: TaskId;
  readonly title: string;
  readonly state: PatchState;
  readonly size: PatchSize;
  readonly checks: CheckVerdict;
  readonly flags: Listed<Flag>;
  readonly reason: string | null;
  readonly conflictsWith: Listed<AttemptId>;
  readonly command: string;
}

/** Tasks that wait for something that no run will do by itself. */
export interface Stuck {
  readonly task: TaskId;
  readonly title: string;
  readonly reason: string | null;
  readonly command: string;
}

/** In the order in which they are shown, what has flags before all. */
const ORDER: readonly PatchState[] = [
  'conflict',
  'set-aside',
  'pending',
  'changes-requested',
  'stale',
  'approved',
  'salvaged',
];
const MOST_PATCHES = 60;
const MOST_FLAGS = 8;
const MOST_CONFLICTS = 8;
const MOST_STUCK = 30;

/** `conflicts`: of each patch, those that it will not merge with. */
export function waitingOf(
  patches: readonly PatchRecord[],
  tasks: ReadonlyMap<TaskId, TaskSummary>,
  conflicts: ReadonlyMap<AttemptId, readonly AttemptId[]>,
): Listed<Waiting> {
  // In the order of attempts, so that a task's last one wins.
  const newest = [...new Map(patches.map((patch) => [patch.task, patch])).values()];
  const open = newest.filter((patch) => ORDER.includes(patch.state) && isForPerson(patch, tasks.get(patch.task)));
  open.sort((a, b) => rank(a) - rank(b));
  const { items, leftOut } = listed(open, MOST_PATCHES);
  return { items: items.map((patch) => waiting(patch, tasks.get(patch.task), conflicts.get(patch.id) ?? [])), leftOut };
}

/** What a later attempt has made up for, or will, asks for nobody. */
function isForPerson(patch: PatchRecord, task: TaskSummary | undefined): boolean {
  if (patch.state === 'salvaged') return task?.state === 'failed' || task?.state === 'cancelled';
  return task?.state !== 'running' && task?.state !== 'paused';
}

function rank({ state, flags }: PatchRecord): number {
  return ORDER.indexOf(state) + (flags.length > 0 ? 0 : ORDER.length);
}

function waiting(patch: PatchRecord, task: TaskSummary | undefined, others: readonly AttemptId[]): Waiting {
  const flags = listed(patch.flags, MOST_FLAGS);
  return {
    patch: patch.id,
    task: patch.task,
    title: oneLine(task?.title ?? patch.task, 120),
    state: patch.state,
    size: patch.size,
    checks: verdictOf(patch),
    flags: {
      items: flags.items.map(({ code, path, detail }) => ({ code, path: oneLine(path, 160), detail: oneLine(detail) })),
      leftOut: flags.leftOut,
    },
    reason: patch.reason === null ? null : oneLine(patch.reason),
    conflictsWith: listed(others, MOST_CONFLICTS),
    command: commandFor(patch),
  };
}

function commandFor({ id, task, state }: PatchRecord): string {
  switch (state) {
    case 'approved':
      return 'orchestrate merge';
    case 'conflict':
      return 'orchestrate merge --resolve';
    case 'stale':
      return `orchestrate retry ${task}`;
    case 'changes-requested':
      return 'orchestrate run';
    case 'salvaged':
      return `orchestrate retry ${task} --from-salvage`;
    default:
      return `orchestrate review ${id}`;
  }
}

export function stuckOf(tasks: readonly TaskSummary[]): Listed<Stuck> {
  const { items, leftOut } = listed(
    tasks.filter(({ state }) => state === 'blocked'),
    MOST_STUCK,
  );
  const stuck = items.map(({ id, title, reason }) => ({
    task: id,
    title: oneLine(title, 120),
    reason: reason === null ? null : oneLine(reason),
    command: `orchestrate task ${id}`,
  }));
  return { items: stuck, leftOut };
}
