/** Drafts of tasks become tasks of a plan: with keys, dependencies by key, and files that no two at once touch. Pure. */

import { sanitiseLine } from '../../sanitise.ts';
import { filesOverlap } from '../../tasks/overlap.ts';
import { idMaker } from '../../tasks/slug.ts';
import type { PlanTask } from '../plan.ts';
import { shortened } from './reading.ts';

export interface Draft extends Omit<PlanTask, 'key' | 'dependsOn'> {
  readonly id: string;
  /** Ids of drafts in front of it. */
  readonly after: readonly string[];
}

const LONGEST_TITLE = 150;

/** @param isTaken keys that must not be used */
export function arranged(drafts: readonly Draft[], isTaken: (key: string) => boolean = () => false): PlanTask[] {
  const keyFor = idMaker(isTaken);
  const keys = new Map<string, string>();
  const before = new Map<string, ReadonlySet<string>>();
  const tasks: PlanTask[] = [];
  for (const [at, { id, after, ...draft }] of drafts.entries()) {
    const title = shortened(sanitiseLine(draft.title), LONGEST_TITLE) || `Task ${at + 1}`;
    const key = keyFor(title, at + 1);
    keys.set(id, key);
    const dependsOn = [...new Set(after.flatMap((one) => keys.get(one) ?? []))];
    const all = new Set([...dependsOn, ...dependsOn.flatMap((one) => [...(before.get(one) ?? [])])]);
    before.set(key, all);
    // Who is not before it may run at the same time: what such a task has already is not guessed twice.
    const atOnce = tasks.filter((task) => task.files.length > 0 && !all.has(task.key));
    const files = [...new Set(draft.files)].filter((file) =>
      atOnce.every((task) => filesOverlap([file], task.files) === null),
    );
    tasks.push({ ...draft, key, title, dependsOn, files });
  }
  return tasks;
}
