/** The role of a task to be queued, and how it is told. */

import type { WrittenFlags } from '../src/config/load.ts';
import type { OwnRole } from '../src/roles/own-roles.ts';
import { chooseRole, type RoutedTask } from '../src/roles/router.ts';
import { revealLine } from '../src/sanitise.ts';
import type { NewTask } from '../src/state/records.ts';
import type { Context } from './context.ts';
import { roleNamed, rolesNow } from './roles.ts';

/** The role that was named (usage UNKNOWN_ROLE), or (null) the one that the task speaks for; with why. */
export type RoleOf = (task: RoutedTask, named: string | null) => Promise<Pick<NewTask, 'agent' | 'routing'>>;

/** @param flags settings that were typed with it: the base says which roles the repository has */
export function roleChooser(context: Context, flags: WrittenFlags = {}): RoleOf {
  let own: Promise<readonly OwnRole[]> | null = null;
  return async (task, named) => {
    const explicit = named === null ? null : await roleNamed(context, named, flags);
    if (explicit === null) own ??= ownRoles(context, flags);
    const { role, reason } = chooseRole({ explicit, planned: null, task, own: (await own) ?? [] });
    return { agent: role, routing: reason };
  };
}

/** Those that tables of words do not know. */
async function ownRoles(context: Context, flags: WrittenFlags): Promise<readonly OwnRole[]> {
  const { byName } = await rolesNow(context, flags);
  return [...byName.values()].filter(({ source }) => source !== 'built-in');
}

/** `test-engineer (words: flaky)`; the role alone where nobody said why. */
export function roleText(task: Pick<NewTask, 'agent' | 'routing'>): string {
  return revealLine(task.routing == null ? task.agent : `${task.agent} (${task.routing})`);
}
