/** OpenAI Responses: events, whole responses and errors. */

import { type Body, items, type Turn, type TurnUsage } from './script.ts';
import { piecesOf, type ServerEvent, type Service, type Telling } from './service.ts';

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'invalid_request_error',
  403: 'invalid_request_error',
  429: 'rate_limit_exceeded',
};
const ERROR_CODES: Readonly<Record<number, string>> = { 401: 'invalid_api_key', 429: 'rate_limit_exceeded' };

export const openai: Service = {
  problemOf: (body) => {
    if (typeof body.model !== 'string') return "Missing required parameter: 'model'.";
    if (typeof body.input !== 'string' && items(body.input).length === 0) return "Missing required parameter: 'input'.";
    return null;
  },
  cached: (cache, body) => cache.responses(body),
  events,
  whole,
  error: (status, type, message) => ({
    error: {
      message,
      type: type ?? ERROR_TYPES[status] ?? 'server_error',
      param: null,
      code: ERROR_CODES[status] ?? null,
    },
  }),
  errorEvent: (message) => ({
    event: 'response.failed',
    data: {
      type: 'response.failed',
      sequence_number: 0,
      response: { id: 'resp_test', object: 'response', status: 'failed', error: { code: 'server_error', message } },
    },
  }),
};

function events(telling: Telling): readonly ServerEvent[] {
  const { turn, n } = telling;
  const final = whole(telling);
  const begun = { ...final, status: 'in_progress', output: [], usage: null, incomplete_details: null };
  const told: Body[] = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
  ];
  for (const [index, item] of itemsOf(turn, n).entries()) {
    told.push({ type: 'response.output_item.added', output_index: index, item: emptied(item) });
    for (const event of deltasOf(item, turn)) told.push({ ...event, item_id: item.id, output_index: index });
    told.push({ type: 'response.output_item.done', output_index: index, item });
  }
  told.push({ type: final.status === 'incomplete' ? 'response.incomplete' : 'response.completed', response: final });
  return told.map((data, at) => ({ event: String(data.type), data: { ...data, sequence_number: at } }));
}

function whole({ turn, usage, body, n }: Telling): Body {
  const isCut = turn.stop === 'max_tokens';
  return {
    id: `resp_test_${n}`,
    object: 'response',
    created_at: 1_700_000_000 + n,
    status: isCut ? 'incomplete' : 'completed',
    error: null,
    incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
    model: body.model,
    output: itemsOf(turn, n),
    usage: usageOf(usage),
  };
}

function usageOf({ input, output, cacheRead, cacheWrite }: TurnUsage): Body {
  const all = input + cacheRead + cacheWrite;
  return {
    input_tokens: all,
    input_tokens_details: { cached_tokens: cacheRead },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: all + output,
  };
}

function itemsOf(turn: Turn, n: number): readonly Body[] {
  const made: Body[] = [];
  if (turn.thinking !== undefined) {
    made.push({ type: 'reasoning', id: `rs_test_${n}`, summary: [{ type: 'summary_text', text: turn.thinking }] });
  }
  const text = piecesOf(turn).join('');
  if (text !== '') {
    const content =
      turn.stop === 'refusal' ? { type: 'refusal', refusal: text } : { type: 'output_text', text, annotations: [] };
    made.push({ type: 'message', id: `msg_test_${n}`, status: 'completed', role: 'assistant', content: [content] });
  }
  for (const [at, { id, name, input }] of (turn.tools ?? []).entries()) {
    const call = { call_id: id ?? `call_test_${n}_${at + 1}`, name, status: 'completed' };
    if (typeof input === 'string')
      made.push({ type: 'custom_tool_call', id: `ctc_test_${n}_${at + 1}`, ...call, input });
    else
      made.push({
        type: 'function_call',
        id: `fc_test_${n}_${at + 1}`,
        ...call,
        arguments: JSON.stringify(input),
      });
  }
  return made;
}

function emptied(item: Body): Body {
  if (item.type === 'message') return { ...item, status: 'in_progress', content: [] };
  if (item.type === 'function_call') return { ...item, status: 'in_progress', arguments: '' };
  if (item.type === 'custom_tool_call') return { ...item, status: 'in_progress', input: '' };
  return { ...item, summary: [] };
}

function deltasOf(item: Body, turn: Turn): readonly Body[] {
  if (item.type === 'message') {
    const kind = turn.stop === 'refusal' ? 'refusal' : 'output_text';
    return piecesOf(turn).map((delta) => ({ type: `response.${kind}.delta`, content_index: 0, delta }));
  }
  if (item.type === 'function_call') return [{ type: 'response.function_call_arguments.delta', delta: item.arguments }];
  if (item.type === 'custom_tool_call') return [{ type: 'response.custom_tool_call_input.delta', delta: item.input }];
  return [];
}
