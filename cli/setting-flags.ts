/** The flags of `run` that are settings: the same names as in the files, passed on as typed. */

import type { Command } from 'commander';
import type { WrittenFlags } from '../src/config/load.ts';

export interface SettingFlags {
  readonly maxAgents?: string;
  readonly engine?: string;
  readonly engineCommand?: string;
  readonly base?: string;
  readonly includeDirty?: true;
  readonly history?: string;
  readonly image?: string;
  readonly workspace?: string;
  readonly setup?: string;
  readonly setupAllow?: readonly string[];
  readonly timeout?: string;
  readonly memory?: string;
  readonly cpus?: string;
  readonly pids?: string;
  readonly disk?: string;
}

export function withSettingFlags(command: Command): Command {
  return command
    .option('--max-agents <n>', 'agents at once (default: 3)')
    .option('--engine <name>', 'who does the thinking: demo, or a name from the settings')
    .option('--engine-command <command>', 'any program as the agent, run by sh -c in /workspace; exit 0 = done')
    .option('--base <ref>', 'what agents start from (default: HEAD)')
    .option('--include-dirty', 'agents start from the uncommitted changes too')
    .option('--history <n>', 'how many commits deep agents see the history (default: 1, only the files)')
    .option('--image <image>', "the agents' image (default: orchestrate-agent)")
    .option('--workspace <kind>', 'overlay or copy (default: overlay where the engine can)')
    .option('--setup <command>', 'run once as root before the first agent; what it made, all agents start from')
    .option('--setup-allow <host>', 'what --setup can reach, again for more (default: usual registries)', collect)
    .option('--timeout <duration>', 'per attempt (default: 1h)')
    .option('--memory <size>', 'per sandbox (default: 4g)')
    .option('--cpus <n>', 'per sandbox (default: 2)')
    .option('--pids <n>', 'processes and threads per sandbox (default: 2048)')
    .option('--disk <size>', 'per sandbox (default: 10g)');
}

/** By their written names, only those that were given. */
export function settingFlags(flags: SettingFlags): WrittenFlags {
  const written: Record<keyof SettingFlags, [string, string | boolean | undefined]> = {
    maxAgents: ['max-agents', flags.maxAgents],
    engine: ['engine', flags.engine],
    engineCommand: ['engine-command', flags.engineCommand],
    base: ['base', flags.base],
    includeDirty: ['include-dirty', flags.includeDirty],
    history: ['history', flags.history],
    image: ['image', flags.image],
    workspace: ['workspace', flags.workspace],
    setup: ['setup', flags.setup],
    setupAllow: ['setup-allow', flags.setupAllow?.join(',')],
    timeout: ['timeout', flags.timeout],
    memory: ['memory', flags.memory],
    cpus: ['cpus', flags.cpus],
    pids: ['pids', flags.pids],
    disk: ['disk', flags.disk],
  };
  return Object.fromEntries(Object.values(written).filter(([, value]) => value !== undefined));
}

function collect(value: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), value];
}
