/**
 * PID 1 of a sandbox. Starts the agent below a sub-reaper, or serves tools to one that thinks elsewhere; passes SIGTERM on
 * (once, however often it comes: before this process listens the kernel drops it), and ends everything at the attempt's deadline even when the coordinator is gone. Nothing inside the container can stop,
 * kill or read this process. Started by the toolbox volume's own Node binary; imports nothing but node built-ins and what
 * lies beside it, to start fast and run in any image.
 */

import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { whenWorked } from './clock.ts';
import type { ToolboxConfig, ToolsConfig } from './config.ts';
import { forwardPort } from './forward.ts';
import { hasRunOutOfMemory } from './memory.ts';
import { Relay } from './relay.ts';
import { serveTools } from './tools/serve-tools.ts';

const DEADLINE_EXIT_CODE = 124;
const LOOK_AGAIN_MS = 20;
const TINI = '/opt/orchestrate/bin/tini';

/** How the sandbox ends: `exit` once, by whoever comes first; `isEnding` from the moment that it was told to. */
interface Ending {
  exit(code: number): void;
  isEnding(): boolean;
}

function start(config: ToolboxConfig): void {
  let forced: number | null = null;
  let ending = false;
  let leaving = false;
  let wasTold = false;
  const relay = new Relay(config.oneStream);
  const exit = (code: number): void => {
    if (leaving) return;
    leaving = true;
    void relay.finish({ wasTold, outOfMemory: hasRunOutOfMemory() }).then(() => process.exit(forced ?? code));
  };
  const how: Ending = { exit, isEnding: () => ending };
  const reaper = config.tools === null ? startAgent(config, relay, how) : startTools(config, config.tools, how);

  const end = (exitCode: number | null): void => {
    forced ??= exitCode;
    if (ending) return;
    ending = true;
    terminateAgent(reaper);
    setTimeout(() => {
      killEverything();
      // Everything in the PID namespace goes with PID 1, whatever escaped into sessions of its own.
      exit(128 + constants.signals.SIGKILL);
    }, config.graceMs).unref();
  };
  process.on('SIGTERM', () => {
    wasTold = true;
    end(null);
  });
  // At once, for who does harm; what was printed is still passed on.
  process.on('SIGINT', () => {
    wasTold = true;
    killEverything();
  });
  if (config.deadlineMs !== null) whenWorked(config.deadlineMs, () => end(DEADLINE_EXIT_CODE));
}

/** @returns the process id of the sub-reaper, as {@link startTools} does */
function startAgent(config: ToolboxConfig, relay: Relay, { exit }: Ending): () => number | undefined {
  const child = spawn(TINI, ['-s', '--', ...config.argv], {
    cwd: config.cwd,
    env: { ...config.env },
    stdio: relay.stdio,
  });
  relay.started();
  child.once('error', (error) => {
    relay.say(`the agent could not be started: ${error.message}`);
    exit(127);
  });
  child.once('exit', (code, signal) => exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  if (child.pid !== undefined) preferAsOomVictim(child.pid);
  return () => child.pid;
}

function startTools(config: ToolboxConfig, tools: ToolsConfig, { exit, isEnding }: Ending): () => number | undefined {
  return serveTools(config, tools, {
    onLost: () => {
      if (isEnding()) exit(128 + constants.signals.SIGTERM);
      // What was below the sub-reaper is nobody's child any more.
      killEverything();
    },
    onFinished: () => exit(0),
  });
}

/** The kernel's OOM killer should take the agent's processes, never this one. */
function preferAsOomVictim(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000');
  } catch {
    // The agent may have ended already.
  }
}

/** An agent that is being started just now is told as soon as it is there. */
function terminateAgent(reaper: () => number | undefined): void {
  if (!terminateAllBut(reaper())) setTimeout(() => terminateAgent(reaper), LOOK_AGAIN_MS).unref();
}

/**
 * SIGTERM to every other process but the sub-reaper, which would pass it on: a second one means "at once" to many programs.
 * False where there was none.
 */
function terminateAllBut(reaper: number | undefined): boolean {
  const pids = readdirSync('/proc').map(Number);
  const others = pids.filter((pid) => Number.isInteger(pid) && pid !== process.pid && pid !== reaper);
  for (const pid of others) signal(pid, 'SIGTERM');
  return others.length > 0;
}

function killEverything(): void {
  signal(-1, 'SIGKILL');
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // No such process any more.
  }
}

/** From the environment, or from a file that goes once it is read: an image made of this container holds neither. */
function readConfig(file: string | undefined): ToolboxConfig {
  if (file === undefined) return JSON.parse(process.env.ORCHESTRATE_TOOLBOX ?? '');
  const text = readFileSync(file, 'utf8');
  rmSync(file);
  return JSON.parse(text);
}

const config = readConfig(process.argv[2]);
for (const folder of config.folders) mkdirSync(folder, { recursive: true });
if (config.forward !== null) await forwardPort(config.forward);
start(config);
