/** What a scripted model answers: turns and failures as data, chosen by a list or by a function of the request. */

import type { ModelApi } from '../../../src/types.ts';
import type { Gate } from './gate.ts';

/** A request that reached the server, whatever became of it. */
export interface ReceivedRequest {
  /** From 1, over all requests of the server. */
  readonly n: number;
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** As it came, byte for byte. */
  readonly raw: Buffer;
  /** The JSON of the body; empty where there was none. */
  readonly body: Body;
  /** How its answer ended: sent whole, cut by the script, or left by the client. */
  readonly ended: Promise<'sent' | 'cut' | 'left'>;
}

export type Body = Readonly<Record<string, unknown>>;

/** A request that the model is to answer. */
export interface ModelRequest extends ReceivedRequest {
  readonly api: ModelApi;
  /** From 1, over the requests that models answered. */
  readonly turn: number;
}

/** An id is made up where none is given. A text as input is a call of a custom tool (Responses alone). */
export interface ToolCall {
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>> | string;
  readonly id?: string;
}

export type StopReason =
  | 'end_turn'
  | 'tool_use'
  | 'max_tokens'
  | 'stop_sequence'
  | 'pause_turn'
  | 'refusal'
  | 'compaction'
  | 'model_context_window_exceeded';

/** Tokens; `input` counts what neither came from the cache nor went into it. */
export interface TurnUsage {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
}

/** What happens to a stream after so many events. */
export interface Trouble {
  readonly afterEvents: number;
  /** `cut`: the connection breaks. `raw`: these bytes come between, then it goes on. `error`: the service's error event ends it. */
  readonly how: 'cut' | { readonly raw: string } | { readonly error: string };
}

/** One answer of the model: thinking, then text, then calls. */
export interface Turn {
  readonly thinking?: string;
  /** Several pieces: one event each. */
  readonly text?: string | readonly string[];
  readonly tools?: readonly ToolCall[];
  /** The summary that answers a request for one, and nothing else (Messages alone). */
  readonly compaction?: string;
  /** Default: `compaction` where there is one, `tool_use` where there are calls, else `end_turn`. */
  readonly stop?: StopReason;
  /** In place of what the server counts itself. */
  readonly usage?: Partial<TurnUsage>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Passed before each event. */
  readonly gate?: Gate;
  readonly trouble?: Trouble;
  /** Bytes of a write, to tear lines and characters apart; default: an event. */
  readonly sliceBytes?: number;
}

/** An answer without a model: its body is the service's error form unless `body` says otherwise. */
export interface Failure {
  readonly status: number;
  /** Default: what the service calls that status. */
  readonly type?: string;
  readonly message?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export type Answer = Turn | Failure;
/** A list answers the requests in the order they come; one too many is answered with status 500. */
export type Script = readonly Answer[] | ((request: ModelRequest) => Answer | Promise<Answer>);

export function isFailure(answer: Answer): answer is Failure {
  return 'status' in answer;
}

export async function answerOf(script: Script, request: ModelRequest): Promise<Answer> {
  if (typeof script === 'function') return script(request);
  const answer = script[request.turn - 1];
  return answer ?? { status: 500, message: `the script has ${script.length} answers, this is request ${request.turn}` };
}

/** Each conversation by itself: its n-th answer is the n-th of the list, however many conversations run beside it. */
export function perConversation(answers: readonly Answer[]): Script {
  return (request) => {
    const at = answersSoFar(request);
    return (
      answers[at] ?? { status: 500, message: `the script has ${answers.length} answers, this is number ${at + 1}` }
    );
  };
}

/** How often the model has answered in the conversation that a request goes on with. */
export function answersSoFar({ api, body }: ModelRequest): number {
  if (api === 'anthropic') return items(body.messages).filter(({ role }) => role === 'assistant').length;
  // An answer is a run of items by the model; what it calls is answered by items of the client.
  let answers = 0;
  let isModel = false;
  for (const { type, role } of items(body.input)) {
    const isAnswer = role === 'assistant' || /^(function_call|custom_tool_call|reasoning)$/.test(String(type));
    if (isAnswer && !isModel) answers += 1;
    isModel = isAnswer;
  }
  return answers;
}

/** What people and programs said to the model so far, as one text. */
export function saidTo({ body }: ModelRequest): string {
  const said = [...items(body.messages), ...items(body.input)].filter(({ role }) => role === 'user');
  return said.map(({ content }) => textOf(content)).join('\n');
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  return items(content)
    .map(({ text, content: inner }) => (typeof text === 'string' ? text : inner === undefined ? '' : textOf(inner)))
    .join('\n');
}

/** The objects of a list; none where it is no list. */
export function items(value: unknown): readonly Body[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'object' && one !== null) : [];
}
