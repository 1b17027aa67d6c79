/** The built-in roles, by name. */

import { suggest } from '../config/suggest.ts';
import { usageError } from '../errors.ts';

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

/** The role of that name. Throws usage `UNKNOWN_ROLE` with the candidates. */
export function checkRole(name: string): RoleName {
  const role = ROLES.find((known) => known === name);
  if (role !== undefined) return role;
  const near = ROLES.filter((known) => name !== '' && known.startsWith(name.toLowerCase()));
  const meant = near.length === 1 ? (near[0] ?? null) : suggest(name, ROLES);
  const did = meant === null ? '' : `; did you mean ${meant}?`;
  throw usageError('UNKNOWN_ROLE', `there is no role "${name}"${did}`, { hint: `the roles are ${ROLES.join(', ')}` });
}
