/** `patch approve` and `patch reject`: a person's word on patches, all of them or none. */

import type { Bench } from '../../src/review/decide.ts';
import type { AttemptId } from '../../src/types.ts';
import type { Context } from '../context.ts';
import { patchOf, someState } from '../find.ts';
import { tellDecided } from '../render/decided.ts';

export async function approvePatches(context: Context, typed: readonly string[]): Promise<number> {
  const ids = idsOf(someState(await context.knownState(), typed[0] ?? ''), typed);
  const [{ approvePatches: approve }, bench] = await Promise.all([import('../../src/review/decide.ts'), open(context)]);
  const decided = await approve(bench, ids, 'person');
  await tellDecided(context, decided, 'approved');
  if (!context.json) context.print(`Next: orchestrate merge\n`);
  return 0;
}

export async function rejectPatches(
  context: Context,
  typed: readonly string[],
  reason: string | null,
): Promise<number> {
  const ids = idsOf(someState(await context.knownState(), typed[0] ?? ''), typed);
  const [{ rejectPatches: reject }, bench] = await Promise.all([import('../../src/review/decide.ts'), open(context)]);
  await tellDecided(context, await reject(bench, ids, 'person', reason), 'rejected');
  return 0;
}

/** What decisions are made on, opened for writing. */
export async function open(context: Context): Promise<Bench> {
  const [repository, state] = await Promise.all([context.repository(), context.state()]);
  return { repository, state };
}

function idsOf(state: Bench['state'], typed: readonly string[]): AttemptId[] {
  return [...new Set(typed.map((id) => patchOf(state, id).id))];
}
