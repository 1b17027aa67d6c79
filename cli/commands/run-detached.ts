/** `run --detach`: starts the run in a process of its own, waits until it is ready, and leaves it. */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ulid } from 'ulid';
import type { Settings } from '../../src/config/settings.ts';
import { EXIT_CODES, failure, OrchestrateError } from '../../src/errors.ts';
import { runLogFile } from '../../src/tasks/run-log.ts';
import type { RunId } from '../../src/types.ts';
import type { Context } from '../context.ts';
import { thinkingOf } from '../engines.ts';
import { onInterrupt } from '../interrupt.ts';
import type { RunOptions } from '../options.ts';
import { tellHowItStands } from '../standing.ts';
import type { Message, Order } from '../starter.ts';

export type Detaching = Pick<RunOptions, 'settings' | 'trust' | 'allowRedBase'> & Pick<Order, 'only'>;

/** Asks here what has to be asked, and finds here what the run would fail with before it is anything. */
export async function runDetached(context: Context, wanted: Detaching, settings: Settings): Promise<number> {
  const { engine } = await thinkingOf(context, settings);
  return startDetached(context, { ...wanted, engine: engine.name });
}

/**
 * Resolves to 0 once the run is ready and on its own, to its exit code where it was over before, to 130 where the start was
 * interrupted: the run has ended then. Rejects with what the run could not be started for; nothing of it is left then.
 */
export async function startDetached(
  context: Context,
  { settings, trust, allowRedBase, only, engine }: Detaching & { readonly engine: string },
): Promise<number> {
  const state = await context.state();
  const run = ulid() as RunId;
  const log = runLogFile(state.directory, run);
  const child = startProcess(context, log);
  const interruption = new AbortController();
  const stop = (): void => void child.kill('SIGTERM');
  const say = (): void => {
    context.warn('stopping the start; once more to leave at once');
    stop();
  };
  // A second one is passed on as well: the run leaves at once, and the next one takes up what it left.
  const release = onInterrupt(interruption, say, stop);
  try {
    // Where the engine was chosen by an answer on the terminal, nobody is asked again.
    const flags = engine === 'demo' ? { ...settings, engine } : settings;
    const order: Order = { run, directory: context.directory, flags, trust, allowRedBase, only };
    child.send(order, () => {});
    const outcome = await outcomeOf(child, context, interruption.signal);
    if (interruption.signal.aborted) return EXIT_CODES.interrupted;
    if (outcome === null) {
      throw failure('RUN_VANISHED', 'the run ended unexpectedly before it was ready', {
        hint: existsSync(log) ? `details are in ${log}` : undefined,
      });
    }
    if (outcome.type === 'failed') {
      throw new OrchestrateError(outcome.kind, outcome.code, outcome.message, { hint: outcome.hint });
    }
    if (outcome.type === 'ended') return outcome.exitCode;
    child.unref();
    tellHowItStands(context, state, { run, log });
    return 0;
  } finally {
    release();
  }
}

/** A session of its own, without this terminal; what it cannot say otherwise goes to the log. */
function startProcess(context: Context, log: string): ChildProcess {
  mkdirSync(dirname(log), { recursive: true, mode: 0o700 });
  const said = openSync(log, 'a', 0o600);
  try {
    // Compiled or not, as this file is.
    const program = fileURLToPath(new URL(`../detached${extname(import.meta.url)}`, import.meta.url));
    return spawn(process.execPath, [program, context.directory], {
      cwd: context.cwd,
      env: context.env,
      detached: true,
      stdio: ['ignore', 'ignore', said, 'ipc'],
    });
  } finally {
    closeSync(said);
  }
}

type Outcome = Exclude<Message, { readonly type: 'said' }>;

/**
 * Shows what the run says until it has an outcome; null: it ended without. Unless it is ready, and nobody wants it stopped,
 * its process is gone by then.
 */
function outcomeOf(child: ChildProcess, context: Context, stopping: AbortSignal): Promise<Outcome | null> {
  let outcome: Outcome | null = null;
  return new Promise((resolve, reject) => {
    child.on('message', (sent) => {
      const message = sent as Message;
      if (message.type === 'said') {
        if (message.isWarning) context.warn(message.line);
        else context.note(message.line);
        return;
      }
      outcome = message;
      if (message.type === 'ready' && !stopping.aborted) resolve(message);
    });
    child.once('error', reject);
    child.once('exit', () => resolve(outcome));
  });
}
