/** `patch list`: every patch with size, flags, checks and what it will not merge with. */

import { nameSome } from '../../src/git/bytes.ts';
import { revealLine } from '../../src/sanitise.ts';
import type { PatchRecord } from '../../src/state/records.ts';
import type { AttemptId } from '../../src/types.ts';
import { conflictsById, updateConflicts } from '../conflicts.ts';
import type { Context } from '../context.ts';
import type { PatchListOptions } from '../options.ts';
import { isTold, verdictText } from '../render/checks.ts';
import { patchJson } from '../render/json.ts';
import { age, coloursOf, patchReason, sizeOf, tableOf } from '../render/text.ts';

export async function listPatches(context: Context, options: PatchListOptions): Promise<number> {
  await updateConflicts(context);
  const state = await context.readState();
  const conflicts = conflictsById(state?.conflicts() ?? []);
  const conflictsOf = ({ id }: PatchRecord): readonly AttemptId[] => conflicts.get(id) ?? [];
  const all = state?.patches() ?? [];
  const patches = options.status.length === 0 ? all : all.filter((patch) => options.status.includes(patch.state));
  if (context.json) {
    context.printJson({ patches: patches.map((patch) => patchJson(patch, conflictsOf(patch))) });
    return 0;
  }
  if (patches.length === 0) {
    context.print(all.length === 0 ? 'There are no patches yet.\n' : 'There are no such patches.\n');
    return 0;
  }
  const header = ['PATCH', 'STATE', 'SIZE', 'CHECKS', 'AGE', 'NOTES'];
  const [first = '', ...lines] = (
    await tableOf([header, ...patches.map((patch) => row(patch, conflictsOf(patch)))])
  ).split('\n');
  context.print(`${coloursOf(context.colour).bold(first)}\n${lines.join('\n')}`);
  return 0;
}

function row(patch: PatchRecord, conflictsWith: readonly AttemptId[]): string[] {
  const flags = [...new Set(patch.flags.map((flag) => flag.code))].join(', ');
  const notes = [
    flags === '' ? '' : `flags: ${revealLine(flags)}`,
    patch.original === null ? '' : 'amended',
    patch.checks.some(isTold) ? `output: orchestrate task ${patch.task}` : '',
    conflictsWith.length === 0 ? '' : `conflicts with ${nameSome(conflictsWith)}`,
    patchReason(patch),
    merged(patch),
  ];
  return [
    patch.id,
    patch.state,
    sizeOf(patch.size),
    verdictText(patch),
    age(Date.now() - Date.parse(patch.createdAt)),
    notes.filter((note) => note !== '').join('; '),
  ];
}

function merged(patch: PatchRecord): string {
  if (patch.mergedAs === null) return '';
  return `as ${patch.mergedAs.slice(0, 12)} in ${revealLine(patch.mergedInto ?? 'a detached HEAD')}`;
}
