/** Claude through the API: the thinking is done on the coordinator's side, the tools run in the sandbox. */

import type { Effort } from '../../types.ts';
import type { Access, AgentSession, Assignment, Drive, Engine, EngineVerdict } from '../engine.ts';
import { NO_NOTES, type Notes } from './notes.ts';
import { StaggeredStart } from './staggered-start.ts';

export interface ApiOptions {
  readonly model: string;
  /** How much the model puts into an answer; null: the model's own default. Not every model takes it. */
  readonly effort: Effort | null;
  /** Null: the model's own default. */
  readonly thinking: 'adaptive' | 'disabled' | null;
  /** Answers of the model before the attempt is given up. */
  readonly maxTurns: number;
  /** Tokens of one answer, thoughts included; the gateway reserves their price before each request. */
  readonly maxTokens: number;
  /** Tokens of the conversation above which it is summed up before the next turn. */
  readonly compactAtTokens: number;
  /** Milliseconds that a tool call in the sandbox may take. */
  readonly toolTimeoutMs: number;
  /** Milliseconds before a request that broke off is made again; doubled each time. */
  readonly retryMs: number;
  /** The repository's instructions for agents as the run's base has them; part of what all agents' prompts share. */
  readonly guidance: string | null;
  readonly notes: Notes;
}

/** Where nobody chose another. */
export const API_MODEL = 'claude-sonnet-5-5';

const DEFAULTS: ApiOptions = {
  model: API_MODEL,
  effort: null,
  thinking: null,
  maxTurns: 250,
  maxTokens: 32_000,
  compactAtTokens: 150_000,
  toolTimeoutMs: 10 * 60_000,
  retryMs: 1_000,
  guidance: null,
  notes: NO_NOTES,
};

/** One engine for all agents of a run: they share the beginning of their prompts, and the first goes ahead to have it cached. */
export function apiEngine(options: Partial<ApiOptions>): Engine {
  const all = { ...DEFAULTS, ...options };
  const start = new StaggeredStart();
  return {
    name: 'api',
    apis: ['anthropic'],
    goesOn: true,
    begin: (assignment, _access: Access | null) => session(all, assignment, start),
  };
}

function session(options: ApiOptions, assignment: Assignment, start: StaggeredStart): AgentSession {
  return {
    program: {
      argv: [],
      env: environmentOf(assignment),
      homeFiles: [],
      contextFiles: [],
    },
    // Process 1 says nothing but what goes wrong with it.
    read: ({ data, stream }) => [{ type: 'text', stream, text: data.toString('utf8') }],
    verdict: sandboxVerdict,
    drive: (work) => drive(options, assignment, { work, start }),
  };
}

async function drive(
  options: ApiOptions,
  assignment: Assignment,
  at: { readonly work: Drive; readonly start: StaggeredStart },
): Promise<EngineVerdict> {
  // The SDK takes a third of a second to load: only where an agent thinks with it.
  const { ConversationLoop } = await import('./conversation-loop.ts');
  const loop = await ConversationLoop.open(options, assignment, at);
  return loop.run();
}

/** Of the shell that the model's commands run in: nothing there may wait for a person. */
function environmentOf({ task, attempt, role }: Assignment): Readonly<Record<string, string>> {
  return {
    HOME: '/home/agent',
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    TERM: 'dumb',
    PAGER: 'cat',
    GIT_PAGER: 'cat',
    GIT_TERMINAL_PROMPT: '0',
    ORCHESTRATE_TASK_ID: task,
    ORCHESTRATE_ATTEMPT: String(attempt),
    ORCHESTRATE_ROLE: role,
  };
}

/** Where the sandbox ended before the conversation did. Exit code 0 is what `finish` ends it with. */
function sandboxVerdict(exitCode: number): EngineVerdict {
  if (exitCode === 0) return { done: true, summary: null };
  return { done: false, reason: `the sandbox ended with exit code ${exitCode} before the agent was done` };
}
