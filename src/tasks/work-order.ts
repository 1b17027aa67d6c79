/** The order in which tasks are worked, as far as it can be told beforehand. Pure; src/state/queue.ts claims by the same rule. */

import { PRIORITIES, type Priority, type TaskId } from '../types.ts';

export interface Turn {
  readonly seq: number;
  readonly priority: Priority;
  readonly chain: number;
}

export interface Waiting extends Turn {
  readonly id: TaskId;
  readonly dependsOn: readonly TaskId[];
}

/** Which of two tasks that can start is started first: negative where it is `a`. */
export function byTurn(a: Turn, b: Turn): number {
  return PRIORITIES.indexOf(a.priority) - PRIORITIES.indexOf(b.priority) || b.chain - a.chain || a.seq - b.seq;
}

/** As one agent alone would work them, each after all that it depends on; what is not among `tasks` counts as done. */
export function inOrderOfWork<Task extends Waiting>(tasks: readonly Task[]): Task[] {
  const left = new Map(tasks.map((task) => [task.id, 0]));
  const above = new Map<TaskId, Task[]>();
  for (const task of tasks) {
    const below = task.dependsOn.filter((id) => left.has(id));
    left.set(task.id, below.length);
    for (const id of below) {
      const known = above.get(id);
      if (known === undefined) above.set(id, [task]);
      else known.push(task);
    }
  }
  // The next one last.
  const ready = tasks.filter((task) => left.get(task.id) === 0).sort((a, b) => byTurn(b, a));
  const order: Task[] = [];
  for (let task = ready.pop(); task !== undefined; task = ready.pop()) {
    order.push(task);
    for (const next of above.get(task.id) ?? []) {
      const missing = (left.get(next.id) ?? 0) - 1;
      left.set(next.id, missing);
      if (missing === 0) ready.splice(placeOf(next, ready), 0, next);
    }
  }
  return order;
}

/** Where `task` belongs among others of which the first to be started is the last. */
function placeOf(task: Turn, sorted: readonly Turn[]): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const other = sorted[middle];
    if (other !== undefined && byTurn(other, task) > 0) from = middle + 1;
    else to = middle;
  }
  return from;
}
