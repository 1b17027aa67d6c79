/** What a person decides on a patch: stored at once, by compare-and-swap, and told. */

import { approvePatches, type Decided, rejectPatches } from '../../src/review/decide.ts';
import { revealLine } from '../../src/sanitise.ts';
import type { Ground } from './ground.ts';
import type { Keyboard } from './keyboard.ts';
import type { Story } from './story.ts';
import { writtenText } from './written-text.ts';

/** What comes after a key: the same question, the story once more, or the next patch. */
export type Outcome = 'stay' | 'again' | 'decided';

export async function approve({ ground, keyboard }: Deciding, { patch }: Story): Promise<Outcome> {
  tell(keyboard, await approvePatches(ground, [patch.id], 'person'));
  return 'decided';
}

export async function reject({ ground, keyboard }: Deciding, { patch }: Story): Promise<Outcome> {
  const reason = await writtenText(ground, keyboard, {
    question: 'Why? Enter: no reason, :e in your editor, Esc: back',
    editing: `Why ${patch.id} is rejected. Empty: it is rejected without a reason.`,
  });
  if (reason === null) return 'stay';
  tell(keyboard, await rejectPatches(ground, [patch.id], 'person', reason === '' ? null : reason));
  return 'decided';
}

export interface Deciding {
  readonly ground: Ground;
  readonly keyboard: Keyboard;
}

/** What is different now. */
export function tell(keyboard: Keyboard, { patches, unchanged, alsoChanged, restacked }: Decided): void {
  const why = (reason: string | null): string => (reason === null ? '' : `: ${revealLine(reason)}`);
  const lines = [
    ...patches.map(({ id, state, reason }) =>
      unchanged.includes(id) ? `${id} is ${state} already` : `${id} is ${state}${why(reason)}`,
    ),
    ...alsoChanged.map(({ id, state, reason }) => `${id} is ${state} now${why(reason)}`),
    ...restacked
      .filter(({ outcome }) => outcome === 'redone')
      .map(({ patch, reason }) => `${patch} is done again: ${revealLine(reason)}`),
  ];
  keyboard.print(lines.map((line) => `${line}\n`).join(''));
}
