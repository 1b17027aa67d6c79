/** Process 1 where an agent thinks elsewhere: takes numbered tool calls from the coordinator, has them done, keeps the answers. */

import path from 'node:path';
import { CallFault } from '../../session/protocol.ts';
import type { Handler } from '../../session/serve.ts';
import type { ToolboxConfig, ToolsConfig } from '../config.ts';
import type { ToolCall } from '../toolbox.ts';
import { serveGateway } from './gateway-link.ts';
import { Ledger } from './ledger.ts';
import { ToolProcess } from './tool-process.ts';

/** What process 1 does for the tools. */
export interface Surroundings {
  /** The tools' process is gone with its sub-reaper. */
  onLost(): void;
  /** The agent is done. */
  onFinished(): void;
}

/**
 * Serves, on the connection to the gateway (src/session/):
 * - `call` {@link ToolCall} → {@link ToolAnswer}; fails with TOOL_BAD_CALL, and as {@link Ledger.call} says.
 * - `acknowledge` {n} → {}: the answers up to and with `n` can be forgotten.
 * - `finish` {} → {}, then process 1 ends with exit code 0, and everything with it.
 *
 * @returns the process id of the sub-reaper of the moment
 */
export function serveTools(
  { env, cwd }: Pick<ToolboxConfig, 'env' | 'cwd'>,
  tools: ToolsConfig,
  { onLost, onFinished }: Surroundings,
): () => number | undefined {
  const program = path.join(import.meta.dirname, `program${path.extname(import.meta.filename)}`);
  const work = new ToolProcess({
    argv: [
      path.join(path.dirname(process.execPath), 'tini'),
      '-s',
      '--',
      ...[process.execPath, ...process.execArgv, program],
    ],
    env,
    cwd,
    onLost,
  });
  const ledger = new Ledger();
  const handlers: Readonly<Record<string, Handler>> = {
    call: ({ params }) => {
      const call = parseCall(params);
      return ledger.call(call.n, () => work.run(call));
    },
    acknowledge: async ({ params }) => ledger.acknowledge(numberOf(params.n, 'n')),
    finish: async ({ reply }) => {
      await reply({});
      // The reply is in the socket before the next turn of the event loop.
      setImmediate(onFinished);
    },
  };
  void serveGateway(tools, handlers);
  // Now rather than with the first call, which waits for it otherwise.
  void work.start();
  return () => work.pid;
}

function parseCall(params: Readonly<Record<string, unknown>>): ToolCall {
  const { tool, input } = params;
  if (tool !== 'bash' && tool !== 'edit') throw badCall(`there is no tool ${JSON.stringify(tool)}`);
  if (typeof input !== 'object' || input === null) throw badCall('input is not an object');
  return { n: numberOf(params.n, 'n'), tool, input: { ...input }, timeoutMs: numberOf(params.timeoutMs, 'timeoutMs') };
}

function numberOf(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
  throw badCall(`${name} is not a whole number above 0`);
}

function badCall(message: string): CallFault {
  return new CallFault('TOOL_BAD_CALL', message);
}
