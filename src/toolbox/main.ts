/**
 * PID 1 of a sandbox. Starts the agent below a sub-reaper, passes SIGTERM on, and ends everything at the attempt's
 * deadline even when the coordinator is gone. Nothing inside the container can stop, kill or read this process.
 * Started by the toolbox volume's own Node binary; imports node built-ins only, to start fast and run in any image.
 */

import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { ToolboxConfig } from './config.ts';
import { Relay } from './relay.ts';

const DEADLINE_EXIT_CODE = 124;
const TINI = '/opt/orchestrate/bin/tini';

function start(config: ToolboxConfig): void {
  let forced: number | null = null;
  const relay = new Relay(config.oneStream);
  let leaving = false;
  const leave = (exitCode: number): void => {
    if (leaving) return;
    leaving = true;
    void relay.finish().then(() => process.exit(exitCode));
  };

  const child = spawn(TINI, ['-s', '--', ...config.argv], {
    cwd: config.cwd,
    env: { ...config.env },
    stdio: relay.stdio,
  });
  relay.started();
  child.once('error', (error) => {
    relay.say(`the agent could not be started: ${error.message}`);
    leave(127);
  });
  child.once('exit', (code, signal) => {
    leave(forced ?? code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
  });
  if (child.pid !== undefined) preferAsOomVictim(child.pid);

  const end = (exitCode: number | null): void => {
    forced ??= exitCode;
    terminateAllBut(child.pid);
    setTimeout(() => {
      killEverything();
      // Everything in the PID namespace goes with PID 1, whatever escaped into sessions of its own.
      leave(forced ?? 128 + constants.signals.SIGKILL);
    }, config.graceMs).unref();
  };
  process.on('SIGTERM', () => end(null));
  // At once, for who does harm; what was printed is still passed on.
  process.on('SIGINT', killEverything);
  if (config.deadlineMs !== null) setTimeout(() => end(DEADLINE_EXIT_CODE), config.deadlineMs);
}

/** The kernel's OOM killer should take the agent's processes, never this one. */
function preferAsOomVictim(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000');
  } catch {
    // The agent may have ended already.
  }
}

/** SIGTERM to every other process but the sub-reaper, which would pass it on: a second one means "at once" to many programs. */
function terminateAllBut(reaper: number | undefined): void {
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (Number.isInteger(pid) && pid !== process.pid && pid !== reaper) signal(pid, 'SIGTERM');
  }
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

const config = JSON.parse(process.env.ORCHESTRATE_TOOLBOX ?? '') as ToolboxConfig;
for (const folder of config.folders) mkdirSync(folder, { recursive: true });
start(config);
