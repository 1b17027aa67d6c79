/** The commands that make plans of goals and work them: flags and examples. */

import type { Command } from 'commander';
import { suggest } from '../src/config/suggest.ts';
import { usageError } from '../src/errors.ts';
import { type Act, examples } from './command-parts.ts';
import type { PlanOptions } from './options.ts';
import { type SettingFlags, settingFlags, withSettingFlags } from './setting-flags.ts';

type PlanningFlags = Pick<SettingFlags, (typeof PLANNING)[number]['name']> & {
  readonly yes?: true;
  readonly trust?: true;
};
type RunFlags = SettingFlags & { readonly trust?: true; readonly allowRedBase?: true };

/** The settings that say who plans, and with what. */
const PLANNING = [
  {
    name: 'engine',
    flag: '--engine <name>',
    what: 'who plans: api, claude, codex; demo and others: built-in patterns',
  },
  { name: 'model', flag: '--model <model>', what: "the planner's model (default: the engine's choice)" },
  { name: 'base', flag: '--base <ref>', what: 'the commit that the planner looks at (default: HEAD)' },
  { name: 'budgetUsd', flag: '--budget-usd <amount>', what: 'dollars that planning may cost at most' },
] as const;

/** For `plan` and `submit --decompose`. */
export function withPlanningFlags(command: Command): Command {
  for (const { flag, what } of PLANNING) command.option(flag, what);
  return command;
}

export function definePlanCommands(program: Command, act: Act): void {
  const plan = program
    .command('plan')
    .hook('preSubcommand', handFlagsOn)
    .summary('turn a goal into tasks, and talk about them first')
    .description(
      'Plan a goal: a first plan from a model (or from built-in patterns where there is none), then your work on it on the ' +
        'terminal, every change saved at once, then its tasks in the queue. Without a terminal it is saved as a draft.',
    )
    .argument('[goal...]', 'what is to be reached')
    .option('--file <file>', 'read the goal from a file, - for stdin')
    .hook('preSubcommand', handFlagsOn);
  withApproval(withPlanningFlags(plan))
    .addHelpText(
      'after',
      examples([
        'plan "Build a task management app with React frontend and FastAPI backend"',
        'plan "Add OAuth2 login" --yes && orchestrate run',
        'plan --file goal.md --engine claude',
        'plan list',
        'plan continue build-a-task',
        'plan export build-a-task > plan.yaml',
      ]),
    )
    .action(async (words: readonly string[], flags: PlanningFlags & { readonly file?: string }) => {
      const options = await planOptions(flags, flags.file ?? null);
      refuseMistyped(words, plan);
      const { plan: make } = await import('./commands/plan.ts');
      await act((context) => make(context, words.length === 0 ? null : words.join(' '), options));
    });
  defineList(plan, act, 'list');
  define(plan, 'show', '<plan>')
    .description('One plan by phases: what depends on what, what is wrong with it, and what was said about it.')
    .addHelpText('after', examples(['plan show add-oauth2', 'plan show add-oauth2 --json']))
    .action(async (id: string) => {
      const { showPlan } = await import('./commands/plan-show.ts');
      await act((context) => showPlan(context, id));
    });
  defineContinue(plan, act, 'continue');
  defineRun(plan, act, 'run');
  define(plan, 'export', '<plan>')
    .description('A plan as YAML, to be edited by hand and imported again.')
    .option('-o, --output <file>', 'write it there (default: stdout)')
    .addHelpText('after', examples(['plan export add-oauth2 --output plan.yaml']))
    .action(async (id: string, flags: { readonly output?: string }) => {
      const { exportPlan } = await import('./commands/plan-transfer.ts');
      await act((context) => exportPlan(context, id, flags.output ?? null));
    });
  define(plan, 'import', '<file>')
    .description('A plan from YAML, as a new draft; - reads stdin.')
    .addHelpText('after', examples(['plan import plan.yaml', 'plan import - < plan.yaml']))
    .action(async (file: string) => {
      const { importPlan } = await import('./commands/plan-transfer.ts');
      await act((context) => importPlan(context, file));
    });
  // As the system before this one called them.
  defineList(program, act, 'plan-list', { hidden: true });
  defineContinue(program, act, 'plan-continue', { hidden: true });
  defineRun(program, act, 'execute-plan', { hidden: true });
}

const SUMMARIES: Readonly<Record<string, string>> = {
  list: 'all plans',
  show: 'one plan by phases',
  continue: 'go on with a draft on the terminal',
  run: 'queue its tasks and work them',
  export: 'as YAML, to edit by hand',
  import: 'from YAML',
};

function define(parent: Command, name: string, argument: string): Command {
  return parent
    .command(name)
    .summary(SUMMARIES[name] ?? '')
    .argument(argument, argument === '<plan>' ? 'its id, or the beginning of it' : '');
}

interface Named {
  readonly hidden?: boolean;
}

function defineList(parent: Command, act: Act, name: string, how: Named = {}): void {
  parent
    .command(name, how)
    .summary('all plans')
    .description('All plans, the one that was changed last in front.')
    .addHelpText('after', examples(['plan list', 'plan list --json']))
    .action(async () => {
      const { listPlans } = await import('./commands/plan-list.ts');
      await act((context) => listPlans(context));
    });
}

function defineContinue(parent: Command, act: Act, name: string, how: Named = {}): void {
  const command = parent
    .command(name, how)
    .summary('go on with a draft on the terminal')
    .description('Go on with a draft where it was left, down to the line that was half typed.')
    .argument('<plan>', 'its id, or the beginning of it');
  withApproval(withPlanningFlags(command))
    .addHelpText('after', examples(['plan continue add-oauth2', 'plan continue add-oauth2 --yes']))
    .action(async (id: string, flags: PlanningFlags) => {
      const options = await planOptions(flags, null);
      const { continuePlan } = await import('./commands/plan.ts');
      await act((context) => continuePlan(context, id, options));
    });
}

function defineRun(parent: Command, act: Act, name: string, how: Named = {}): void {
  const command = parent
    .command(name, how)
    .summary('queue its tasks and work them')
    .description("Approve a plan if it is a draft, and work its tasks; the queue's other tasks wait.")
    .argument('<plan>', 'its id, or the beginning of it');
  withSettingFlags(command)
    .option('--trust', "accept the repository's own orchestrate.yaml as it is now")
    .option('--allow-red-base', 'with --for, --until: start although a check fails on the base')
    .addHelpText('after', examples(['plan run add-oauth2', 'plan run add-oauth2 --engine claude --max-agents 5']))
    .action(async (id: string, flags: RunFlags) => {
      const settings = await checked(settingFlags(flags));
      const { runPlan } = await import('./commands/plan-run.ts');
      const { trust = false, allowRedBase = false } = flags;
      await act((context) => runPlan(context, id, { settings, trust, allowRedBase }));
    });
}

function withApproval(command: Command): Command {
  return command
    .option('--yes', 'approve the plan as it is: its tasks are queued')
    .option('--trust', "accept the repository's own orchestrate.yaml as it is now");
}

async function planOptions(flags: PlanningFlags, file: string | null): Promise<PlanOptions> {
  const settings = await checked(settingFlags(flags));
  return { file, yes: flags.yes ?? false, settings, trust: flags.trust ?? false };
}

async function checked(settings: ReturnType<typeof settingFlags>): Promise<ReturnType<typeof settingFlags>> {
  const { checkFlags } = await import('../src/config/load.ts');
  checkFlags(settings);
  return settings;
}

/** What stands behind a sub-command and has the name of a flag of `plan` itself was taken for that. */
function handFlagsOn(plan: Command, command: Command): void {
  for (const option of plan.options) {
    const name = option.attributeName();
    if (plan.getOptionValueSource(name) !== 'cli') continue;
    if (!command.options.some(({ long }) => long === option.long)) {
      const hint = `orchestrate plan ${command.name()} --help`;
      throw usageError('BAD_USAGE', `unknown option '${option.long}'`, { hint });
    }
    command.setOptionValueWithSource(name, plan.getOptionValue(name), 'cli');
  }
}

/** One word that is nearly a sub-command is no goal, and neither is a sub-command with nothing behind it. */
function refuseMistyped(words: readonly string[], plan: Command): void {
  const [first = '', second] = words;
  // Not all languages put spaces between words.
  if (second !== undefined || !/^[a-z-]+$/i.test(first)) return;
  const names = plan.commands.map((command) => command.name());
  const near = names.find((name) => name.startsWith(first) || first.startsWith(name)) ?? suggest(first, names);
  const meant = near === null ? 'a goal has more than one word' : `did you mean plan ${near}?`;
  throw usageError('BAD_USAGE', `“${first}” is neither a goal nor a sub-command of plan`, { hint: meant });
}
