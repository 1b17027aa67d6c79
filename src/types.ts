/** The words of the domain as types. Everything above `types`, `events` and `errors` builds on these. */

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Slug of a task's title: `[a-z0-9-]`, at most 40 characters, unique in the repository. */
export type TaskId = Brand<string, 'TaskId'>;
/** `<task>.<n>`, n counting from 1. A patch has the id of the attempt that made it. */
export type AttemptId = Brand<string, 'AttemptId'>;
/** ULID of one `orchestrate run`. */
export type RunId = Brand<string, 'RunId'>;
/** Hexadecimal git object id (SHA-1 or SHA-256, as the repository has it). */
export type ObjectId = Brand<string, 'ObjectId'>;

export const PRIORITIES = ['high', 'normal', 'low'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** How much work a task is: an hour or less of an agent, a few hours, more than that. */
export const TASK_SIZES = ['small', 'medium', 'large'] as const;
export type TaskSize = (typeof TASK_SIZES)[number];
/** How much a size counts in a chain of work: about the hours of one agent. */
export const SIZE_WEIGHTS: Readonly<Record<TaskSize, number>> = { small: 1, medium: 3, large: 8 };

export const TASK_STATES = ['queued', 'blocked', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] as const;
export type TaskState = (typeof TASK_STATES)[number];

export const ATTEMPT_OUTCOMES = [
  'succeeded',
  'no-changes',
  'failed',
  'timeout',
  'idle',
  'budget',
  'killed',
  'oom',
  'lost',
] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

/** Why somebody ends an attempt: the user wants this task ended, or the whole run. */
export const STOP_CAUSES = ['killed', 'interrupted'] as const;
export type StopCause = (typeof STOP_CAUSES)[number];

export const PATCH_STATES = [
  'pending',
  'approved',
  'rejected',
  'changes-requested',
  'merged',
  'stale',
  'conflict',
  'set-aside',
  'salvaged',
] as const;
export type PatchState = (typeof PATCH_STATES)[number];

/** What an agent or a person wrote for others, and what a finished task leaves by itself. */
export const NOTE_KINDS = ['note', 'summary'] as const;
export type NoteKind = (typeof NOTE_KINDS)[number];

/** What another terminal may ask of the run that is at work. `stop` lets agents finish, `stop-now` salvages their work. */
export const REQUEST_KINDS = ['kill', 'stop', 'stop-now'] as const;
export type RequestKind = (typeof REQUEST_KINDS)[number];

export type CheckVerdict = 'passed' | 'failed' | 'none';

/** Who approved or rejected a patch: a person, or the policy that the person chose (`--auto-approve`). */
export const DECIDERS = ['person', 'policy'] as const;
export type Decider = (typeof DECIDERS)[number];

/** What is approved without a person: nothing, or what passed its checks and has no flag. From tight to loose. */
export const AUTO_APPROVALS = ['never', 'passing'] as const;
export type AutoApproval = (typeof AUTO_APPROVALS)[number];

/** Tokens and money of an attempt or a task; `usd` is null where the model's price is unknown or no model was used. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly usd: number | null;
}

export const NO_USAGE: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  usd: null,
};

/** A model service's wire protocol: Anthropic Messages or OpenAI Responses. */
export const MODEL_APIS = ['anthropic', 'openai'] as const;
export type ModelApi = (typeof MODEL_APIS)[number];

/** Dollars for a million tokens of one model, by kind. `cacheWrite` is what an entry of five minutes costs. */
export interface Price {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
}

/** What may be spent at most; null: no limit. `tokens` counts input (cached or not) and output. */
export interface Caps {
  readonly usd: number | null;
  readonly tokens: number | null;
}

/** What is or may have been spent. */
export interface Spent {
  readonly usd: number;
  readonly tokens: number;
}

/** All tokens of a usage, whatever they cost. */
export function tokensOf(usage: Usage): number {
  return usage.inputTokens + usage.outputTokens + usage.cacheReadTokens + usage.cacheWriteTokens;
}

/** Something in a patch that a person should look at; `path` is printable UTF-8 (bytes that are not are escaped as `\xNN`). */
export interface Flag {
  readonly code: string;
  readonly path: string;
  readonly detail: string;
}

/** What a patch changes, in files and lines (binary files count no lines). */
export interface PatchSize {
  readonly files: number;
  readonly insertions: number;
  readonly deletions: number;
}

/** How the repository gets into a sandbox: an overlay over the layers of a tree, or a copy of them. */
export const WORKSPACE_KINDS = ['overlay', 'copy'] as const;
export type WorkspaceKind = (typeof WORKSPACE_KINDS)[number];

/** Who says where a sandbox runs: we, among hosts that were named, or an existing Swarm. */
export const UPSTREAMS = ['coordinator', 'direct'] as const;
/** Who makes the connections to model services, and holds the keys: the coordinator, or a host's own gateway. */
export type Upstream = (typeof UPSTREAMS)[number];

export const SANDBOX_KINDS = ['docker', 'swarm'] as const;
export type SandboxKind = (typeof SANDBOX_KINDS)[number];

/** How much a model puts into its answers, from little to much. Not every model takes every one. */
export const EFFORTS = ['low', 'medium', 'high', 'xhigh', 'max'] as const;
export type Effort = (typeof EFFORTS)[number];

/** What agents reach through the gateway: nothing, the model services, or named hosts as well. From tight to loose. */
export const NETWORKS = ['none', 'model', 'allowlist'] as const;
export type Network = (typeof NETWORKS)[number];

/** Per-sandbox resource limits. */
export interface Limits {
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly pids: number;
  readonly diskBytes: number;
}
