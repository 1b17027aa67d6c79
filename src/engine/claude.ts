/**
 * The `claude` CLI (Claude Code) as the sandbox's main process. It ends with a `result` event whose `is_error` tells whether it
 * did its work: `subtype` says `success` for errors of the model service as well, and the exit code 0 proves nothing.
 */

import { z } from 'zod';
import { NO_USAGE, type Usage } from '../types.ts';
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
  OpenCalls,
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

export interface ClaudeOptions extends CliOptions {
  /** Requests to the model that answer one another; null: no limit. */
  readonly maxTurns: number | null;
}

const PROGRAM = 'claude';

/**
 * What makes no sense in a sandbox: the web (there is none), whoever is asked or woken later, other folders than the workspace
 * and other sessions than this. They would be 15 kB of every request.
 */
const USELESS_TOOLS = [
  'AskUserQuestion',
  'CronCreate',
  'CronDelete',
  'CronList',
  'EnterWorktree',
  'ExitWorktree',
  'ListAgents',
  'Monitor',
  'ReportFindings',
  'ScheduleWakeup',
  'SendMessage',
  'WebFetch',
  'WebSearch',
  'Workflow',
];

const AGENT_FLAGS: readonly string[] = [
  '--dangerously-skip-permissions',
  ...['--disallowed-tools', USELESS_TOOLS.join(',')],
];
const READING_TOOLS = 'Read,Grep,Glob';

export function claudeTranscript(): TranscriptReader {
  return cliTranscript(new ClaudeReader());
}

export function claudeEngine(options: ClaudeOptions): Engine {
  return {
    name: PROGRAM,
    apis: ['anthropic'],
    goesOn: true,
    programs: [PROGRAM],
    begin: (assignment, access) => {
      const program = claudeProgram(options, assignment, requireAccess(PROGRAM, access), AGENT_FLAGS);
      return cliSession(PROGRAM, program, new ClaudeReader());
    },
  };
}

/** Asks it, with tools that only read, for an answer of this form. */
export function claudeQuestion(
  options: ClaudeOptions,
  assignment: Assignment,
  access: Access,
  schema: AnswerSchema,
): QuestionSession {
  const flags = ['--permission-mode', 'dontAsk', '--tools', READING_TOOLS, '--json-schema', JSON.stringify(schema)];
  return cliSession(PROGRAM, claudeProgram(options, assignment, access, flags), new ClaudeReader());
}

function claudeProgram(
  options: ClaudeOptions,
  assignment: Assignment,
  access: Access,
  flags: readonly string[],
): AgentProgram {
  const { specialist } = assignment;
  const roleFile = specialist === undefined ? null : homeFile('role.md', specialist.prompt);
  const tools = specialist?.tools ?? null;
  return cliProgram(assignment, {
    argv: [
      PROGRAM,
      '-p',
      ...['--output-format', 'stream-json', '--verbose'],
      ...flags,
      // Servers that a repository names could not be reached; waiting for them takes long.
      '--strict-mcp-config',
      // Holds for agents of the agent too; names that it does not know are passed over.
      ...(tools === null ? [] : ['--tools', tools.join(',')]),
      ...(options.model === null ? [] : ['--model', options.model]),
      ...(options.effort === null ? [] : ['--effort', options.effort]),
      ...(options.maxTurns === null ? [] : ['--max-turns', String(options.maxTurns)]),
      ...(roleFile === null ? [] : ['--append-system-prompt-file', roleFile.at]),
    ],
    env: {
      ANTHROPIC_BASE_URL: access.url,
      ANTHROPIC_AUTH_TOKEN: access.token,
      // Without it the settings in a repository could name another base URL and token.
      CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST: '1',
      CLAUDE_CONFIG_DIR: `${HOME}/${CONTEXT_FOLDER}/claude`,
      // It would begin every prompt with a mark of the task: agents could not share what is the same in all of them.
      CLAUDE_CODE_ATTRIBUTION_HEADER: '0',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      CLAUDE_CODE_DISABLE_AUTO_MEMORY: '1',
      DISABLE_AUTOUPDATER: '1',
      DISABLE_ERROR_REPORTING: '1',
      DISABLE_TELEMETRY: '1',
      API_TIMEOUT_MS: String(PATIENCE_MS),
      // No answer for five minutes would count as a broken connection; to know that is the gateway's part.
      API_FORCE_IDLE_TIMEOUT: '0',
    },
    homeFiles: roleFile === null ? [] : [roleFile],
  });
}

const tokens = z.number().nullish().default(0);

const Assistant = z.object({
  message: z.object({
    id: z.string().max(MAX_ID),
    content: z.array(z.looseObject({ type: z.string() })),
    usage: z
      .object({
        input_tokens: tokens,
        output_tokens: tokens,
        cache_read_input_tokens: tokens,
        cache_creation_input_tokens: tokens,
      })
      .nullish(),
  }),
});

const Answered = z.object({ message: z.object({ content: z.array(z.looseObject({ type: z.string() })) }) });

const ToolAnswer = z.object({
  tool_use_id: z.string().max(MAX_ID),
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string(), text: z.string().nullish() }))]).nullish(),
  is_error: z.boolean().nullish(),
});

const Retry = z.object({
  attempt: z.number(),
  max_retries: z.number(),
  error_status: z.number().nullish(),
  error: z.string().nullish(),
});

const Result = z.object({
  subtype: z.string(),
  is_error: z.boolean(),
  result: z.string().nullish(),
  /** Where an answer of a form was asked for. */
  structured_output: z.unknown().optional(),
  errors: z.array(z.string()).nullish(),
  stop_reason: z.string().nullish(),
  api_error_status: z.number().nullish(),
  total_cost_usd: z.number().nullish(),
  /** By model, of the whole session, what agents of the agent used included. */
  modelUsage: z
    .record(
      z.string(),
      z.object({
        inputTokens: tokens,
        outputTokens: tokens,
        cacheReadInputTokens: tokens,
        cacheCreationInputTokens: tokens,
      }),
    )
    .nullish(),
});
type ResultEvent = z.infer<typeof Result>;

class ClaudeReader implements CliReader {
  /** One message is told several times, piece by piece. */
  readonly #messages = new Recent();
  readonly #calls = new OpenCalls();
  #used: Usage = NO_USAGE;
  #isWorking = false;
  #result: ResultEvent | null = null;

  read(value: Readonly<Record<string, unknown>>): readonly AgentEvent[] {
    if (value.type === 'assistant') return this.#assistant(value);
    if (value.type === 'user') return this.#answered(value);
    if (value.type === 'system' && value.subtype === 'api_retry') return retryEvents(value);
    if (value.type === 'result') return this.#ended(value);
    return [];
  }

  verdict(): EngineVerdict | null {
    if (this.#result === null) return null;
    if (this.#result.is_error) return { done: false, reason: failureOf(this.#result) };
    if (!this.#isWorking) return { done: false, reason: NOTHING_DONE };
    return { done: true, summary: summaryOf(this.#result.result ?? '') };
  }

  answer(): string {
    const { structured_output: answer, result } = this.#result ?? {};
    return answer === undefined || answer === null ? (result ?? '') : JSON.stringify(answer);
  }

  #assistant(value: Readonly<Record<string, unknown>>): readonly AgentEvent[] {
    const parsed = Assistant.safeParse(value);
    if (!parsed.success) return [];
    const { id, content, usage } = parsed.data.message;
    if (content.length > 0) this.#isWorking = true;
    const events = content.flatMap(contentEvents);
    for (const block of content) this.#remember(block);
    if (usage === null || usage === undefined || !this.#messages.isNew(id)) return events;
    this.#used = sum([
      this.#used,
      {
        inputTokens: usage.input_tokens ?? 0,
        outputTokens: usage.output_tokens ?? 0,
        cacheReadTokens: usage.cache_read_input_tokens ?? 0,
        cacheWriteTokens: usage.cache_creation_input_tokens ?? 0,
        usd: null,
      },
    ]);
    return [...events, usageEvent(this.#used)];
  }

  #remember({ type, id, name, input }: Readonly<Record<string, unknown>>): void {
    if (type !== 'tool_use' || typeof id !== 'string' || typeof name !== 'string') return;
    this.#calls.open(id, { tool: name, detail: detailOf(input), input: JSON.stringify(input ?? null) });
  }

  #answered(value: Readonly<Record<string, unknown>>): readonly AgentEvent[] {
    const blocks = Answered.safeParse(value).data?.message.content ?? [];
    return blocks.flatMap((block) => {
      const { data } = ToolAnswer.safeParse(block.type === 'tool_result' ? block : null);
      if (data === undefined) return [];
      const { content } = data;
      const output = typeof content === 'string' ? content : (content ?? []).map(({ text }) => text ?? '').join('\n');
      return this.#calls.close(data.tool_use_id, { failed: data.is_error === true, output });
    });
  }

  #ended(value: Readonly<Record<string, unknown>>): readonly AgentEvent[] {
    const parsed = Result.safeParse(value);
    if (!parsed.success) return [];
    this.#result = parsed.data;
    const models = Object.values(parsed.data.modelUsage ?? {}).map((model) => ({
      inputTokens: model.inputTokens ?? 0,
      outputTokens: model.outputTokens ?? 0,
      cacheReadTokens: model.cacheReadInputTokens ?? 0,
      cacheWriteTokens: model.cacheCreationInputTokens ?? 0,
      usd: null,
    }));
    return [usageEvent({ ...sum(models), usd: parsed.data.total_cost_usd ?? null })];
  }
}

function sum(usages: readonly Usage[]): Usage {
  return usages.reduce(
    (all, one) => ({
      inputTokens: all.inputTokens + one.inputTokens,
      outputTokens: all.outputTokens + one.outputTokens,
      cacheReadTokens: all.cacheReadTokens + one.cacheReadTokens,
      cacheWriteTokens: all.cacheWriteTokens + one.cacheWriteTokens,
      usd: null,
    }),
    NO_USAGE,
  );
}

function contentEvents(block: Readonly<Record<string, unknown>>): readonly AgentEvent[] {
  if (block.type === 'text' && typeof block.text === 'string') return [said(block.text)];
  if (block.type === 'tool_use' && typeof block.name === 'string')
    return [toolEvent(block.name, detailOf(block.input))];
  return [];
}

/** What says most of a call: its command, file, pattern or purpose; else all of its input. */
function detailOf(input: unknown): string {
  if (typeof input !== 'object' || input === null) return '';
  const fields = input as Readonly<Record<string, unknown>>;
  const telling = [fields.command, fields.file_path, fields.notebook_path, fields.pattern, fields.description];
  return telling.find((field) => typeof field === 'string') ?? JSON.stringify(input);
}

function retryEvents(value: Readonly<Record<string, unknown>>): readonly AgentEvent[] {
  const parsed = Retry.safeParse(value);
  if (!parsed.success) return [];
  const { attempt, max_retries: most, error_status: status, error } = parsed.data;
  const what = status === null || status === undefined ? (error ?? 'no connection') : `status ${status}`;
  const text = `the model service failed (${what}): try ${attempt} of ${most} follows\n`;
  return [{ type: 'text', stream: 'stderr', text }];
}

function failureOf(result: ResultEvent): string {
  if (result.subtype === 'error_max_turns')
    return `claude was stopped: ${reasonOf(result.errors?.[0] ?? 'too many turns')}`;
  const text = reasonOf(
    (result.result ?? result.errors?.join('; ') ?? result.subtype)
      .replace(/^Failed to authenticate\. /, '')
      .replace(/^API Error: (?:\d{3} )?/, ''),
  );
  const status = result.api_error_status ?? null;
  if (result.stop_reason === 'refusal') return `the model refused the task: ${text}`;
  if (status !== null) return `the model service answered with status ${status}: ${text}`;
  return `claude gave up: ${text}`;
}
