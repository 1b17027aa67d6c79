#!/usr/bin/env node
/** The process of a run that was left to itself: does what its starter orders by the first message, and outlives it. */

import { once } from 'node:events';
import { OrchestrateError } from '../src/errors.ts';
import { sanitise } from '../src/sanitise.ts';
import type { Context } from './context.ts';
import { describeFault, failureOf } from './failures.ts';
import { onStreamError } from './lost-streams.ts';
import { type Message, type Order, type Starter, starterOfThisProcess } from './starter.ts';
import { createContext } from './wire.ts';
import { workWatched } from './work.ts';

process.stdout.on('error', onStreamError);
process.stderr.on('error', onStreamError);
process.on('uncaughtException', (error) => {
  // The run's log.
  process.stderr.write(`${sanitise(describeFault(error))}\n`);
  process.exit(1);
});
const order = await orderOf();
if (order !== null) process.exitCode = await obey(order, starterOfThisProcess());

/** Null: the starter is gone before it ordered anything. */
async function orderOf(): Promise<Order | null> {
  const gone = new AbortController();
  const onGone = (): void => gone.abort();
  process.once('disconnect', onGone);
  try {
    const [message] = await once(process, 'message', { signal: gone.signal });
    return message as Order;
  } catch {
    return null;
  } finally {
    process.off('disconnect', onGone);
  }
}

async function obey(wanted: Order, starter: Starter): Promise<number> {
  const context = contextIn(wanted.directory);
  try {
    const { settings } = await context.settings(wanted.flags, { trust: wanted.trust, ask: false });
    const { exitCode } = await workWatched(context, {
      ...{ state: await context.state(), settings, run: wanted.run, starter },
      allowRedBase: wanted.allowRedBase,
      ...(wanted.only === null ? {} : { only: wanted.only }),
    });
    starter.tell({ type: 'ended', exitCode });
    return exitCode;
  } catch (error) {
    const told = await failedBy(error);
    starter.tell(told);
    return new OrchestrateError(told.kind, told.code, told.message).exitCode;
  } finally {
    context.close();
  }
}

async function failedBy(error: unknown): Promise<Message & { readonly type: 'failed' }> {
  const { code, message, hint } = await failureOf(error);
  return { type: 'failed', kind: error instanceof OrchestrateError ? error.kind : 'failure', code, message, hint };
}

function contextIn(directory: string): Context {
  // Standard output is the null device: what is said goes to the log, and to the starter while it waits.
  const { stdin, stdout, env } = process;
  const terminal = { in: stdin, out: stdout, err: stdout, env, cwd: process.cwd() };
  return createContext(terminal, { repo: directory, json: false, color: false, verbose: false, quiet: false });
}
