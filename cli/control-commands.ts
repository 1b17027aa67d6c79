/** The commands that steer a run from another terminal, and tasks after it: flags and examples. */

import type { Command } from 'commander';
import { type Act, examples } from './command-parts.ts';

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
        'Tasks that wait become cancelled. Waits up to 15 seconds for the end; exit 1 if something still runs then.',
    )
    .argument('[task...]', 'tasks; if one is not known, nothing is stopped')
    .option('--all', 'everything that runs or waits')
    .addHelpText('after', examples(['kill add-login', 'kill --all']))
    .action(async (ids: readonly string[], flags: { readonly all?: true }) => {
      const { kill } = await import('./commands/kill.ts');
      await act((context) => kill(context, ids, { all: flags.all ?? false }));
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
