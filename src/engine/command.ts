/** Any program as the agent: run by `sh -c` in the workspace; exit code 0 means done. */

import { StringDecoder } from 'node:string_decoder';
import type { OutputChunk } from '../sandbox/sandbox.ts';
import type { ModelApi } from '../types.ts';
import { readerWithUsage } from './command-usage.ts';
import { accountText, earlierText, requestsText } from './earlier.ts';
import type { Access, AgentEvent, AgentProgram, AgentSession, Assignment, Engine, EngineVerdict } from './engine.ts';

/** Where the agent finds its home, and below it what was laid there for it. */
export const HOME = '/home/agent';
export const CONTEXT_FOLDER = '.orchestrate';
const PROMPT_FILE = `${CONTEXT_FOLDER}/prompt.md`;
/** Where the agent finds what is known of its task and what others left, and what it writes to tell others. */
const CONTEXT_DIR = '/context';
/** There, what people want changed of the work that the agent goes on with. */
export const CHANGE_REQUEST = 'change-request.md';
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What every program in a sandbox has. */
export const PLAIN_ENVIRONMENT: Readonly<Record<string, string>> = { HOME, PATH };

export interface CommandOptions {
  /** What `status` and commits show. */
  readonly name: string;
  readonly command: string;
  /** Variables that it sees beside those it always has. */
  readonly env?: CommandEnvironment;
  /** Finds what the command says of its usage; see UsagePattern. */
  readonly usage?: string | undefined;
}

export interface CommandEnvironment {
  /** The gateway's: what each stands for is in GATEWAY_VARIABLES. */
  readonly ofGateway: readonly GatewayVariable[];
  /** Passed on as they are. */
  readonly passed: Readonly<Record<string, string>>;
}

export function commandEngine({ name, command, env, usage }: CommandOptions): Engine {
  const ofGateway = env?.ofGateway ?? [];
  return {
    name,
    apis: [...new Set(ofGateway.map((variable) => GATEWAY_VARIABLES[variable].api))],
    begin: (assignment, access) => {
      const session = shellSession(command, assignment);
      const { program } = session;
      const more = access === null ? {} : Object.fromEntries(ofGateway.map((one) => [one, standIn(one, access)]));
      const read = usage === undefined ? session.read : readerWithUsage(session.read, usage);
      return { ...session, read, program: { ...program, env: { ...env?.passed, ...more, ...program.env } } };
    },
  };
}

/** Variables by which programs find a model service and its key: in a sandbox the gateway, and a token of no other use. */
export const GATEWAY_VARIABLES = {
  ANTHROPIC_BASE_URL: { api: 'anthropic', of: 'url' },
  ANTHROPIC_API_KEY: { api: 'anthropic', of: 'token' },
  ANTHROPIC_AUTH_TOKEN: { api: 'anthropic', of: 'token' },
  OPENAI_BASE_URL: { api: 'openai', of: 'versioned-url' },
  OPENAI_API_KEY: { api: 'openai', of: 'token' },
} as const satisfies Record<string, { readonly api: ModelApi; readonly of: 'url' | 'versioned-url' | 'token' }>;
export type GatewayVariable = keyof typeof GATEWAY_VARIABLES;

export function isGatewayVariable(name: string): name is GatewayVariable {
  return name in GATEWAY_VARIABLES;
}

function standIn(variable: GatewayVariable, access: Access): string {
  const { of } = GATEWAY_VARIABLES[variable];
  if (of === 'token') return access.token;
  return of === 'url' ? access.url : `${access.url}/v1`;
}

/** A session of `sh -c command`: what it prints is text, exit code 0 means done. */
export function shellSession(command: string, assignment: Assignment): AgentSession {
  return { program: shellProgram(command, assignment), read: textReader(), verdict: exitCodeVerdict };
}

/** Reads output as plain text; a character may be cut by the end of a chunk. */
function textReader(): (chunk: OutputChunk) => readonly AgentEvent[] {
  const decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  return ({ stream, data }) => [{ type: 'text', stream, text: decoders[stream].write(data) }];
}

/** `sh -c command` with the environment that `--engine-command` promises. */
export function shellProgram(command: string, assignment: Assignment): AgentProgram {
  return { argv: ['/bin/sh', '-c', command], oneStream: true, ...contextOf(assignment) };
}

/** What every agent finds in its environment and home, whichever program it is. */
export function contextOf(assignment: Assignment): Pick<AgentProgram, 'env' | 'homeFiles' | 'contextFiles'> {
  const { specialist, earlier } = assignment;
  const requests = requestsText(earlier?.requests ?? []);
  return {
    env: {
      ORCHESTRATE_TASK_ID: assignment.task,
      ORCHESTRATE_ATTEMPT: String(assignment.attempt),
      ORCHESTRATE_ROLE: assignment.role,
      ORCHESTRATE_PROMPT_FILE: `${HOME}/${PROMPT_FILE}`,
      ORCHESTRATE_CONTEXT_DIR: CONTEXT_DIR,
      ...PLAIN_ENVIRONMENT,
    },
    homeFiles: [{ path: PROMPT_FILE, content: Buffer.from(filePromptOf(assignment)), mode: 0o644 }],
    contextFiles: [
      { name: 'task.md', content: Buffer.from(taskOf(assignment)) },
      ...(specialist === undefined ? [] : [{ name: 'role.md', content: Buffer.from(`${specialist.prompt}\n`) }]),
      ...(requests === '' ? [] : [{ name: CHANGE_REQUEST, content: Buffer.from(requests) }]),
      ...(earlier === undefined ? [] : [{ name: 'earlier.md', content: Buffer.from(accountText(earlier)) }]),
    ],
  };
}

function exitCodeVerdict(exitCode: number): EngineVerdict {
  if (exitCode === 0) return { done: true, summary: null };
  return { done: false, reason: exitReason('the command', exitCode) };
}

/** Why a program that ended so did not do its work. */
export function exitReason(program: string, exitCode: number): string {
  if (exitCode === 127) return `${program} was not found in the image (exit code 127)`;
  if (exitCode > 128 && exitCode < 160) return `${program} was ended by signal ${exitCode - 128}`;
  return `${program} ended with exit code ${exitCode}`;
}

/** What a model is told: the task, what was done before, then what others left and how to tell them something. */
export function promptOf(assignment: Assignment): string {
  const { notes = null, earlier } = assignment;
  const before = earlier === undefined ? [] : [earlierText(earlier)];
  const parts = [taskOf(assignment), ...before, ...(notes === null ? [] : [notes]), HOW_TO_SHARE];
  return parts.join('\n');
}

const HOW_TO_SHARE = `(Notes of other agents are in ${CONTEXT_DIR}/notes.md, which grows while you work. What would save them time you can tell them with a file in ${CONTEXT_DIR}/outbox, one fact per file. Do this only where it helps; the task above is what counts.)
`;

/** The task and what people want changed, then what others said as comments: a program may run the file as a script. */
function filePromptOf(assignment: Assignment): string {
  const { notes = null, earlier } = assignment;
  const requests = requestsText(earlier?.requests ?? []);
  const parts = [
    taskOf(assignment),
    ...(requests === '' ? [] : [requests]),
    ...(earlier === undefined ? [] : [asComments(accountText(earlier))]),
    ...(notes === null ? [] : [asComments(notes)]),
  ];
  return parts.join('\n');
}

function asComments(text: string): string {
  const lines = text.trimEnd().split('\n');
  return `${lines.map((line) => `# ${line}`.trimEnd()).join('\n')}\n`;
}

/** The task alone: its title as a heading, unless the description begins with it. */
function taskOf(assignment: Assignment): string {
  const { title, description } = assignment;
  return description.startsWith(title) ? `${description}\n` : `# ${title}\n\n${description}\n`;
}
