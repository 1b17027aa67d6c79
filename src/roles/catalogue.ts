/** The roles there are, by name: the built-in ones, and what lies over them. Pure. */

import { suggest } from '../config/suggest.ts';
import { type OrchestrateError, usageError } from '../errors.ts';
import type { ParsedRole } from './parse.ts';
import { commonTools, type Role, type RoleSource, type RoleWarning } from './role.ts';

/** The built-in ones; each is a file of that name in `built-in/`. */
export const ROLES = [
  'backend-systems-engineer',
  'frontend-ui-engineer',
  'data-pipeline-engineer',
  'aws-cloud-architect',
  'ml-systems-architect',
  'data-science-analyst',
  'specifications-engineer',
  'data-architect-governance',
  'security-engineer',
  'test-engineer',
  'refactoring-specialist',
  'documentation-writer',
] as const;
export type RoleName = (typeof ROLES)[number];

/** The role of a task for which nobody named one: the broadest of them, at home in most code. */
export const DEFAULT_ROLE: RoleName = 'backend-systems-engineer';

/** What one source says. */
export interface RoleLayer {
  readonly source: RoleSource;
  readonly parsed: readonly ParsedRole[];
  /** Of the source as a whole. */
  readonly problems: readonly string[];
}

export interface Roles {
  readonly byName: ReadonlyMap<string, Role>;
  readonly warnings: readonly (RoleWarning & { readonly role: string | null })[];
  /** Why a file is no role, by the name that it would have had. */
  readonly refused: ReadonlyMap<string, string>;
}

/**
 * Lays each source over the ones before it. A file of the repository is no word of the user: what lies below it bounds its
 * tools. Where one source has a name twice, the first file counts.
 */
export function layered(layers: readonly RoleLayer[]): Roles {
  const byName = new Map<string, Role>();
  const refused = new Map<string, string>();
  const warnings: (RoleWarning & { role: string | null })[] = [];
  for (const { source, parsed, problems } of layers) {
    const own = new Map<string, Role>();
    for (const message of problems) warnings.push({ role: null, message, minor: false });
    for (const one of parsed) {
      if (one.role === null) {
        warnings.push({ role: one.name, message: `${one.reason}; ${consequence(byName, one.name)}`, minor: false });
        if (one.name !== null) refused.set(one.name, one.reason);
        continue;
      }
      const { role } = one;
      const twin = own.get(role.name);
      if (twin !== undefined) {
        const message = `${role.file}: the role ${role.name} is in ${twin.file} already, which counts`;
        warnings.push({ role: role.name, message, minor: false });
        continue;
      }
      const below = byName.get(role.name);
      const bounded = source === 'repository' && below !== undefined ? boundedBy(role, below) : role;
      const warned = one.warnings.map((warning) => ({ ...warning, role: role.name }));
      warnings.push(...warned, ...narrowed(role, bounded));
      own.set(role.name, bounded);
    }
    for (const [name, role] of own) byName.set(name, role);
  }
  return { byName, warnings, refused };
}

function boundedBy(role: Role, below: Role): Role {
  return { ...role, tools: commonTools(role.tools, below.tools) };
}

function narrowed(wanted: Role, given: Role): (RoleWarning & { role: string })[] {
  if (given.tools === null || wanted.tools?.length === given.tools.length) return [];
  const lost = wanted.tools?.filter((tool) => given.tools?.includes(tool) !== true) ?? null;
  const what = lost === null ? 'all tools' : lost.join(', ');
  const kept = given.tools.length === 0 ? 'none' : given.tools.join(', ');
  const message = `${wanted.file}: a repository cannot widen the role ${wanted.name}, which asks for ${what}; it has ${kept}`;
  return [{ role: wanted.name, message, minor: false }];
}

function consequence(byName: ReadonlyMap<string, Role>, name: string | null): string {
  const below = name === null ? undefined : byName.get(name);
  return below === undefined ? 'it is left out' : `the role ${below.name} stays as it is (${below.source})`;
}

/** The role of that name, as a person typed it. Throws usage `UNKNOWN_ROLE` with the candidates, or why its file is no role. */
export function checkRole({ byName, refused }: Roles, name: string): Role {
  const role = byName.get(name);
  if (role !== undefined) return role;
  const why = refused.get(name);
  if (why !== undefined) throw usageError('UNKNOWN_ROLE', `the role "${name}" cannot be used: ${why}`);
  const names = [...byName.keys()];
  const near = names.filter((known) => name !== '' && known.startsWith(name.toLowerCase()));
  const meant = near.length === 1 ? (near[0] ?? null) : suggest(name, names);
  const did = meant === null ? '' : `; did you mean ${meant}?`;
  throw usageError('UNKNOWN_ROLE', `there is no role "${name}"${did}`, { hint: `the roles are ${names.join(', ')}` });
}

/** The role of a task that was queued with it. Throws usage `UNKNOWN_ROLE` where it has gone since. */
export function roleOfTask({ byName, refused }: Roles, name: string): Role {
  const role = byName.get(name);
  if (role !== undefined) return role;
  throw gone(name, refused.get(name));
}

function gone(name: string, why: string | undefined): OrchestrateError {
  return usageError('UNKNOWN_ROLE', `there is no role ${name} any more${why === undefined ? '' : `: ${why}`}`);
}
