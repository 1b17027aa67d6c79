/** The commands that steer a run from another terminal, and tasks after it: flags and examples. */

import type { Command } from 'commander';
import { type Act, examples } from './command-parts.ts';
import { type SettingFlags, settingFlags } from './setting-flags.ts';

type ShellFlags = Pick<SettingFlags, 'base' | 'includeDirty' | 'image' | 'dockerfile'> & {
  readonly patch?: string;
  readonly trust?: true;
};

export function defineControlCommands(program: Command, act: Act): void {
  program
    .command('agents')
    .summary('who is working on what now')
    .description('The agents at work: role, task, attempt, phase, host, since when, and the last line they printed.')
    .addHelpText('after', examples(['agents', "agents --json | jq '.agents[].lastLine'"]))
    .action(async () => {
      const { agents } = await import('./commands/agents.ts');
      await act((context) => agents(context));
    });
  program
    .command('kill')
    .summary('stop tasks')
    .description(
      'Stop the agents of these tasks (TERM, after 10 seconds KILL) and keep what they did as salvaged patches. ' +
        'Tasks that wait become cancelled. Waits up to 45 seconds for the end; exit 1 if something still runs then.',
    )
    .argument('[task...]', 'tasks; if one is not known, nothing is stopped')
    .option('--all', 'everything that runs or waits')
    .addHelpText('after', examples(['kill add-login', 'kill --all']))
    .action(async (ids: readonly string[], flags: { readonly all?: true }) => {
      const { kill } = await import('./commands/kill.ts');
      await act((context) => kill(context, ids, { all: flags.all ?? false }));
    });
  program
    .command('attach')
    .summary('look at the run that is at work')
    .description(
      'Look at the run that is at work, started with --detach or not: how it stands, then what happens, until it ends. ' +
        'Ends with the exit code of the run; q or Ctrl-C leaves it alone (exit 130). In a pipe: lines; --json: JSON Lines.',
    )
    .addHelpText('after', examples(['attach', 'attach --json | jq \'select(.type == "task.ended")\'']))
    .action(async () => {
      const { attach } = await import('./commands/attach.ts');
      await act((context) => attach(context));
    });
  program
    .command('stop')
    .summary('end the run that is at work')
    .description('End the run that is at work: nothing more is started, and agents at work may finish.')
    .option('--now', 'stop the agents as well and keep their work; their tasks wait for the next run')
    .addHelpText('after', examples(['stop', 'stop --now']))
    .action(async (flags: { readonly now?: true }) => {
      const { stop } = await import('./commands/stop.ts');
      await act((context) => stop(context, { now: flags.now ?? false }));
    });
  program
    .command('shell')
    .summary('a shell where the agents work')
    .description(
      'With a task: in the sandbox of its agent, which goes on working; what you change becomes part of its patch. ' +
        'Without: in a fresh sandbox, isolated like an agent, on the base or on a patch; what you change is thrown away. ' +
        'Where no terminal is, commands are read from the input. Ends with the exit code of the shell.',
    )
    .argument('[task]', 'a task whose agent is at work')
    .option('--patch <patch>', 'lay out the tree of this patch')
    .option('--base <ref>', 'lay out this (default: HEAD)')
    .option('--include-dirty', 'lay out the uncommitted changes too')
    .option('--image <image>', "instead of the agents' image")
    .option('--dockerfile <file>', 'build the image from this; its folder is the context')
    .option('--trust', "accept the repository's own orchestrate.yaml as it is now")
    .addHelpText(
      'after',
      examples([
        'shell',
        'shell add-login',
        'shell --patch add-login',
        "echo 'npm test' | orchestrate shell --patch add-login",
      ]),
    )
    .action(async (id: string | undefined, flags: ShellFlags) => {
      const settings = settingFlags(flags);
      const { checkFlags } = await import('../src/config/load.ts');
      checkFlags(settings);
      const { shell } = await import('./commands/shell.ts');
      await act((context) =>
        shell(context, id ?? null, { patch: flags.patch ?? null, settings, trust: flags.trust ?? false }),
      );
    });
  program
    .command('retry')
    .summary('try a task once more')
    .description('Queue a new attempt at a task that ended; what depends on it waits for that.')
    .argument('<task>', 'a task that succeeded, failed or was cancelled')
    .option('--from-salvage', 'go on with the work that its last attempt left')
    .addHelpText('after', examples(['retry add-login', 'retry add-login --from-salvage']))
    .action(async (id: string, flags: { readonly fromSalvage?: true }) => {
      const { retry } = await import('./commands/retry.ts');
      await act((context) => retry(context, id, { fromSalvage: flags.fromSalvage ?? false }));
    });
}
