/**
 * PORT: what does the thinking. An engine turns an assignment into the program that runs in the sandbox and reads, from
 * how that program ended, whether the agent did its work. It holds no resources; one engine serves all agents of a run.
 */

import type { HomeFile } from '../sandbox/sandbox.ts';
import type { TaskId } from '../types.ts';

/** What an agent is asked to do. */
export interface Assignment {
  readonly task: TaskId;
  /** Number of the attempt, from 1. */
  readonly attempt: number;
  readonly role: string;
  readonly title: string;
  readonly description: string;
}

/** The program to run as the sandbox's main process. */
export interface AgentProgram {
  readonly argv: readonly string[];
  /** The agent's whole environment; nothing else reaches it. */
  readonly env: Readonly<Record<string, string>>;
  readonly homeFiles: readonly HomeFile[];
}

/** How the agent's program ended, as the engine reads it. */
export type EngineVerdict =
  | { readonly done: true; readonly summary: string | null }
  | { readonly done: false; readonly reason: string };

export interface Engine {
  readonly name: string;
  program(assignment: Assignment): AgentProgram;
  /** Called once, after the program has ended by itself. */
  verdict(exitCode: number): EngineVerdict;
}
