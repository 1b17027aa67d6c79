/** What the commands ask of the roles: a name that was typed, and what to say of them before a run. */

import type { WrittenFlags } from '../src/config/load.ts';
import type { Settings } from '../src/config/settings.ts';
import { OrchestrateError } from '../src/errors.ts';
import { ROLES, type Roles } from '../src/roles/catalogue.ts';
import type { Role } from '../src/roles/role.ts';
import type { Context } from './context.ts';

/**
 * The name of the role that was typed, as a task is queued with it.
 * Usage error UNKNOWN_ROLE. @param flags settings that were typed with it: the base says which roles the repository has
 */
export async function roleNamed(context: Context, name: string, flags: WrittenFlags): Promise<string> {
  // Those are there whatever lies over them; nothing has to be read for them.
  if (ROLES.some((role) => role === name)) return name;
  const [roles, { checkRole }] = await Promise.all([rolesNow(context, flags), import('../src/roles/catalogue.ts')]);
  return checkRole(roles, name).name;
}

/** The roles that a run with these flags would have; outside a repository those of the user. */
export async function rolesNow(context: Context, flags: WrittenFlags = {}): Promise<Roles> {
  const repository = await context.repository().catch((error) => {
    if (error instanceof OrchestrateError && error.kind === 'environment') return null;
    throw error;
  });
  if (repository === null) return context.roles(null);
  const { settings } = await context.settings(flags, { trust: false, ask: false });
  return context.roles(settings.base ?? 'HEAD');
}

export interface RunRoles {
  readonly roles: Roles;
  readonly settings: Settings;
  readonly engine: string;
  /** The roles of the tasks that the run may start. */
  readonly agents: ReadonlySet<string>;
}

/** Sentences on what a run's roles ask for and do not get. */
export async function roleWarnings({ roles, settings, engine, agents }: RunRoles): Promise<readonly string[]> {
  const { suggest } = await import('../src/config/suggest.ts');
  const names = [...roles.byName.keys()];
  const unknown = Object.keys(settings.roles).filter((name) => !roles.byName.has(name));
  const strangers = unknown.map((name) => {
    const meant = suggest(name, names);
    return `the settings name a role ${name} that is not there${meant === null ? '' : `; did you mean ${meant}?`}`;
  });
  if (engine !== 'codex') return strangers;
  const used = [...agents].flatMap((name) => roles.byName.get(name) ?? []);
  const bounded = used.filter(({ tools }) => tools !== null).map(({ name }) => name);
  const held =
    bounded.length === 0
      ? []
      : [`codex cannot be given tools one by one: ${bounded.join(', ')} is told its tools, and not held to them`];
  const { isClaudeModel } = await import('../src/engine/role-models.ts');
  const elsewhere = used.filter(
    ({ model, name }) => model !== null && settings.roles[name] === undefined && isClaudeModel(model),
  );
  const models = elsewhere.map(
    ({ name, model }) => `codex has no model ${model}, which the role ${name} asks for: it has the run's`,
  );
  return [...strangers, ...held, ...models];
}

/** Roles of tasks that are not over yet. */
export async function waitingRoles(context: Context): Promise<ReadonlySet<string>> {
  const over = ['succeeded', 'failed', 'cancelled'];
  const tasks = (await context.readState())?.tasks() ?? [];
  return new Set(tasks.filter(({ state }) => !over.includes(state)).map(({ agent }) => agent));
}

/** The tools of a role in a line. */
export function toolsText({ tools }: Role): string {
  if (tools === null) return 'all';
  return tools.length === 0 ? 'none' : tools.join(', ');
}
