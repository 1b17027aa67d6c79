/** The walk through patches: story, question, answer. What is decided is stored before the next question is asked. */

import { OrchestrateError } from '../../src/errors.ts';
import { revealLine, sanitise } from '../../src/sanitise.ts';
import type { PatchRecord } from '../../src/state/records.ts';
import type { AttemptId } from '../../src/types.ts';
import { wrap } from '../render/fit.ts';
import { approve, changes, type Deciding, type Outcome, reject } from './decisions.ts';
import { edit } from './edit.ts';
import { actOf, helpLines, legendLines, PATCH_KEYS, type PatchAct, promptLine } from './keys.ts';
import { check, checkout, coloursIn, notes, shell, stat, transcript, view, wholeStory } from './looks.ts';
import { parts } from './parts-walk.ts';
import type { Story } from './story.ts';
import { storyLines } from './story-lines.ts';

type Move = 'next' | 'back' | 'quit' | 'again';

const ACTS: Readonly<Partial<Record<PatchAct, (deciding: Deciding, story: Story) => Promise<Outcome>>>> = {
  ...{ approve, reject, changes, parts, edit },
  ...{ view, stat, story: wholeStory, transcript, notes, checks: check, shell, checkout },
};

export class Walk {
  readonly #deciding: Deciding;
  readonly #ids: readonly AttemptId[];
  /** Whether the patches were named: then decided ones are shown as well. */
  readonly #isNamed: boolean;
  readonly #seen = new Set<AttemptId>();

  constructor(deciding: Deciding, ids: readonly AttemptId[], isNamed: boolean) {
    this.#deciding = deciding;
    this.#ids = ids;
    this.#isNamed = isNamed;
  }

  /** Until the person leaves or the last one is done. @throws Left */
  async run(): Promise<void> {
    const { keyboard } = this.#deciding;
    keyboard.print(`${legendLines(PATCH_KEYS, keyboard.width).join('\n')}\n`);
    let at = 0;
    for (let id = this.#ids[at]; id !== undefined; id = this.#ids[at]) {
      if (this.#passesOver(id)) {
        at += 1;
        continue;
      }
      const move = await this.#one(id, at);
      if (move === 'quit') return;
      if (move === 'next') at += 1;
      if (move === 'back') at = Math.max(0, at - 1);
    }
  }

  /** What was looked at, as it is now. */
  get seen(): readonly PatchRecord[] {
    return this.#ids.filter((id) => this.#seen.has(id)).map((id) => this.#deciding.ground.patch(id));
  }

  /** One that somebody else decided before its turn came needs nobody. */
  #passesOver(id: AttemptId): boolean {
    if (this.#isNamed || this.#seen.has(id)) return false;
    const { ground, keyboard } = this.#deciding;
    const { state } = ground.patch(id);
    if (state !== 'pending') keyboard.print(`\n${id} is ${state} by now: passed over.\n`);
    return state !== 'pending';
  }

  async #one(id: AttemptId, at: number): Promise<Move> {
    const { ground, keyboard } = this.#deciding;
    const story = await ground.story(id);
    this.#seen.add(id);
    const colours = coloursIn(this.#deciding);
    const place = `${at + 1} of ${this.#ids.length}`;
    const lines = storyLines(story, { width: keyboard.width, colours, isWhole: false, place });
    keyboard.print(`\n${lines.join('\n')}\n`);
    await keyboard.forget();
    for (;;) {
      const about = `(${at + 1}/${this.#ids.length}) ${id}`;
      const typed = await keyboard.key(promptLine(PATCH_KEYS, about, keyboard.width));
      const act = actOf(PATCH_KEYS, typed);
      if (act === 'quit' || act === 'next') return act;
      if (act === 'back') {
        if (at > 0) return act;
        keyboard.print('This is the first one.\n');
      } else if (act === 'help') keyboard.print(`${helpLines(PATCH_KEYS).join('\n')}\n`);
      else if (act === null) {
        if (typed !== '\r') keyboard.print('No key does that; ? lists them.\n');
      } else if (this.#changedElsewhere(story)) return 'again';
      else {
        const outcome = await this.#do(act, story);
        if (outcome === 'decided') return 'next';
        if (outcome === 'again') return 'again';
      }
    }
  }

  /** What fails is said, and the question asked again. */
  async #do(act: PatchAct, story: Story): Promise<Outcome> {
    const { keyboard } = this.#deciding;
    try {
      return (await ACTS[act]?.(this.#deciding, story)) ?? 'stay';
    } catch (error) {
      if (!(error instanceof OrchestrateError)) throw error;
      const hint = error.hint === undefined ? '' : `\n  ${error.hint}`;
      keyboard.print(`${wrap(sanitise(`${error.message}${hint}`), keyboard.width).join('\n')}\n`);
      return error.code === 'PATCH_CHANGED' ? 'again' : 'stay';
    }
  }

  #changedElsewhere({ patch }: Story): boolean {
    const { ground, keyboard } = this.#deciding;
    if (!ground.isChanged(patch)) return false;
    const now = ground.patch(patch.id);
    const reason = now.reason === null ? '' : ` (${revealLine(now.reason)})`;
    const what = now.state === patch.state ? 'is another patch' : `is ${now.state}${reason}`;
    keyboard.print(`${patch.id} ${what} since you saw it: somebody else changed it. Nothing was done; look again.\n`);
    return true;
  }
}

/** What came of it, and what to type next. */
export function summaryOf(seen: readonly PatchRecord[], waiting: number): string {
  const counts = new Map<string, number>();
  for (const { state } of seen) counts.set(state, (counts.get(state) ?? 0) + 1);
  const states = [...counts].map(([state, n]) => `${n} ${state}`).join(', ');
  const looked = seen.length === 0 ? 'Nothing was looked at' : `Looked at ${patches(seen.length)}: ${states}`;
  const left = waiting === 0 ? '' : ` ${patches(waiting)} ${waiting === 1 ? 'waits' : 'wait'} for you.`;
  const isApproved = counts.has('approved');
  const isAsked = counts.has('changes-requested');
  const next = [
    ...(isApproved ? ['orchestrate merge'] : []),
    ...(isAsked ? ['orchestrate run'] : []),
    ...(waiting > 0 ? ['orchestrate review'] : []),
  ];
  return `${looked}.${left}\n${next.length === 0 ? '' : `Next: ${next.join(', ')}\n`}`;
}

function patches(n: number): string {
  return `${n} ${n === 1 ? 'patch' : 'patches'}`;
}
