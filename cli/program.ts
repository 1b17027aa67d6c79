/** The commands and their flags. Every action is loaded only when its command runs. */

import { Command, CommanderError, Option } from 'commander';
import { OrchestrateError, usageError } from '../src/errors.ts';
import { PRIORITIES, type Priority } from '../src/types.ts';
import { type Act, type Action, collect, examples } from './command-parts.ts';
import type { GlobalFlags, Terminal } from './context.ts';
import { defineControlCommands } from './control-commands.ts';
import { defineHostCommands } from './host-commands.ts';
import { defineMergeCommand } from './merge-commands.ts';
import { defineNoteCommands } from './note-commands.ts';
import { definePatchCommands } from './patch-commands.ts';
import { definePlanCommands, withPlanningFlags } from './plan-commands.ts';
import { defineReviewCommands } from './review-commands.ts';
import { defineRoleCommands } from './role-commands.ts';
import { type SettingFlags, settingFlags, withSettingFlags } from './setting-flags.ts';
import { createContext } from './wire.ts';
import { asUsageError } from './wrong-usage.ts';

/**
 * Parses the arguments and runs the command. Returns the exit code; rejects with an OrchestrateError of kind usage
 * for wrong arguments, and with whatever the command fails with.
 */
export async function runProgram(argv: readonly string[], terminal: Terminal, version: string): Promise<number> {
  const program = new Command('orchestrate');
  let exitCode = 0;
  const act = async (action: Action): Promise<void> => {
    const context = createContext(terminal, globalFlags(program));
    try {
      exitCode = (await action(context)) ?? 0;
    } finally {
      context.close();
    }
  };
  defineGlobals(program, version, terminal);
  defineQueueCommands(program, act);
  definePlanCommands(program, act);
  defineRunCommands(program, act);
  defineLookCommands(program, act);
  defineControlCommands(program, act);
  definePatchCommands(program, act);
  defineReviewCommands(program, act);
  defineMergeCommand(program, act);
  defineRoleCommands(program, act);
  defineNoteCommands(program, act);
  defineHostCommands(program, act);
  defineCareCommands(program, act);
  try {
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw asUsageError(error);
  }
  return exitCode;
}

function defineGlobals(program: Command, version: string, terminal: Terminal): void {
  program
    .description(
      'Runs a team of AI coding agents, each in its own isolated container, and hands you exact patches to review.',
    )
    .option('--repo <dir>', 'work on the repository around this folder')
    .option('--json', 'print one JSON document on stdout (run, attach, logs: JSON Lines)')
    .option('--no-color', 'no colours')
    .option('-v, --verbose', 'say more')
    .option('-q, --quiet', 'say less')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .configureHelp({
      showGlobalOptions: true,
      // Else those of a command in between would be among them.
      visibleGlobalOptions: (command) => (command === program ? [] : [...program.options]),
      helpWidth: Math.min(terminal.out.columns ?? 100, 120),
    })
    .configureOutput({
      writeOut: (text) => void terminal.out.write(text),
      // Errors are printed once, by the entry.
      writeErr: () => {},
    })
    .exitOverride()
    .addHelpText(
      'after',
      examples([
        'demo',
        'submit "Add a health endpoint"',
        "run --engine-command './agent.sh'",
        'status',
        'patch show add-a-health-endpoint',
      ]),
    );
}

function globalFlags(program: Command): GlobalFlags {
  const flags = program.opts<{ repo?: string; json?: true; color: boolean; verbose?: true; quiet?: true }>();
  return {
    repo: flags.repo ?? null,
    json: flags.json ?? false,
    color: flags.color,
    verbose: flags.verbose ?? false,
    quiet: flags.quiet ?? false,
  };
}

function defineQueueCommands(program: Command, act: Act): void {
  const command = program
    .command('submit')
    .summary('queue a task')
    .description('Queue one task, many with --batch (all or none), or the tasks of a plan made of it with --decompose.')
    .argument('[description]', 'what to do')
    .option('-d, --decompose', 'plan it first and queue the tasks of the plan')
    .option('--title <title>', 'a short name (default: the first line of the description)')
    .option('--file <file>', 'read the description from a file, - for stdin')
    .option(
      '--batch <file>',
      'one task a line as JSON: {"title","description","agent","priority","dependsOn":[],"key"}',
    )
    .option('--agent <role>', 'the specialist that does it')
    .addOption(new Option('--priority <level>', 'how soon').choices([...PRIORITIES]).default('normal'))
    .option('--depends-on <task>', 'start only after this task (repeatable)', collect, [])
    .option('--dry-run', 'show what would be queued');
  withPlanningFlags(command)
    .addHelpText(
      'after',
      examples([
        'submit "Add a health endpoint"',
        'submit "Create an ETL pipeline from S3 to Snowflake" --decompose',
        'submit "Document it" --depends-on add-a-health-endpoint --agent documentation-writer',
        'submit --file goal.md --priority high',
        'submit --batch tasks.jsonl --dry-run',
      ]),
    )
    .action(async (description: string | undefined, flags: SubmitFlags) => {
      const settings = settingFlags(flags);
      const { checkFlags } = await import('../src/config/load.ts');
      checkFlags(settings);
      const { submit } = await import('./commands/submit.ts');
      await act((context) =>
        submit(context, {
          description: description ?? null,
          title: flags.title ?? null,
          file: flags.file ?? null,
          batch: flags.batch ?? null,
          agent: flags.agent ?? null,
          priority: flags.priority,
          dependsOn: flags.dependsOn,
          decompose: flags.decompose ?? false,
          settings,
          dryRun: flags.dryRun ?? false,
        }),
      );
    });
}

interface SubmitFlags extends Pick<SettingFlags, 'engine' | 'model' | 'base' | 'budgetUsd'> {
  readonly decompose?: true;
  readonly title?: string;
  readonly file?: string;
  readonly batch?: string;
  readonly agent?: string;
  readonly priority: Priority;
  readonly dependsOn: readonly string[];
  readonly dryRun?: true;
}

function defineRunCommands(program: Command, act: Act): void {
  const run = program
    .command('run')
    .summary('work the queue until it is empty')
    .description(
      'Work the queue until it is empty: each task in its own container, each result a patch to review. ' +
        'With a description, the short way: queue that one task, work it alone, show its patch, offer to apply it.',
    )
    .argument('[description]', 'what to do')
    .option('--agent <role>', 'the specialist for the described task');
  withSettingFlags(run)
    .option(
      '--detach',
      'leave it running: once agents can start, it goes on by itself, whatever becomes of this terminal',
    )
    .option('--dry-run', 'print what would run, where and with which limits')
    .option('--trust', "accept the repository's own orchestrate.yaml as it is now")
    .option('--allow-red-base', 'with --detach, --for, --until: start although a check fails on the base')
    .addHelpText(
      'after',
      examples([
        "run --engine-command './agent.sh'",
        `run "Fix the typo in the README" --engine-command './agent.sh'`,
        'run --engine demo --max-agents 2',
        'run --base main --timeout 30m --memory 2g',
        'run --detach --until 07:00',
        'run --dry-run',
      ]),
    )
    .action(async (description: string | undefined, flags: RunFlags) => {
      const settings = settingFlags(flags);
      const { checkFlags } = await import('../src/config/load.ts');
      checkFlags(settings);
      const { run: work } = await import('./commands/run.ts');
      await act((context) =>
        work(context, {
          description: description ?? null,
          agent: flags.agent ?? null,
          settings,
          dryRun: flags.dryRun ?? false,
          trust: flags.trust ?? false,
          detach: flags.detach ?? false,
          allowRedBase: flags.allowRedBase ?? false,
        }),
      );
    });
  program
    .command('demo')
    .summary('see it work in a sample repository')
    .description(
      'In a throw-away sample repository: three tasks in real containers with the scripted engine. No key needed.',
    )
    .addHelpText('after', examples(['demo']))
    .action(async () => {
      const { demo } = await import('./commands/demo.ts');
      await act((context) => demo(context, { directory: null }));
    });
}

type RunFlags = SettingFlags & {
  readonly agent?: string;
  readonly dryRun?: true;
  readonly trust?: true;
  readonly detach?: true;
  readonly allowRedBase?: true;
};

function defineLookCommands(program: Command, act: Act): void {
  program
    .command('status')
    .summary('tasks by state, and why they wait')
    .description('Tasks by state with agent, phase, host, age, cost, patch and why they wait.')
    .option('--watch', 'redraw every second; in a pipe: print changes')
    .addHelpText('after', examples(['status', 'status --watch', "status --json | jq '.counts'"]))
    .action(async (flags: { readonly watch?: true }) => {
      const { status } = await import('./commands/status.ts');
      await act((context) => status(context, { watch: flags.watch ?? false }));
    });
  program
    .command('task')
    .summary('one task in full')
    .description('One task: description, attempts, timeline, result, patch, and the next command to type.')
    .argument('<task>', 'its id, or the beginning of it')
    .addHelpText('after', examples(['task add-login', 'task add-login --json']))
    .action(async (id: string) => {
      const { task } = await import('./commands/task.ts');
      await act((context) => task(context, id));
    });
  program
    .command('logs')
    .summary("an agent's transcript")
    .description("What a task's agent printed, newest attempt first choice; escape codes are taken out.")
    .argument('<task>', 'a task or an attempt (add-login, add-login.1)')
    .option('-f, --follow', 'go on until the attempt ends')
    .option('--raw', 'the bytes as the agent wrote them')
    .addHelpText('after', examples(['logs add-login', 'logs -f add-login', 'logs add-login.1 --raw > transcript']))
    .action(async (id: string, flags: { readonly follow?: true; readonly raw?: true }) => {
      const { logs } = await import('./commands/logs.ts');
      await act((context) => logs(context, id, { raw: flags.raw ?? false, follow: flags.follow ?? false }));
    });
  program
    .command('report')
    .summary('the morning report')
    .description(
      'What landed, what waits for you and what to type, what failed and why, and what it cost: since the newest run ' +
        'began, or since a time.',
    )
    .option('--html <file>', 'write it as one page that needs nothing else')
    .option('--markdown', 'print it as Markdown')
    .option('--since <when>', 'such as 12h, 18:00, yesterday or 2026-03-01T18:00')
    .addHelpText('after', examples(['report', 'report --html report.html', 'report --since 18:00 --markdown']))
    .action(async (flags: { readonly html?: string; readonly markdown?: true; readonly since?: string }) => {
      const { report } = await import('./commands/report.ts');
      const options = { html: flags.html ?? null, markdown: flags.markdown ?? false, since: flags.since ?? null };
      await act((context) => report(context, options));
    });
}

function defineCareCommands(program: Command, act: Act): void {
  program
    .command('doctor')
    .summary('is everything there that a run needs?')
    .description(
      'Node, git, Docker, limits, isolation, disk, images, keys; each with a fix. Exit 3 if a run could not start.',
    )
    .addHelpText('after', examples(['doctor', 'doctor --json']))
    .action(async () => {
      const { doctor } = await import('./commands/doctor.ts');
      await act((context) => doctor(context));
    });
  program
    .command('cleanup')
    .summary('remove what finished runs left')
    .description(
      'Remove what finished runs left: containers, volumes, results of merged and rejected patches, old transcripts.',
    )
    .option('--caches', 'also the store of base trees and cached layers; the next run makes them again')
    .option('--older-than <age>', 'only what ended this long ago, such as 7d')
    .option('--all', 'caches and every transcript too')
    .option('--patches', 'also patches that were never merged')
    .option('--dry-run', 'only list')
    .addHelpText('after', examples(['cleanup --dry-run', 'cleanup --older-than 7d', 'cleanup --caches']))
    .action(async (flags: CleanupFlags) => {
      const olderThanMs = await ageOf(flags.olderThan);
      const { cleanup } = await import('./commands/cleanup.ts');
      await act((context) =>
        cleanup(context, {
          caches: flags.caches ?? false,
          all: flags.all ?? false,
          patches: flags.patches ?? false,
          dryRun: flags.dryRun ?? false,
          olderThanMs,
        }),
      );
    });
}

interface CleanupFlags {
  readonly caches?: true;
  readonly all?: true;
  readonly patches?: true;
  readonly dryRun?: true;
  readonly olderThan?: string;
}

async function ageOf(written: string | undefined): Promise<number | null> {
  if (written === undefined) return null;
  const { parseDuration } = await import('../src/config/sizes.ts');
  try {
    return parseDuration(written);
  } catch (error) {
    if (!(error instanceof OrchestrateError)) throw error;
    throw usageError('BAD_USAGE', `--older-than: ${error.message}`);
  }
}
