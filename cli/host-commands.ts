/** `host` and its sub-commands: flags and examples; the actions are loaded when they run. */

import type { Command } from 'commander';
import { type Act, examples } from './command-parts.ts';
import { collectFilled } from './setting-flags.ts';

interface AddFlags {
  readonly tls?: string;
  readonly slots?: string;
  readonly label?: readonly string[];
  readonly upstream?: string;
  /** False with `--no-check`. */
  readonly check: boolean;
}

interface CheckFlags {
  readonly memory?: string;
  readonly cpus?: string;
}

export function defineHostCommands(program: Command, act: Act): void {
  const host = program
    .command('host')
    .alias('hosts')
    .summary('other machines that agents run on')
    .description(
      'Docker engines on other machines, by a name of yours, for `run --host` and `run --on`. They are kept in your own ' +
        'settings. Agents there have what they have here: no network, no key.',
    )
    .addHelpText(
      'after',
      examples(['host add build-1 ssh://ops@build-1 --slots 4 --label gpu', 'host check', 'run --host build-1']),
    );
  host
    .command('add')
    .summary('name a host, once it has answered')
    .description(
      'Name a host in your own settings. ssh uses your keys, agent, configuration and known hosts and asks nothing; TCP is ' +
        'used with TLS alone. The host must answer first.',
    )
    .argument('<name>', 'lower case letters, digits and -')
    .argument('<url>', 'ssh://user@host[:port], tcp://host:2376, or context:NAME')
    .option('--tls <dir>', 'for tcp: the folder with ca.pem, cert.pem and key.pem')
    .option('--slots <n>', 'agents at once there (default: as many as its CPUs and memory hold)')
    .option('--label <label>', 'what run --on chooses by (repeatable)', collectFilled)
    .option('--upstream <who>', 'who connects to model services: coordinator (keys stay here), or direct')
    .option('--no-check', 'store it although nobody knows whether it answers')
    .addHelpText(
      'after',
      examples([
        'host add build-1 ssh://ops@build-1',
        'host add build-2 tcp://10.0.0.5:2376 --tls ~/certs/build-2 --label gpu',
        'host add night context:night --slots 8',
      ]),
    )
    .action(async (name: string, url: string, flags: AddFlags) => {
      const { addHost } = await import('./commands/host.ts');
      const { tls = null, slots = null, label: labels = [], upstream = null, check } = flags;
      await act((context) => addHost(context, { name, url, tls, slots, labels, upstream, check }));
    });
  host
    .command('list')
    .summary('the hosts that there are')
    .description('The hosts of the settings: where they are, agents at once, labels. Asks none of them.')
    .addHelpText('after', examples(['host list', "host list --json | jq -r '.hosts[].name'"]))
    .action(async () => {
      const { listHosts } = await import('./commands/host.ts');
      await act((context) => listHosts(context));
    });
  host
    .command('check')
    .summary('can agents run there?')
    .description(
      'Ask hosts what they are: reachable, version, size, slots, isolation, clock, certificates. Exit 3 if one cannot be used.',
    )
    .argument('[name...]', 'as for run --host; none: all of the settings, or the local engine where there are none')
    .option('--memory <size>', 'of one agent, for the slots (default: 4g)')
    .option('--cpus <n>', 'of one agent, for the slots (default: 2)')
    .addHelpText('after', examples(['host check', 'host check build-1 local --json']))
    .action(async (names: readonly string[], { memory, cpus }: CheckFlags) => {
      const settings = { ...(memory === undefined ? {} : { memory }), ...(cpus === undefined ? {} : { cpus }) };
      const { checkFlags } = await import('../src/config/load.ts');
      checkFlags(settings);
      const { checkHosts } = await import('./commands/host-check.ts');
      await act((context) => checkHosts(context, { names, settings }));
    });
  host
    .command('remove')
    .summary('forget a host')
    .description(
      'Take a host out of your own settings. What runs left there stays: orchestrate cleanup removes it before.',
    )
    .argument('<name>', 'its name')
    .addHelpText('after', examples(['host remove build-1']))
    .action(async (name: string) => {
      const { removeHost } = await import('./commands/host.ts');
      await act((context) => removeHost(context, name));
    });
}
