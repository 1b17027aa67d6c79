/**
 * PORT: what does the thinking. An engine turns an assignment into the program that runs in the sandbox, reads what that
 * program prints, and says from how it ended whether the agent did its work. One engine serves all agents of a run; what
 * belongs to one attempt is in its session. A session that is begun again (its coordinator was killed) reads the output
 * from the first byte again and must come to the same end.
 */

import type { Role } from '../roles/role.ts';
import type { ContextFile, HomeFile, OutputChunk } from '../sandbox/sandbox.ts';
import type { Toolbox } from '../toolbox/toolbox.ts';
import type { ModelApi, TaskId, Usage } from '../types.ts';
import type { EarlierWork } from './earlier.ts';

/** What an agent is asked to do. */
export interface Assignment {
  readonly task: TaskId;
  /** Number of the attempt, from 1. */
  readonly attempt: number;
  /** The name of its role. */
  readonly role: string;
  /** What that role says; not given: the name alone. Its model is the engine's matter (see engineByRole). */
  readonly specialist?: Pick<Role, 'prompt' | 'tools'> | undefined;
  readonly title: string;
  readonly description: string;
  /** What others left for it, as Markdown that says whose words these are; null or not given: nothing. */
  readonly notes?: string | null;
  /** Work on this task that is in the workspace and to be gone on with; not given: it starts afresh. */
  readonly earlier?: EarlierWork | undefined;
}

/** How an agent's program reaches the gateway from inside its sandbox. */
export interface Access {
  /** `http://127.0.0.1:<port>`: base URL of model services (their paths begin with /v1) and forward proxy alike. */
  readonly url: string;
  /** Stands for the key; worth nothing elsewhere. */
  readonly token: string;
}

/** The program to run as the sandbox's main process. */
export interface AgentProgram {
  /** Empty where the toolbox serves tools instead of running a program. */
  readonly argv: readonly string[];
  /** The agent's whole environment; nothing else reaches it. */
  readonly env: Readonly<Record<string, string>>;
  readonly homeFiles: readonly HomeFile[];
  /** What it finds at `/context` beside the notes; not given: nothing. */
  readonly contextFiles?: readonly ContextFile[];
  /**
   * Its stdout and stderr are one, in the order in which they were written; for what is read as text. Else they are apart:
   * for programs whose stdout is a protocol. Two streams keep their order each, not with each other.
   */
  readonly oneStream?: true;
}

/** What an agent says of itself; shown, never trusted. */
export type AgentEvent =
  | { readonly type: 'text'; readonly text: string; readonly stream: OutputChunk['stream'] }
  | { readonly type: 'tool'; readonly tool: string; readonly detail: string }
  | ToolResult
  /** All that the agent has used so far, by its own account. */
  | { readonly type: 'usage'; readonly usage: Usage };

/** What came of a call, where the engine learns it. Not shown: compared with others. */
export interface ToolResult {
  readonly type: 'result';
  /** As the call itself was told. */
  readonly tool: string;
  readonly detail: string;
  /** All that was asked for, the same where the same is asked again; null: the engine does not know all of it. */
  readonly input: string | null;
  readonly failed: boolean;
  /** As much of it as the agent sees. */
  readonly output: string;
}

/** How the agent ended, as the engine reads it. */
export type EngineVerdict =
  | { readonly done: true; readonly summary: string | null }
  | { readonly done: false; readonly reason: string };

export interface Engine {
  readonly name: string;
  /** The model services that its agents ask through the gateway; empty: none. */
  readonly apis: readonly ModelApi[];
  /**
   * A model that can be told of it is behind its agents: an attempt that was cut off from outside (its engine lost, its run
   * stopped) is followed by one that goes on with the work that was kept. Not given: what runs is a program that is not made
   * for half-done work, and starts afresh.
   */
  readonly goesOn?: true;
  /** Programs that it starts by name and that the agents' image must therefore hold; not given: none. */
  readonly programs?: readonly string[];
  /** @param access null where the attempt has no gateway */
  begin(assignment: Assignment, access: Access | null): AgentSession;
}

/** One attempt as the engine sees it. */
export interface AgentSession {
  readonly program: AgentProgram;
  /** Every piece of output once, in order. */
  read(chunk: OutputChunk): readonly AgentEvent[];
  /** Called once, after the program has ended by itself. */
  verdict(exitCode: number): EngineVerdict;
  /**
   * Where the thinking is done on this side: works the task by calling tools in the sandbox until it is done. Ends early
   * when the signal is aborted. Not given: the program thinks by itself.
   */
  readonly drive?: (work: Drive) => Promise<EngineVerdict>;
}

/** What a session that thinks on this side works with. */
export interface Drive {
  /** Calls tools in the sandbox. */
  readonly toolbox: Toolbox;
  /** Asks the model through the gateway, metered and capped as this attempt. */
  readonly fetch: typeof globalThis.fetch;
  /** A folder of this attempt's own on this side, for what must outlive a killed coordinator. */
  readonly folder: string;
  /** That of the attempt whose work this one goes on with, which may be gone; null or not given: it starts afresh. */
  readonly earlierFolder?: string | null;
  readonly signal: AbortSignal;
  emit(event: AgentEvent): void;
}
