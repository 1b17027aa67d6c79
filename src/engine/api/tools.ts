/**
 * The tools of an agent, always the same in the same order: they stand at the very beginning of the prompt. Two are done
 * in the sandbox, as calls with numbers that were given and saved before; the others here.
 */

import type { BetaRunnableTool, BetaToolRunContext } from '@anthropic-ai/sdk/lib/tools/BetaRunnableTool';
import { ToolError } from '@anthropic-ai/sdk/lib/tools/ToolError';
import type { BetaContentBlock, BetaToolUseBlock } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import type { ToolAnswer, ToolCall } from '../../toolbox/toolbox.ts';
import type { AttemptId } from '../../types.ts';
import type { Drive } from '../engine.ts';
import type { Notes } from './notes.ts';

/** Calls of one answer that are done in the sandbox; the toolbox keeps this many answers. */
const MAX_CALLS = 50;
/** Characters of all tool results of one answer together, about 100,000 tokens. */
const MAX_RESULTS = 400_000;
/** Bytes of a call's input; a frame of the session to the sandbox holds little more. */
const MAX_INPUT = 900_000;
const MAX_DETAIL = 200;
/** How the answer to a command ends that did not end with 0. */
const EXIT_CODE = /\[exit code \d+\]$/;

const SANDBOX_TOOLS: Readonly<Record<string, ToolCall['tool']>> = { bash: 'bash', str_replace_based_edit_tool: 'edit' };

export interface ToolSurroundings {
  readonly work: Drive;
  readonly notes: Notes;
  /** Milliseconds that a call in the sandbox may take. */
  readonly timeoutMs: number;
  readonly attempt: AttemptId;
  /** Why a call is not for this agent; null: it is. */
  refusalOf(call: Pick<ToolCall, 'tool' | 'input'>): string | null;
}

/** Numbers for the calls of an answer that go into the sandbox. */
export function numberCalls(content: readonly BetaContentBlock[], next: number): Readonly<Record<string, number>> {
  const calls = content.filter(
    (block): block is BetaToolUseBlock => block.type === 'tool_use' && Object.hasOwn(SANDBOX_TOOLS, block.name),
  );
  return Object.fromEntries(calls.slice(0, MAX_CALLS).map(({ id }, at) => [id, next + at]));
}

/** What the tools of one answer do; made anew for each answer. */
export class Tools {
  readonly list: readonly BetaRunnableTool[];
  /** What kept a call from being made: none of the model's business. */
  fault: Error | null = null;
  summary: string | null = null;
  readonly #at: ToolSurroundings;
  #calls: Readonly<Record<string, number>> = {};
  #room = MAX_RESULTS;
  /** The sandbox takes calls in the order of their numbers. */
  #previous: Promise<unknown> = Promise.resolve();

  constructor(surroundings: ToolSurroundings) {
    this.#at = surroundings;
    this.list = [
      { type: 'bash_20250124', name: 'bash', parse: asObject, run: this.#inSandbox },
      { type: 'text_editor_20250728', name: 'str_replace_based_edit_tool', parse: asObject, run: this.#inSandbox },
      {
        name: 'share_note',
        description:
          'Tells the other engineers of this run one fact that saves them time or keeps their work from breaking.',
        input_schema: textSchema('text', 'One or two sentences that stand by themselves.'),
        parse: asObject,
        run: (input, context) => this.#share(textOf(input, 'text'), context),
      },
      {
        name: 'read_notes',
        description: 'Gives the notes that the other engineers of this run shared so far.',
        input_schema: { type: 'object', properties: {}, additionalProperties: false },
        parse: asObject,
        run: () => this.#read(),
      },
      {
        name: 'finish',
        description: 'Ends the task. To be called once, when all of the work is done and checked.',
        input_schema: textSchema(
          'summary',
          'For the reviewer: what was changed and why, what was checked, what is open.',
        ),
        parse: asObject,
        run: (input) => this.#finish(textOf(input, 'summary')),
      },
    ];
  }

  /** For the tool calls of the next answer. */
  begin(calls: Readonly<Record<string, number>>): void {
    this.#calls = calls;
    this.#room = MAX_RESULTS;
  }

  readonly #inSandbox = async (input: Input, context?: BetaToolRunContext): Promise<string> => {
    const { id = '', name = '' } = context?.toolUse ?? {};
    const n = this.#calls[id];
    const tool = SANDBOX_TOOLS[name];
    if (n === undefined || tool === undefined) {
      throw new ToolError(`not done: more than ${MAX_CALLS} calls at once. Call it again`);
    }
    const answer = this.#previous.then(() => this.#call({ n, tool, input, timeoutMs: this.#at.timeoutMs }));
    this.#previous = answer.catch(() => {});
    const { text, isError } = await answer;
    const shown = this.#fitted(text);
    if (isError) throw new ToolError(shown);
    return shown;
  };

  async #call(call: ToolCall): Promise<ToolAnswer> {
    const { work, refusalOf } = this.#at;
    if (this.fault !== null) throw this.fault;
    work.emit({ type: 'tool', tool: call.tool, detail: detailOf(call) });
    const tooBig = Buffer.byteLength(JSON.stringify(call.input)) > MAX_INPUT;
    const refusal = refusalOf(call) ?? (tooBig ? 'the input is too big, do it in pieces' : null);
    try {
      // Its number is used all the same: what was saved says that this call is made.
      const answer = await work.toolbox.call(refusal === null ? call : { ...call, input: {} }, work.signal);
      const { text, isError } = refusal === null ? answer : { text: `not done: ${refusal}`, isError: true };
      work.emit({
        ...{ type: 'result', tool: call.tool, detail: detailOf(call), input: JSON.stringify(call.input) },
        ...{ failed: isError || EXIT_CODE.test(text), output: text },
      });
      return { text, isError };
    } catch (error) {
      this.fault = error instanceof Error ? error : new Error(String(error));
      throw this.fault;
    }
  }

  async #share(text: string, context?: BetaToolRunContext): Promise<string> {
    const { attempt, notes } = this.#at;
    const refused = await notes.share({ id: `${attempt}/${context?.toolUse.id ?? ''}`, attempt, text });
    if (refused !== null) throw new ToolError(`not shared: the note ${refused}`);
    return 'shared';
  }

  async #read(): Promise<string> {
    const notes = await this.#at.notes.read(this.#at.attempt);
    return notes === null ? 'there are no notes yet' : this.#fitted(notes);
  }

  #finish(summary: string): string {
    this.summary = summary;
    return 'done';
  }

  /** Results of one answer must fit into the conversation together. */
  #fitted(text: string): string {
    const room = Math.max(this.#room, 2_000);
    this.#room -= text.length;
    if (text.length <= room) return text;
    const half = Math.floor(room / 2);
    const left = text.length - 2 * half;
    return `${text.slice(0, half)}\n[… ${left} characters left out: the results of this turn are too long together …]\n${text.slice(-half)}`;
  }
}

type Input = Readonly<Record<string, unknown>>;

function asObject(input: unknown): Input {
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) return { ...input };
  throw new ToolError('the input is not an object');
}

function textOf(input: Input, field: string): string {
  const value = input[field];
  if (typeof value === 'string' && value.trim() !== '') return value;
  throw new ToolError(`${field} is missing or empty`);
}

function textSchema(field: string, description: string) {
  return {
    type: 'object' as const,
    properties: { [field]: { type: 'string', description } },
    required: [field],
    additionalProperties: false,
  };
}

/** One line for people. */
function detailOf({ tool, input }: ToolCall): string {
  const { command, path, restart } = input;
  const line = tool === 'edit' ? `${command} ${path}` : restart === true ? 'restart' : String(command);
  const flat = line.replace(/\s+/g, ' ').trim();
  return flat.length > MAX_DETAIL ? `${flat.slice(0, MAX_DETAIL)}…` : flat;
}
