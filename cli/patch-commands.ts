/** `patch` and its sub-commands: flags and examples; the actions are loaded when they run. */

import { type Command, Option } from 'commander';
import { PATCH_STATES, type PatchState } from '../src/types.ts';
import { type Act, collect, examples } from './command-parts.ts';
import { type SettingFlags, settingFlags, withCheckFlags } from './setting-flags.ts';

export function definePatchCommands(program: Command, act: Act): void {
  const patch = program
    .command('patch')
    .summary('look at results, decide, apply them')
    .description('List, show, try, approve, amend, reject, have changed and apply patches.')
    .addHelpText(
      'after',
      examples([
        'patch list --status pending',
        'patch show add-login',
        'patch approve add-login',
        'patch apply add-login',
      ]),
    );
  patch
    .command('list')
    .description('The patches with size, flags and checks.')
    .addOption(new Option('--status <state...>', 'only patches in these states').choices([...PATCH_STATES]))
    .addHelpText('after', examples(['patch list', 'patch list --status pending approved']))
    .action(async (flags: { readonly status?: readonly PatchState[] }) => {
      const { listPatches } = await import('./commands/patch-list.ts');
      await act((context) => listPatches(context, { status: flags.status ?? [] }));
    });
  patch
    .command('show')
    .description('The diff. Into a pipe or a file it is the exact patch that `git apply` takes.')
    .argument('<patch>', 'a patch or a task')
    .option('--stat', 'only the size of each file’s change')
    .option('--output <file>', 'write the exact patch to a file')
    .option('--hunks', 'file by file with the numbers of the hunks, for `patch approve --only`')
    .option('--rejected', 'what a person left out of it')
    .addHelpText(
      'after',
      examples(['patch show add-login', 'patch show add-login --stat', 'patch show add-login | git apply --check']),
    )
    .action(async (id: string, flags: ShowFlags) => {
      const { showPatch } = await import('./commands/patch-show.ts');
      const { stat = false, output = null, hunks = false, rejected = false } = flags;
      await act((context) => showPatch(context, id, { stat, output, hunks, rejected }));
    });
  patch
    .command('checkout')
    .description('The patched tree as plain files in a new folder, to try by hand.')
    .argument('<patch>', 'a patch or a task')
    .argument('<dir>', 'a folder that does not exist yet, or is empty')
    .addHelpText('after', examples(['patch checkout add-login /tmp/try-login']))
    .action(async (id: string, directory: string) => {
      const { checkoutPatch } = await import('./commands/patch-checkout.ts');
      await act((context) => checkoutPatch(context, id, directory));
    });
  const check = patch
    .command('check')
    .summary('run checks on patches now')
    .description('Run checks on patches now, each in a clean container; 1 is the exit code where one fails.')
    .argument('<patch...>', 'patches or tasks');
  withCheckFlags(check)
    .addHelpText('after', examples(['patch check add-login', "patch check add-login --check 'npm test'"]))
    .action(async (ids: readonly string[], { trust, ...flags }: SettingFlags & { readonly trust?: true }) => {
      const settings = settingFlags(flags);
      const { checkFlags } = await import('../src/config/load.ts');
      checkFlags(settings);
      const { checkPatches } = await import('./commands/patch-check.ts');
      await act((context) => checkPatches(context, ids, { settings, trust: trust ?? false }));
    });
  patch
    .command('approve')
    .description(
      'Say yes to patches, so that they can be applied. Of some files or hunks (`patch show --hunks` has their numbers) ' +
        'the rest is left out of the patch, which has to be checked anew.',
    )
    .argument('[patch...]', 'patches or tasks')
    .option('--only <path>', 'only this file, or these hunks of it: path:1,3-5 (repeatable)', collect, [])
    .option('--except <path>', 'all but this file, or these hunks of it (repeatable)', collect, [])
    .option('--all-passing', 'all pending ones that passed their checks and have nothing to be looked at')
    .addHelpText(
      'after',
      examples([
        'patch approve add-login',
        'patch approve add-login --only src/login.ts --only README.md:1,3-5',
        'patch approve add-login --except package.json',
        'patch approve --all-passing',
      ]),
    )
    .action(async (ids: readonly string[], flags: ApproveFlags) => {
      const { approve } = await import('./commands/patch-approve.ts');
      const { only, except, allPassing = false } = flags;
      await act((context) => approve(context, ids, { only, except, allPassing }));
    });
  patch
    .command('amend')
    .description('Put another patch in the place of one. What stands on it is merged onto that, or made anew.')
    .argument('<patch>', 'a patch or a task')
    .option('--file <file>', 'the patch that it becomes, against the same base; - for standard input')
    .option('--original', 'what the agent left, with all that was left out since')
    .addHelpText(
      'after',
      examples([
        'patch show add-login --output login.patch',
        'patch amend add-login --file login.patch',
        'patch amend add-login --original',
      ]),
    )
    .action(async (id: string, flags: { readonly file?: string; readonly original?: true }) => {
      const { amend } = await import('./commands/patch-amend.ts');
      await act((context) => amend(context, id, { file: flags.file ?? null, original: flags.original ?? false }));
    });
  patch
    .command('reject')
    .description('Say no to patches.')
    .argument('<patch...>', 'patches or tasks')
    .option('--reason <text>', 'why')
    .addHelpText('after', examples(['patch reject add-login --reason "needs no new dependency"']))
    .action(async (ids: readonly string[], flags: { readonly reason?: string }) => {
      const { rejectPatches } = await import('./commands/patch-decide.ts');
      await act((context) => rejectPatches(context, ids, flags.reason ?? null));
    });
  patch
    .command('request-changes')
    .description('Have a patch changed: its task is done once more, from the patch’s result, with what you say.')
    .argument('<patch>', 'a patch or a task')
    .option('-m, --message <text>', 'what is to be changed')
    .option('--file <file>', 'read the message from a file, - for stdin')
    .addHelpText(
      'after',
      examples([
        'patch request-changes add-login --message "use the existing session helper"',
        'patch request-changes add-login --file review.md',
      ]),
    )
    .action(async (id: string, flags: { readonly message?: string; readonly file?: string }) => {
      const { requestPatchChanges } = await import('./commands/patch-request-changes.ts');
      await act((context) =>
        requestPatchChanges(context, id, { message: flags.message ?? null, file: flags.file ?? null }),
      );
    });
  patch
    .command('apply')
    .description('Apply patches, now, on the current branch, each as a commit.')
    .argument('<patch...>', 'patches or tasks')
    .option('--branch <name>', 'on this branch, not the current one')
    .option('--no-commit', 'change index and work tree only')
    .option('--with-dependencies', 'apply what they stand on first')
    .option('--unreviewed', 'apply even what is not approved')
    .addHelpText(
      'after',
      examples([
        'patch apply add-login',
        'patch apply document-it --with-dependencies',
        'patch apply add-login --branch try',
      ]),
    )
    .action(async (ids: readonly string[], flags: ApplyFlags) => {
      const { apply } = await import('./commands/patch-apply.ts');
      await act((context) =>
        apply(context, ids, {
          branch: flags.branch ?? null,
          commit: flags.commit,
          withDependencies: flags.withDependencies ?? false,
          unreviewed: flags.unreviewed ?? false,
        }),
      );
    });
}

interface ShowFlags {
  readonly stat?: true;
  readonly output?: string;
  readonly hunks?: true;
  readonly rejected?: true;
}

interface ApproveFlags {
  readonly only: readonly string[];
  readonly except: readonly string[];
  readonly allPassing?: true;
}

interface ApplyFlags {
  readonly branch?: string;
  readonly commit: boolean;
  readonly withDependencies?: true;
  readonly unreviewed?: true;
}
