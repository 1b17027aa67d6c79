/** `merge`: flags and examples; the action is loaded when it runs. */

import type { Command } from 'commander';
import { type Act, examples } from './command-parts.ts';
import { collect, type SettingFlags, settingFlags } from './setting-flags.ts';

export function defineMergeCommand(program: Command, act: Act): void {
  program
    .command('merge')
    .summary('merge everything approved, through checks')
    .description(
      'Merge everything approved into the current branch, one commit for each task: merged in memory, checked as merged in ' +
        'a clean container, what makes a check fail set aside, and only then the branch moves. 1 is the exit code where ' +
        'something is set aside or in conflict.',
    )
    .option('--check <command>', 'must pass on the merged tree, instead of the configured ones (repeatable)', collect)
    .option('--into <branch>', 'another branch, which nobody has checked out; new from HEAD where there is none')
    .option('--dry-run', 'only say what would be merged, in which order, and what conflicts')
    .option('--resolve', 'queue a task for each conflict, whose result is reviewed like any other')
    .option('--image <name>', 'the environment of the checks (default: our own agent image)')
    .option('--dockerfile <file>', 'an image to build for it instead')
    .option('--setup <command>', 'what the checks start from, as agents do')
    .option('--setup-allow <host>', 'what --setup can reach, again for more (default: usual registries)', collect)
    .option('--timeout <duration>', 'of each check (default: 1h)')
    .option('--memory <size>', 'of each check (default: 4g)')
    .option('--cpus <n>', 'of each check (default: 2)')
    .option('--pids <n>', 'of each check (default: 2048)')
    .option('--disk <size>', 'of each check (default: 10g)')
    .option('--trust', "accept the repository's own orchestrate.yaml as it is now")
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
