/** What failed, grouped by its cause. Pure. */

import type { AttemptRecord, TaskSummary } from '../state/records.ts';
import type { AttemptId, AttemptOutcome, TaskId } from '../types.ts';
import type { HostOf } from './hosts.ts';
import { type Listed, listed, oneLine } from './words.ts';

export interface Failure {
  readonly outcome: AttemptOutcome;
  /** Code of the fault around the agent, the same of all; null: what the agent did was the end. */
  readonly fault: string | null;
  /** As the example has it. */
  readonly reason: string | null;
  /** Attempts that ended so. */
  readonly attempts: number;
  /** Where those ran; empty: where all attempts did. */
  readonly hosts: Listed<string>;
  /** Their tasks that have not succeeded since: what is still to be done. */
  readonly open: Listed<TaskId>;
  /** Tasks that failed so, and succeeded or are tried again. */
  readonly settled: number;
  /** The newest. */
  readonly example: AttemptId;
  readonly engine: string;
  /** The end of the example's transcript; empty where there is none. */
  readonly lastLines: readonly string[];
  /** What to type. */
  readonly commands: readonly string[];
}

const MOST_CAUSES = 20;
const MOST_TASKS = 12;
const MOST_HOSTS = 6;

/** The most frequent cause first; those with something to do before those without. Without the last lines. */
export function failuresOf(
  attempts: readonly AttemptRecord[],
  tasks: ReadonlyMap<TaskId, TaskSummary>,
  hostOf: HostOf,
): Listed<Failure> {
  const causes = new Map<string, AttemptRecord[]>();
  for (const attempt of attempts) {
    const { outcome } = attempt;
    if (outcome === null || outcome === 'succeeded' || outcome === 'no-changes') continue;
    // However a fault was put into words, it is one.
    const cause = `${outcome} ${attempt.fault ?? causeOf(attempt)}`;
    const known = causes.get(cause);
    if (known === undefined) causes.set(cause, [attempt]);
    else known.push(attempt);
  }
  const failures = [...causes.values()].map((alike) => failureOf(alike, tasks, hostOf)).filter((one) => one !== null);
  const openOf = ({ open }: Failure): number => open.items.length + open.leftOut;
  failures.sort((a, b) => openOf(b) - openOf(a) || b.attempts - a.attempts);
  return listed(failures, MOST_CAUSES);
}

function failureOf(
  alike: readonly AttemptRecord[],
  tasks: ReadonlyMap<TaskId, TaskSummary>,
  hostOf: HostOf,
): Failure | null {
  const ids = [...new Set(alike.map(({ task }) => task))];
  const open = ids.filter((id) => isOpen(tasks.get(id)));
  const example = alike.findLast(({ task }) => isOpen(tasks.get(task))) ?? alike.at(-1);
  if (example === undefined || example.outcome === null) return null;
  return {
    outcome: example.outcome,
    fault: example.fault === null ? null : oneLine(example.fault, 60),
    reason: example.reason === null ? null : oneLine(example.reason),
    attempts: alike.length,
    hosts: listed([...new Set(alike.flatMap((attempt) => hostOf(attempt) ?? []))], MOST_HOSTS),
    open: listed(open, MOST_TASKS),
    settled: ids.length - open.length,
    example: example.id,
    engine: oneLine(example.engine, 60),
    lastLines: [],
    commands: [`orchestrate logs ${example.id}`, ...open.slice(0, 1).map((id) => `orchestrate retry ${id}`)],
  };
}

function isOpen(task: TaskSummary | undefined): boolean {
  return task?.state === 'failed' || task?.state === 'cancelled';
}

/** The reason without what differs from task to task: names, numbers, times, ids. */
function causeOf({ reason, task }: AttemptRecord): string {
  return (
    (reason ?? '')
      .slice(0, 500)
      // An id has letters, digits and hyphens alone; one as short as `a` is a part of many words.
      .replace(new RegExp(`(?<![\\w-])${task}(?![\\w-])`, 'g'), '<task>')
      .replace(/\b[0-9a-f]{7,64}\b/gi, '<id>')
      .replace(/\d[\d.,:TZ-]*/g, '<n>')
      .replace(/\s+/g, ' ')
      .toLowerCase()
  );
}
