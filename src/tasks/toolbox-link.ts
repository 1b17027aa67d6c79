/** The tools in an attempt's sandbox, called through the gateway. */

import { setTimeout as wait } from 'node:timers/promises';
import { failure, OrchestrateError } from '../errors.ts';
import type { GatewayClient } from '../gateway/client.ts';
import type { ToolAnswer, Toolbox, ToolCall } from '../toolbox/toolbox.ts';

/** Time to wait before a toolbox, or a gateway, that is away is asked again, milliseconds. */
const ASK_AGAIN_MS = 250;
/** It went, or the way to it did: it is asked the same again. */
const AWAY: readonly string[] = ['TOOLBOX_ABSENT', 'TOOLBOX_LOST', 'GATEWAY_LOST'];

export class ToolboxLink implements Toolbox {
  readonly #client: GatewayClient;
  readonly #attempt: string;

  constructor(client: GatewayClient, attempt: string) {
    this.#client = client;
    this.#attempt = attempt;
  }

  async call(call: ToolCall, signal: AbortSignal): Promise<ToolAnswer> {
    const { text, isError } = await this.#ask('call', { ...call }, signal);
    if (typeof text !== 'string') throw failure('TOOLBOX_NONSENSE', 'the toolbox gave no answer');
    return { text, isError: isError === true };
  }

  async acknowledge(n: number): Promise<void> {
    await this.#once('acknowledge', { n });
  }

  async finish(): Promise<void> {
    await this.#once('finish', {});
  }

  /** What is lost on the way does no harm: it is said again with the next call, or the sandbox is ended anyway. */
  async #once(method: string, params: Readonly<Record<string, unknown>>): Promise<void> {
    try {
      await this.#client.toolbox(this.#attempt, { method, params }, new AbortController().signal);
    } catch (error) {
      if (!isAway(error)) throw error;
    }
  }

  async #ask(
    method: string,
    params: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, unknown>>> {
    for (;;) {
      try {
        return await this.#client.toolbox(this.#attempt, { method, params }, signal);
      } catch (error) {
        if (signal.aborted || !isAway(error)) throw error;
        await wait(ASK_AGAIN_MS, undefined, { signal });
      }
    }
  }
}

function isAway(error: unknown): boolean {
  return error instanceof OrchestrateError && AWAY.includes(error.code);
}
