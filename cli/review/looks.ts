/** What a person may look at before they decide, and try: nothing of it changes the patch. */

import { binaryDiffStream, diffStat } from '../../src/git/diff.ts';
import { reveal, sanitise } from '../../src/sanitise.ts';
import { transcriptText } from '../commands/logs.ts';
import { diffLines } from '../render/diff-lines.ts';
import { type Colours, coloursOf } from '../render/text.ts';
import type { Deciding, Outcome } from './decisions.ts';
import { page } from './pager.ts';
import type { Story } from './story.ts';
import { storyLines } from './story-lines.ts';

export async function view(deciding: Deciding, { patch }: Story): Promise<Outcome> {
  const { repository } = deciding.ground;
  return paged(deciding, (colours) => diffLines(binaryDiffStream(repository, patch.baseTree, patch.tree), colours));
}

export async function stat(deciding: Deciding, { patch }: Story): Promise<Outcome> {
  const text = reveal(await diffStat(deciding.ground.repository, patch.baseTree, patch.tree));
  return paged(deciding, () => once(text));
}

export async function wholeStory(deciding: Deciding, story: Story): Promise<Outcome> {
  const { width } = deciding.keyboard;
  return paged(deciding, (colours) =>
    once(`${storyLines(story, { width, colours, isWhole: true, place: null }).join('\n')}\n`),
  );
}

export async function transcript(deciding: Deciding, { attempt }: Story): Promise<Outcome> {
  return paged(deciding, () => transcriptText(deciding.ground.state, attempt));
}

export async function notes(deciding: Deciding, { patch }: Story): Promise<Outcome> {
  const left = deciding.ground.state.notes().filter(({ from }) => from?.attempt === patch.id);
  if (left.length === 0) {
    deciding.keyboard.print(`${patch.id} left no notes.\n`);
    return 'stay';
  }
  // Each line is framed: nothing that an agent wrote looks like what we say.
  const texts = left.map(({ id, kind, text }) => {
    const lines = sanitise(text).split('\n');
    return `${kind} ${id} of ${patch.id}\n${lines.map((line) => `  │ ${line}\n`).join('')}\n`;
  });
  return paged(deciding, () => once(texts.join('')));
}

export async function checkout({ ground, keyboard }: Deciding, { patch }: Story): Promise<Outcome> {
  keyboard.print('Into which new folder? Esc: back\n');
  const folder = (await keyboard.line('> '))?.trim() ?? '';
  if (folder === '') return 'stay';
  const { checkoutPatch } = await import('../commands/patch-checkout.ts');
  await checkoutPatch(ground.context, patch.id, folder);
  return 'stay';
}

export async function shell({ ground, keyboard }: Deciding, { patch }: Story): Promise<Outcome> {
  const { shell: open } = await import('../commands/shell.ts');
  await keyboard.lend(() => open(ground.context, null, { patch: patch.id, settings: {}, trust: false }));
  return 'stay';
}

/** Runs the checks of the settings on it. What they say is kept as of `patch check`. */
export async function check({ ground, keyboard }: Deciding, { patch }: Story): Promise<Outcome> {
  const { context, state } = ground;
  const { settings } = await keyboard.lend(() => context.settings({}, { trust: false }));
  const commands = [...new Set(settings.checks)];
  if (commands.length === 0) {
    keyboard.print(
      'No checks are configured. Put checks into orchestrate.yaml, or: orchestrate patch check --check …\n',
    );
    return 'stay';
  }
  keyboard.print('Running the checks; Ctrl-C ends them.\n');
  const isDone = await keyboard.working(async (signal) => {
    const { openChecker } = await import('../checking.ts');
    try {
      await using checking = await openChecker(context, settings, { command: 'orchestrate review', signal });
      const { id, tree, commit, baseTree } = patch;
      const records = await checking.checker.check({ name: id, tree, commit, near: baseTree }, commands, signal);
      state.addChecks(id, records);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    }
  });
  if (!isDone) keyboard.print('The checks were ended; nothing of them is kept.\n');
  return isDone ? 'again' : 'stay';
}

/** The text in the person's pager, with the terminal theirs meanwhile. */
export async function paged(
  { ground, keyboard }: Deciding,
  make: (colours: Colours) => AsyncIterable<string>,
): Promise<Outcome> {
  const { context, repository } = ground;
  const { in: input, out, err, env, colour } = context;
  const said = await keyboard.lend(() => page({ in: input, out, err, env, colour, repository }, make));
  if (said !== null) keyboard.print(`${sanitise(said)}\n`);
  return 'stay';
}

async function* once(text: string): AsyncGenerator<string> {
  yield text;
}

/** For lines that are shown beside the story. */
export function coloursIn({ ground }: Deciding): Colours {
  return coloursOf(ground.context.colour);
}
