/** `review`: the walk through patches on the terminal; with `--json`, their stories as data. */

import { EXIT_CODES, usageError } from '../../src/errors.ts';
import type { AttemptId } from '../../src/types.ts';
import type { Context } from '../context.ts';
import { patchOf, someState } from '../find.ts';
import { wrap } from '../render/fit.ts';
import { Ground } from '../review/ground.ts';
import { Keyboard, Left } from '../review/keyboard.ts';
import { ORDER_IN_WORDS } from '../review/order.ts';
import { storyJson } from '../review/story-json.ts';
import { summaryOf, Walk } from '../review/walk.ts';

/** Resolves to the exit code: 130 where the person or a signal broke it off; what was decided before stays so. */
export async function review(context: Context, typed: readonly string[]): Promise<number> {
  if (!context.json && !(context.in.isTTY && context.out.isTTY)) throw noTerminal();
  const known = await context.knownState();
  const named = [...new Set(typed.map((id) => patchOf(someState(known, id), id).id))];
  if (known === null || (named.length === 0 && known.patches().every(({ state }) => state !== 'pending'))) {
    if (context.json) context.printJson({ patches: [] });
    else context.print(`No patch waits for you.${othersIn(known)}\n`);
    return 0;
  }
  await using ground = await Ground.open(context);
  if (context.json) await ground.compared();
  const ids = named.length > 0 ? named : ground.waiting();
  if (context.json) {
    context.printJson({ patches: (await ground.stories(ids)).map(storyJson) });
    return 0;
  }
  return walk(ground, ids, named.length > 0);
}

async function walk(ground: Ground, ids: readonly AttemptId[], isNamed: boolean): Promise<number> {
  const { context } = ground;
  using keyboard = new Keyboard(context);
  if (!isNamed && ids.length > 1) {
    const order = wrap(`${ids.length} patches wait for you: ${ORDER_IN_WORDS}.`, keyboard.width);
    keyboard.print(`${order.join('\n')}\n`);
  }
  const walking = new Walk({ ground, keyboard }, ids, isNamed);
  const left = await walking.run().then(
    () => null,
    (error: unknown) => {
      if (error instanceof Left) return error.how;
      throw error;
    },
  );
  context.print(`\n${summaryOf(walking.seen, ground.waiting().length)}`);
  return left === 'interrupted' ? EXIT_CODES.interrupted : 0;
}

/** Those that wait for something else than a first look. */
function othersIn(state: Awaited<ReturnType<Context['knownState']>>): string {
  const set = (state?.patches() ?? []).filter((patch) => patch.state === 'conflict' || patch.state === 'set-aside');
  if (set.length === 0) return '';
  return ` ${set.length} could not be merged: orchestrate review ${set.map(({ id }) => id).join(' ')}`;
}

function noTerminal(): Error {
  return usageError('NO_TERMINAL', 'review asks on a terminal, and this is none', {
    hint:
      'Without one: orchestrate review --json, patch list, patch show, patch approve (--only for parts), ' +
      'patch reject, patch request-changes, patch amend',
  });
}
