/**
 * The tools in a sandbox as the coordinator sees them. Calls are numbered by the caller; the toolbox keeps an answer until
 * it is acknowledged, so that a call that is made again (the coordinator or the gateway was killed) is not done again.
 */

/** A tool call; `input` is what the model said, checked by the toolbox. */
export interface ToolCall {
  /** From 1, rising by one with each new call of the attempt. */
  readonly n: number;
  readonly tool: 'bash' | 'edit';
  readonly input: Readonly<Record<string, unknown>>;
  /** Milliseconds after which the call is given up and says so. */
  readonly timeoutMs: number;
}

export interface ToolAnswer {
  /** For the model; capped by the toolbox, with a line that says what was left out. */
  readonly text: string;
  readonly isError: boolean;
}

export interface Toolbox {
  /**
   * Resolves when the tool has ended; the same `n` again gives the same answer or waits for it. Waits, up to the signal,
   * for the toolbox to come back where it or the gateway is away.
   */
  call(call: ToolCall, signal: AbortSignal): Promise<ToolAnswer>;
  /** Lets the toolbox forget the answers up to and with `n`. */
  acknowledge(n: number): Promise<void>;
  /** Ends the sandbox's main process with exit code 0: the agent is done. Idempotent. */
  finish(): Promise<void>;
}
