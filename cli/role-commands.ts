/** `role` and its sub-commands: flags and examples; the actions are loaded when they run. */

import type { Command } from 'commander';
import { type Act, examples } from './command-parts.ts';

export function defineRoleCommands(program: Command, act: Act): void {
  const role = program
    .command('role')
    .summary('the specialists that do the tasks')
    .description(
      'The roles of agents: built in, from ~/.claude/agents, and from .claude/agents of the commit that a run starts from.',
    )
    .addHelpText('after', examples(['role list', 'role show security-engineer']));
  role
    .command('list')
    .description('The roles with tools, model and where they come from.')
    .addHelpText('after', examples(['role list', "role list --json | jq -r '.roles[].name'"]))
    .action(async () => {
      const { listRoles } = await import('./commands/role.ts');
      await act((context) => listRoles(context));
    });
  role
    .command('show')
    .description('One role in full, with the prompt that its agents get.')
    .argument('<role>', 'its name')
    .addHelpText('after', examples(['role show security-engineer', 'role show test-engineer --json']))
    .action(async (name: string) => {
      const { showRole } = await import('./commands/role.ts');
      await act((context) => showRole(context, name));
    });
}
