/** What a decision about patches did, for people and as JSON. */

import type { Decided } from '../../src/review/decide.ts';
import { revealLine } from '../../src/sanitise.ts';
import type { PatchRecord } from '../../src/state/records.ts';
import { conflictsById } from '../conflicts.ts';
import type { Context } from '../context.ts';
import { patchJson } from './json.ts';
import { sizeOf } from './text.ts';

export type Verb = 'approved' | 'rejected' | 'amended';

/** `{"patches":[…],"alsoChanged":[…],"restacked":[{"patch","outcome","reason"}], …more}`, or a line for each. */
export async function tellDecided(context: Context, decided: Decided, verb: Verb, more: object = {}): Promise<void> {
  const { patches, unchanged, alsoChanged, restacked } = decided;
  if (context.json) {
    const conflicts = conflictsById((await context.readState())?.conflicts() ?? []);
    const json = (all: readonly PatchRecord[]) => all.map((patch) => patchJson(patch, conflicts.get(patch.id) ?? []));
    context.printJson({ patches: json(patches), alsoChanged: json(alsoChanged), restacked, ...more });
    return;
  }
  for (const patch of patches) {
    context.print(`${patch.id} ${unchanged.includes(patch.id) ? `is ${verb} already` : said(patch, verb)}\n`);
  }
  for (const { id, state, reason } of alsoChanged) {
    context.print(`${id} is ${state} now${reason === null ? '' : `: ${revealLine(reason)}`}\n`);
  }
  const told = new Set(alsoChanged.map(({ id }) => id));
  for (const { patch, reason } of restacked) {
    if (!told.has(patch)) context.print(`${patch}: ${revealLine(reason)}\n`);
  }
}

function said(patch: PatchRecord, verb: Verb): string {
  if (verb === 'amended') return `amended: ${sizeOf(patch.size)}, ${patch.state}`;
  if (verb === 'approved' && patch.original !== null) {
    return `approved as it is now: ${sizeOf(patch.size)} (what was left out: orchestrate patch show ${patch.id} --rejected)`;
  }
  return verb;
}
