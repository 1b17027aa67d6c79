/** `review` and its alias `patch review`: the action is loaded when it runs. */

import type { Command } from 'commander';
import { type Act, examples } from './command-parts.ts';

export function defineReviewCommands(program: Command, act: Act): void {
  const patch = program.commands.find((command) => command.name() === 'patch');
  for (const parent of patch === undefined ? [program] : [program, patch]) {
    parent
      .command('review')
      .summary('walk through what waits for you')
      .description(
        'Walk pending patches on the terminal: what each is about, its diff, flags, checks and transcript; approve, reject, ' +
          'ask for changes, take parts. With --json: their stories as data, and nothing is asked.',
      )
      .argument('[patch...]', 'patches or tasks, also decided ones (default: all that are pending)')
      .addHelpText('after', examples(['review', 'review add-login', "review --json | jq '.patches[].story.title'"]))
      .action(async (ids: readonly string[]) => {
        const { review } = await import('./commands/review.ts');
        await act((context) => review(context, ids));
      });
  }
}
