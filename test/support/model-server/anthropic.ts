/** Anthropic Messages: events, whole messages, errors, and what the service refuses. */

import { MAX_MARKS, marksOf } from './prompt-cache.ts';
import { type Body, items, type StopReason, type Turn, type TurnUsage } from './script.ts';
import { piecesOf, type ServerEvent, type Service, type Telling } from './service.ts';

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

export const anthropic: Service = {
  problemOf,
  cached: (cache, body) => cache.messages(body),
  events,
  whole: ({ turn, usage, body, n }) => ({
    ...head(n, body),
    content: blocksOf(turn, n),
    ...endOf(turn),
    usage: usageOf(usage),
  }),
  error: (status, type, message) => ({
    type: 'error',
    error: { type: type ?? ERROR_TYPES[status] ?? 'api_error', message },
    request_id: null,
  }),
  errorEvent: (message) => ({
    event: 'error',
    data: { type: 'error', error: { type: 'overloaded_error', message } },
  }),
};

function events({ turn, usage, body, n }: Telling): readonly ServerEvent[] {
  const start = { ...head(n, body), content: [], stop_reason: null, stop_sequence: null };
  const told: Body[] = [
    { type: 'message_start', message: { ...start, usage: usageOf({ ...usage, output: Math.min(usage.output, 1) }) } },
  ];
  for (const [index, block] of blocksOf(turn, n).entries()) {
    told.push({ type: 'content_block_start', index, content_block: emptied(block) });
    for (const delta of deltasOf(block, turn)) told.push({ type: 'content_block_delta', index, delta });
    told.push({ type: 'content_block_stop', index });
  }
  told.push({ type: 'message_delta', delta: endOf(turn), usage: { output_tokens: usage.output } });
  told.push({ type: 'message_stop' });
  return told.map((data) => ({ event: String(data.type), data }));
}

function head(n: number, body: Body): Body {
  return { id: `msg_test_${n}`, type: 'message', role: 'assistant', model: body.model };
}

function endOf(turn: Turn): { stop_reason: StopReason; stop_sequence: null } {
  const natural =
    turn.compaction !== undefined ? 'compaction' : (turn.tools ?? []).length > 0 ? 'tool_use' : 'end_turn';
  return { stop_reason: turn.stop ?? natural, stop_sequence: null };
}

function usageOf({ input, output, cacheRead, cacheWrite }: TurnUsage): Body {
  return {
    input_tokens: input,
    cache_creation_input_tokens: cacheWrite,
    cache_read_input_tokens: cacheRead,
    cache_creation: { ephemeral_5m_input_tokens: cacheWrite, ephemeral_1h_input_tokens: 0 },
    output_tokens: output,
    service_tier: 'standard',
  };
}

function blocksOf(turn: Turn, n: number): readonly Body[] {
  const blocks: Body[] = [];
  if (turn.compaction !== undefined)
    blocks.push({ type: 'compaction', content: turn.compaction, encrypted_content: null });
  if (turn.thinking !== undefined)
    blocks.push({ type: 'thinking', thinking: turn.thinking, signature: `signature-${n}` });
  const text = piecesOf(turn).join('');
  if (text !== '') blocks.push({ type: 'text', text });
  for (const [at, { id, name, input }] of (turn.tools ?? []).entries()) {
    if (typeof input === 'string') throw new Error(`${name}: Messages know no custom tools`);
    blocks.push({ type: 'tool_use', id: id ?? `toolu_test_${n}_${at + 1}`, name, input });
  }
  return blocks;
}

function emptied(block: Body): Body {
  if (block.type === 'text') return { ...block, text: '' };
  if (block.type === 'compaction') return { ...block, content: null };
  if (block.type === 'thinking') return { ...block, thinking: '', signature: '' };
  return { ...block, input: {} };
}

function deltasOf(block: Body, turn: Turn): readonly Body[] {
  if (block.type === 'compaction')
    return [{ type: 'compaction_delta', content: block.content, encrypted_content: null }];
  if (block.type === 'text') return piecesOf(turn).map((text) => ({ type: 'text_delta', text }));
  if (block.type === 'thinking') {
    return [
      { type: 'thinking_delta', thinking: block.thinking },
      { type: 'signature_delta', signature: block.signature },
    ];
  }
  const json = JSON.stringify(block.input);
  const half = Math.ceil(json.length / 2);
  return [json.slice(0, half), json.slice(half)].map((part) => ({ type: 'input_json_delta', partial_json: part }));
}

/** The rules whose breaking clients are known for; the service has more. */
function problemOf(body: Body): string | null {
  if (typeof body.model !== 'string') return 'model: Field required';
  if (!Number.isInteger(body.max_tokens)) return 'max_tokens: Field required';
  const messages = items(body.messages);
  if (messages.length === 0) return 'messages: at least one message is required';
  const marks = marksOf(body);
  if (marks > MAX_MARKS) return `A maximum of ${MAX_MARKS} blocks with cache_control may be provided. Found ${marks}.`;
  const names = items(body.tools).map(({ name }) => name);
  if (new Set(names).size < names.length) return 'tools: Tool names must be unique.';
  return pairingProblem(messages);
}

/** Every call is answered in the very next message, and nothing else is. */
function pairingProblem(messages: readonly Body[]): string | null {
  let open = new Set<unknown>();
  for (const [at, { role, content }] of messages.entries()) {
    if (typeof content === 'string' && content === '') return `messages.${at}: content must not be empty`;
    const blocks = items(content);
    for (const { type, tool_use_id: id } of blocks) {
      if (type === 'tool_result' && !open.delete(id)) {
        return `messages.${at}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${String(id)}`;
      }
    }
    if (open.size > 0) {
      return `messages.${at - 1}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${[...open].join(', ')}`;
    }
    const calls = role === 'assistant' ? blocks.filter(({ type }) => type === 'tool_use') : [];
    open = new Set(calls.map(({ id }) => id));
  }
  return open.size > 0 ? 'messages: the last message calls tools that nobody answered' : null;
}
