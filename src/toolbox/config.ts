import type { Forward } from './forward.ts';

/** What the coordinator tells the toolbox, as JSON in its environment (which the agent cannot read) or in a file. */
export interface ToolboxConfig {
  /** The agent's program and arguments; empty where tools are served. */
  readonly argv: readonly string[];
  /** The agent's whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** The agent's stdout and stderr are one stream: what is written to them stays in order. */
  readonly oneStream: boolean;
  /** Folders to make before the start, all below writable mounts. */
  readonly folders: readonly string[];
  /** Way to the gateway; null: none. */
  readonly forward: Forward | null;
  /** Milliseconds after which the attempt is ended, pauses of the container not counted; null: no deadline. */
  readonly deadlineMs: number | null;
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  /** Serves tools to an agent that thinks elsewhere, instead of running `argv`; null: runs `argv`. */
  readonly tools: ToolsConfig | null;
}

export interface ToolsConfig {
  /** Path of the gateway's Unix socket. */
  readonly socket: string;
  /** What lets process 1 in there; no process of the agent can see it. */
  readonly token: string;
}
