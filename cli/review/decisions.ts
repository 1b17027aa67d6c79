/** What a person decides on a patch: stored at once, by compare-and-swap, and told. */

import { changedMeanwhile } from '../../src/review/amend.ts';
import { approvePatches, rejectPatches } from '../../src/review/decide.ts';
import { requestChanges } from '../../src/review/request-changes.ts';
import type { PatchRecord } from '../../src/state/records.ts';
import { tellDecided } from '../render/decided.ts';
import type { Ground } from './ground.ts';
import type { Keyboard } from './keyboard.ts';
import type { Story } from './story.ts';
import { type Question, writtenText } from './written-text.ts';

/** What comes after a key: the same question, the story once more, or the next patch. */
export type Outcome = 'stay' | 'again' | 'decided';

export async function approve({ ground }: Deciding, { patch }: Story): Promise<Outcome> {
  if (ground.isChanged(patch)) throw changedMeanwhile(patch);
  tellDecided(ground.context, await approvePatches(ground, [patch.id], 'person'), 'approved');
  return 'decided';
}

export async function reject(deciding: Deciding, { patch }: Story): Promise<Outcome> {
  const asked = {
    question: 'Why? Enter: no reason, :e in your editor, Esc: back',
    editing: `Why ${patch.id} is rejected. Empty: it is rejected without a reason.`,
  };
  return withText(deciding, patch, asked, async (reason) => {
    const { ground } = deciding;
    const decided = await rejectPatches(ground, [patch.id], 'person', reason === '' ? null : reason);
    tellDecided(ground.context, decided, 'rejected');
    return 'decided';
  });
}

export async function changes(deciding: Deciding, { patch }: Story): Promise<Outcome> {
  const asked = {
    question: 'What is to be changed? :e in your editor, Esc: back',
    editing: `What is to be changed in ${patch.id}. Empty: nothing is asked.`,
  };
  return withText(deciding, patch, asked, async (message) => {
    if (message === '') return 'stay';
    const { ground, keyboard } = deciding;
    const { task } = requestChanges(ground.state, patch, message);
    const { attempts } = ground.state.task(task);
    keyboard.print(`Changes requested of ${patch.id}: attempt ${attempts + 1} goes on with it.\n`);
    return 'decided';
  });
}

/** Asks for a text, which may take long, and acts only where nobody decided meanwhile. What was written is not lost. */
async function withText(
  { ground, keyboard }: Deciding,
  seen: PatchRecord,
  asked: Question,
  act: (text: string) => Promise<Outcome>,
): Promise<Outcome> {
  const text = await writtenText(ground, keyboard, asked);
  if (text === null) return 'stay';
  try {
    if (ground.isChanged(seen)) throw changedMeanwhile(seen);
    return await act(text);
  } catch (error) {
    if (text !== '') keyboard.print(`What you wrote:\n${text}\n`);
    throw error;
  }
}

export interface Deciding {
  readonly ground: Ground;
  readonly keyboard: Keyboard;
}
