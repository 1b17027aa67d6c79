/** What the coordinator tells the toolbox, as JSON in its environment (which the agent cannot read) or in a file. */
export interface ToolboxConfig {
  /** The agent's program and arguments. */
  readonly argv: readonly string[];
  /** The agent's whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Folders to make before the start, all below writable mounts. */
  readonly folders: readonly string[];
  /** Milliseconds after which the attempt is ended; null: no deadline. */
  readonly deadlineMs: number | null;
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly graceMs: number;
}
