/** What a person decides on a patch: stored at once, by compare-and-swap, and told. */

import { approvePatches, rejectPatches } from '../../src/review/decide.ts';
import { tellDecided } from '../render/decided.ts';
import type { Ground } from './ground.ts';
import type { Keyboard } from './keyboard.ts';
import type { Story } from './story.ts';
import { writtenText } from './written-text.ts';

/** What comes after a key: the same question, the story once more, or the next patch. */
export type Outcome = 'stay' | 'again' | 'decided';

export async function approve({ ground }: Deciding, { patch }: Story): Promise<Outcome> {
  tellDecided(ground.context, await approvePatches(ground, [patch.id], 'person'), 'approved');
  return 'decided';
}

export async function reject({ ground, keyboard }: Deciding, { patch }: Story): Promise<Outcome> {
  const reason = await writtenText(ground, keyboard, {
    question: 'Why? Enter: no reason, :e in your editor, Esc: back',
    editing: `Why ${patch.id} is rejected. Empty: it is rejected without a reason.`,
  });
  if (reason === null) return 'stay';
  const decided = await rejectPatches(ground, [patch.id], 'person', reason === '' ? null : reason);
  tellDecided(ground.context, decided, 'rejected');
  return 'decided';
}

export interface Deciding {
  readonly ground: Ground;
  readonly keyboard: Keyboard;
}
