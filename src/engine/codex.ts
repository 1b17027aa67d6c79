/**
 * The `codex` CLI as the sandbox's main process. It ends with `turn.completed` even where the model said nothing at all: done
 * means that it also did something. `error` events alone mean little, they tell of retries too.
 */

import { z } from 'zod';
import type { HomeFile } from '../sandbox/sandbox.ts';
import {
  type AnswerSchema,
  type CliOptions,
  type CliReader,
  cliProgram,
  cliSession,
  cliTranscript,
  homeFile,
  MAX_ID,
  NOTHING_DONE,
  PATIENCE_MS,
  type QuestionSession,
  Recent,
  reasonOf,
  requireAccess,
  said,
  summaryOf,
  type TranscriptReader,
  toolEvent,
  usageEvent,
} from './cli.ts';
import { CONTEXT_FOLDER, HOME } from './command.ts';
import type { Access, AgentEvent, AgentProgram, Assignment, Engine, EngineVerdict } from './engine.ts';

const PROGRAM = 'codex';
/** Its own provider `openai` cannot be given another base URL (openai/codex#11698). */
const PROVIDER = 'orchestrate';
const TOKEN_VARIABLE = 'ORCHESTRATE_MODEL_TOKEN';
/** Must exist when codex starts: the configuration is laid into it. */
const CODEX_HOME = 'codex';
/** By any of them a role may change files. */
const WRITING_TOOLS = ['Write', 'Edit', 'MultiEdit', 'NotebookEdit', 'Bash'];

export function codexTranscript(): TranscriptReader {
  return cliTranscript(new CodexReader());
}

export function codexEngine(options: CliOptions): Engine {
  return {
    name: PROGRAM,
    apis: ['openai'],
    goesOn: true,
    programs: [PROGRAM],
    begin: (assignment, access) => {
      const program = codexProgram(options, assignment, requireAccess(PROGRAM, access));
      return cliSession(PROGRAM, program, new CodexReader());
    },
  };
}

/** Asks it for an answer of this form. It has its tools, all of them: what it must not write has to be out of its reach. */
export function codexQuestion(
  options: CliOptions,
  assignment: Assignment,
  access: Access,
  schema: AnswerSchema,
): QuestionSession {
  return cliSession(PROGRAM, codexProgram(options, assignment, access, schema), new CodexReader());
}

function codexProgram(
  options: CliOptions,
  assignment: Assignment,
  access: Access,
  schema: AnswerSchema | null = null,
): AgentProgram {
  const form = schema === null ? null : homeFile('answer.json', JSON.stringify(schema));
  return cliProgram(assignment, {
    argv: [
      ...[PROGRAM, 'exec', '--json', '--skip-git-repo-check'],
      // Its own sandbox cannot be made inside of ours, and every command would fail in it.
      '--dangerously-bypass-approvals-and-sandbox',
      ...(form === null ? [] : ['--output-schema', form.at]),
      '-',
    ],
    env: {
      CODEX_HOME: `${HOME}/${CONTEXT_FOLDER}/${CODEX_HOME}`,
      [TOKEN_VARIABLE]: access.token,
    },
    homeFiles: [configuration(options, assignment, access), ...(form === null ? [] : [form])],
  });
}

/** Configuration of a repository does not count beside it: codex takes that only from projects that a person trusted. */
function configuration(options: CliOptions, { specialist }: Assignment, { url }: Access): HomeFile {
  const prompt = specialist === undefined ? null : instructionsOf(specialist);
  const lines = [
    ...(options.model === null ? [] : [`model = ${toml(options.model)}`]),
    `model_provider = ${toml(PROVIDER)}`,
    ...(options.effort === null ? [] : [`model_reasoning_effort = ${toml(options.effort)}`]),
    ...(prompt === null ? [] : [`developer_instructions = ${toml(prompt)}`]),
    'web_search = "disabled"',
    'check_for_update_on_startup = false',
    // Sending them takes five seconds at the end of every run where there is no network.
    '[analytics]',
    'enabled = false',
    `[model_providers.${PROVIDER}]`,
    `name = ${toml(PROVIDER)}`,
    `base_url = ${toml(`${url}/v1`)}`,
    `env_key = ${toml(TOKEN_VARIABLE)}`,
    'wire_api = "responses"',
    `stream_idle_timeout_ms = ${PATIENCE_MS}`,
  ];
  return homeFile(`${CODEX_HOME}/config.toml`, `${lines.join('\n')}\n`);
}

/** Its tools cannot be chosen one by one: a role that has not all of them is told so, and not held to it. */
function instructionsOf({ prompt, tools }: NonNullable<Assignment['specialist']>): string {
  if (tools === null) return prompt;
  const named = tools.length === 0 ? 'none' : tools.join(', ');
  const limits = [
    ...(tools.includes('Bash') ? [] : ['run nothing but commands that read or search files']),
    ...(WRITING_TOOLS.some((tool) => tools.includes(tool)) ? [] : ['change no file']),
  ];
  const meaning = limits.length === 0 ? '' : ` Here that means: ${limits.join(', and ')}.`;
  return `${prompt}\n\nThe tools of your role, by their usual names: ${named}.${meaning}`;
}

/** A TOML basic string: JSON's but for DEL. */
function toml(text: string): string {
  return JSON.stringify(text).replaceAll('\u007f', '\\u007f');
}

const tokens = z.number().nullish().default(0);

const Item = z.object({ item: z.looseObject({ id: z.string().max(MAX_ID), type: z.string() }) });
type ItemFields = z.infer<typeof Item>['item'];

const Completed = z.object({
  /** Of the whole session; `input_tokens` includes what came from the cache. */
  usage: z.object({ input_tokens: tokens, cached_input_tokens: tokens, output_tokens: tokens }).nullish(),
});

const Failed = z.object({ error: z.object({ message: z.string() }) });
const Complaint = z.object({ message: z.string() });

/** Items in which codex tells of itself rather than of work. */
const NO_WORK = ['error', 'reasoning', 'todo_list'];

class CodexReader implements CliReader {
  /** An item is told when it starts and when it ends. */
  readonly #shown = new Recent();
  #end: EngineVerdict | null = null;
  #isWorking = false;
  #lastMessage = '';

  read(value: Readonly<Record<string, unknown>>): readonly AgentEvent[] {
    switch (value.type) {
      case 'item.started':
      case 'item.completed':
        return this.#item(value);
      case 'turn.completed':
        return this.#completed(value);
      case 'turn.failed': {
        const { data } = Failed.safeParse(value);
        this.#end = { done: false, reason: failureOf(data?.error.message ?? 'its turn failed') };
        return [];
      }
      case 'error': {
        const { data } = Complaint.safeParse(value);
        return data === undefined ? [] : [complaint(data.message)];
      }
      default:
        return [];
    }
  }

  verdict(): EngineVerdict | null {
    return this.#end;
  }

  answer(): string {
    return this.#lastMessage;
  }

  #item(value: Readonly<Record<string, unknown>>): readonly AgentEvent[] {
    const { data } = Item.safeParse(value);
    if (data === undefined) return [];
    const { item } = data;
    if (!NO_WORK.includes(item.type)) this.#isWorking = true;
    if (item.type === 'agent_message' && typeof item.text === 'string') {
      this.#lastMessage = item.text;
      return [said(item.text)];
    }
    if (item.type === 'error' && typeof item.message === 'string') return [complaint(item.message)];
    const events = toolEvents(item);
    const results = value.type === 'item.completed' ? events.flatMap((event) => resultEvents(item, event)) : [];
    return this.#shown.isNew(item.id) ? [...events, ...results] : results;
  }

  #completed(value: Readonly<Record<string, unknown>>): readonly AgentEvent[] {
    this.#end = this.#isWorking
      ? { done: true, summary: summaryOf(this.#lastMessage) }
      : { done: false, reason: NOTHING_DONE };
    const usage = Completed.safeParse(value).data?.usage;
    if (usage === null || usage === undefined) return [];
    const cached = usage.cached_input_tokens ?? 0;
    return [
      usageEvent({
        inputTokens: Math.max(0, (usage.input_tokens ?? 0) - cached),
        outputTokens: usage.output_tokens ?? 0,
        cacheReadTokens: cached,
        cacheWriteTokens: 0,
        usd: null,
      }),
    ];
  }
}

function toolEvents(item: ItemFields): readonly AgentEvent[] {
  const text = (field: unknown): string => (typeof field === 'string' ? field : '');
  switch (item.type) {
    case 'command_execution':
      return [toolEvent('shell', unwrapped(text(item.command)))];
    case 'file_change':
      return [toolEvent('edit', changedPaths(item.changes))];
    case 'mcp_tool_call':
      return [toolEvent(text(item.tool), JSON.stringify(item.arguments ?? {}))];
    case 'web_search':
      return [toolEvent('web_search', text(item.query))];
    default:
      return [];
  }
}

/** What became of an item that was told as this call. */
function resultEvents(item: ItemFields, call: AgentEvent): readonly AgentEvent[] {
  if (call.type !== 'tool') return [];
  const { tool, detail } = call;
  const failed = item.status === 'failed' || (typeof item.exit_code === 'number' && item.exit_code !== 0);
  const output = typeof item.aggregated_output === 'string' ? item.aggregated_output : '';
  // Of changes it tells which files, and not what was changed in them.
  const input = item.type === 'command_execution' ? String(item.command) : null;
  return [{ type: 'result', tool, detail, input, failed, output }];
}

/** Without the shell that codex puts around a command, quoted in whichever way. */
function unwrapped(command: string): string {
  const script = /^\S*sh -l?c ([\s\S]*)$/.exec(command)?.[1];
  if (script === undefined) return command;
  const quote = script.at(0);
  if (script.length < 2 || quote !== script.at(-1)) return script;
  const inside = script.slice(1, -1);
  if (quote === '"') return inside.replace(/\\(["\\$`])/g, '$1');
  return quote === "'" ? inside.replaceAll("'\\''", "'") : script;
}

function changedPaths(changes: unknown): string {
  if (!Array.isArray(changes)) return '';
  return changes.map((change: { path?: unknown }) => String(change.path)).join(', ');
}

function complaint(message: string): AgentEvent {
  return { type: 'text', stream: 'stderr', text: `${reasonOf(message)}\n` };
}

function failureOf(message: string): string {
  const answered = /^unexpected status (\d{3})[^:]*: ([\s\S]*?)(?:, url: \S+)?(?:, request id: \S+)?$/.exec(message);
  if (answered === null) return `codex gave up: ${reasonOf(message)}`;
  return `the model service answered with status ${answered[1]}: ${reasonOf(answered[2] ?? '')}`;
}
