/** The role of a task to be queued, and how it is told. */

import { checkRole } from '../src/roles/catalogue.ts';
import { chooseRole, type RoutedTask } from '../src/roles/router.ts';
import { revealLine } from '../src/sanitise.ts';
import type { NewTask } from '../src/state/records.ts';

/** The role that was named, checked (usage UNKNOWN_ROLE), or else the one that the task speaks for; with why. */
export function roleOf(task: RoutedTask, named: string | null): Pick<NewTask, 'agent' | 'routing'> {
  const explicit = named === null ? null : checkRole(named);
  const { role, reason } = chooseRole({ explicit, planned: null, task });
  return { agent: role, routing: reason };
}

/** `test-engineer (words: flaky)`; the role alone where nobody said why. */
export function roleText(task: Pick<NewTask, 'agent' | 'routing'>): string {
  return revealLine(task.routing == null ? task.agent : `${task.agent} (${task.routing})`);
}
