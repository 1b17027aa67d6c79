/** `merge`: flags and examples; the action is loaded when it runs. */

import type { Command } from 'commander';
import { type Act, examples } from './command-parts.ts';
import { type SettingFlags, settingFlags, withCheckFlags } from './setting-flags.ts';

export function defineMergeCommand(program: Command, act: Act): void {
  const command = program
    .command('merge')
    .summary('merge everything approved, through checks')
    .description(
      'Merge everything approved into the current branch, one commit for each task: merged in memory, checked as merged in ' +
        'a clean container, what makes a check fail set aside, and only then the branch moves. 1 is the exit code where ' +
        'something is set aside or in conflict.',
    )
    .option('--into <branch>', 'another branch, which nobody has checked out; new from HEAD where there is none')
    .option('--dry-run', 'only say what would be merged, in which order, and what conflicts')
    .option('--resolve', 'queue a task for each conflict, whose result is reviewed like any other');
  withCheckFlags(command)
    .addHelpText(
      'after',
      examples(['merge --dry-run', "merge --check 'npm test'", 'merge --into night', 'merge --resolve']),
    )
    .action(async ({ trust, into, dryRun, resolve, ...flags }: MergeFlags) => {
      const settings = settingFlags(flags);
      const { checkFlags } = await import('../src/config/load.ts');
      checkFlags(settings);
      const { merge } = await import('./commands/merge.ts');
      await act((context) =>
        merge(context, {
          into: into ?? null,
          dryRun: dryRun ?? false,
          resolve: resolve ?? false,
          settings,
          trust: trust ?? false,
        }),
      );
    });
}

type MergeFlags = SettingFlags & {
  readonly into?: string;
  readonly dryRun?: true;
  readonly resolve?: true;
  readonly trust?: true;
};
