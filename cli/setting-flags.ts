/** The flags of `run` that are settings: the same names as in the files, passed on as typed. */

import { type Command, InvalidArgumentError } from 'commander';
import type { WrittenFlags } from '../src/config/load.ts';
import { collect } from './command-parts.ts';

export interface SettingFlags {
  readonly maxAgents?: string;
  readonly allowOverlap?: true;
  readonly engine?: string;
  readonly engineCommand?: string;
  readonly model?: string;
  readonly network?: string;
  readonly allow?: readonly string[];
  readonly budgetUsd?: string;
  readonly budgetTokens?: string;
  readonly taskBudgetUsd?: string;
  readonly base?: string;
  readonly includeDirty?: true;
  readonly history?: string;
  readonly image?: string;
  readonly dockerfile?: string;
  readonly workspace?: string;
  readonly setup?: string;
  readonly setupAllow?: readonly string[];
  readonly check?: readonly string[];
  readonly autoApprove?: string;
  readonly autoMerge?: string;
  readonly maxPendingReviews?: string;
  readonly runtime?: string;
  readonly sandbox?: string;
  readonly host?: readonly string[];
  readonly on?: readonly string[];
  readonly for?: string;
  readonly until?: string;
  readonly notify?: string;
  readonly timeout?: string;
  readonly idleTimeout?: string;
  readonly memory?: string;
  readonly cpus?: string;
  readonly pids?: string;
  readonly disk?: string;
}

export function withSettingFlags(command: Command): Command {
  return command
    .option('--max-agents <n>', 'agents at once (default: 3)')
    .option('--allow-overlap', 'work on tasks at once that are likely to touch the same files')
    .option('--engine <name>', 'who does the thinking: api, claude, codex, demo, or a name from the settings')
    .option('--engine-command <command>', 'any program as the agent, run by sh -c in /workspace; exit 0 = done')
    .option('--model <model>', "the model (default: the engine's choice)")
    .option('--network <kind>', 'what agents reach: model, allowlist or none (default: model, the model service alone)')
    .option(
      '--allow <host>',
      'a host, or @npm, @pypi, @crates, @go, @debian, for --network allowlist (repeatable)',
      collectFilled,
    )
    .option('--budget-usd <amount>', 'dollars that the run may cost at most')
    .option('--budget-tokens <n>', 'tokens that the run may use at most')
    .option('--task-budget-usd <amount>', 'dollars that one attempt may cost at most')
    .option('--base <ref>', 'what agents start from (default: HEAD)')
    .option('--include-dirty', 'agents start from the uncommitted changes too')
    .option('--history <n>', 'how many commits deep agents see the history (default: 1, only the files)')
    .option('--image <image>', "the agents' image (default: orchestrate-agent)")
    .option('--dockerfile <file>', "build the agents' image from this; its folder is the context")
    .option('--workspace <kind>', 'overlay or copy (default: overlay where the engine can)')
    .option('--setup <command>', 'run once as root before the first agent; what it made, all agents start from')
    .option('--setup-allow <host>', 'what --setup can reach, again for more (default: usual registries)', collectFilled)
    .option('--check <command>', 'must pass on each patched tree, in a clean container (repeatable)', collectFilled)
    .option('--auto-approve <kind>', 'never or passing: what passed its checks and has no flag (default: never)')
    .option('--auto-merge <branch>', 'merge what is approved into this branch, which nobody has checked out')
    .option('--max-pending-reviews <n>', 'start nothing while so many patches wait for a person')
    .option('--for <duration>', 'stop after so long: start nothing more, then end what is at work and keep it')
    .option('--until <time>', 'the same at a time of day, such as 07:00')
    .option('--notify <url>', 'tell this address when the run ends, and when it needs you')
    .option('--runtime <name>', "the engine's container runtime for sandboxes, such as runsc (default: the engine's)")
    .option('--sandbox <kind>', 'who places agents: docker or swarm (default: docker, the hosts that are named)')
    .option(
      '--host <host>',
      "where agents run: a host by name, a Docker context or an ssh:// URL (repeatable; default: this machine's engine)",
      collectFilled,
    )
    .option('--on <label>', 'only on hosts with this label (repeatable: all of them)', collectFilled)
    .option('--timeout <duration>', 'per attempt (default: 1h)')
    .option('--idle-timeout <duration>', 'per attempt, without output, CPU time or gateway traffic (default: 10m)')
    .option('--memory <size>', 'per sandbox (default: 4g)')
    .option('--cpus <n>', 'per sandbox (default: 2)')
    .option('--pids <n>', 'processes and threads per sandbox (default: 2048)')
    .option('--disk <size>', 'per sandbox (default: 10g)');
}

/** Flags of commands that run checks outside of a run. */
export function withCheckFlags(command: Command): Command {
  return command
    .option('--check <command>', 'must pass, instead of the configured ones (repeatable)', collectFilled)
    .option('--image <image>', "the environment of the checks (default: the agents' image)")
    .option('--dockerfile <file>', 'build it from this instead; its folder is the context')
    .option('--setup <command>', 'what the checks start from, as agents do')
    .option('--setup-allow <host>', 'what --setup can reach, again for more (default: usual registries)', collectFilled)
    .option('--timeout <duration>', 'of each check (default: 1h)')
    .option('--memory <size>', 'of each check (default: 4g)')
    .option('--cpus <n>', 'of each check (default: 2)')
    .option('--pids <n>', 'of each check (default: 2048)')
    .option('--disk <size>', 'of each check (default: 10g)')
    .option('--trust', "accept the repository's own orchestrate.yaml as it is now");
}

/** By their written names, only those that were given. */
export function settingFlags(flags: SettingFlags): WrittenFlags {
  const written: Record<keyof SettingFlags, [string, string | boolean | undefined]> = {
    maxAgents: ['max-agents', flags.maxAgents],
    allowOverlap: ['allow-overlap', flags.allowOverlap],
    engine: ['engine', flags.engine],
    engineCommand: ['engine-command', flags.engineCommand],
    model: ['model', flags.model],
    network: ['network', flags.network],
    allow: ['allow', flags.allow?.join(' ')],
    budgetUsd: ['budget-usd', flags.budgetUsd],
    budgetTokens: ['budget-tokens', flags.budgetTokens],
    taskBudgetUsd: ['task-budget-usd', flags.taskBudgetUsd],
    base: ['base', flags.base],
    includeDirty: ['include-dirty', flags.includeDirty],
    history: ['history', flags.history],
    image: ['image', flags.image],
    dockerfile: ['dockerfile', flags.dockerfile],
    workspace: ['workspace', flags.workspace],
    setup: ['setup', flags.setup],
    setupAllow: ['setup-allow', flags.setupAllow?.join(',')],
    // A command may hold anything but NUL.
    check: ['checks', flags.check?.join('\0')],
    autoApprove: ['auto-approve', flags.autoApprove],
    autoMerge: ['auto-merge', flags.autoMerge],
    maxPendingReviews: ['max-pending-reviews', flags.maxPendingReviews],
    runtime: ['runtime', flags.runtime],
    sandbox: ['sandbox', flags.sandbox],
    host: ['host', flags.host?.join(' ')],
    on: ['on', flags.on?.join(' ')],
    for: ['for', flags.for],
    until: ['until', flags.until],
    notify: ['notify', flags.notify],
    timeout: ['timeout', flags.timeout],
    idleTimeout: ['idle-timeout', flags.idleTimeout],
    memory: ['memory', flags.memory],
    cpus: ['cpus', flags.cpus],
    pids: ['pids', flags.pids],
    disk: ['disk', flags.disk],
  };
  return Object.fromEntries(Object.values(written).filter(([, value]) => value !== undefined));
}

/** Of a variable that is not set nothing would be left, and `--on "$LABEL"` would mean any host. */
export function collectFilled(value: string, earlier: readonly string[] = []): readonly string[] {
  if (value.trim() === '') throw new InvalidArgumentError('It is empty.');
  return collect(value, earlier);
}
