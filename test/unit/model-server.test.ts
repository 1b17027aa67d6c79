// The scripted model services against a real client: what tests lean on has to be as the services are.

import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import Anthropic from '@anthropic-ai/sdk';
import { describe, expect, it } from 'vitest';
import { Gate } from '../support/model-server/gate.ts';
import { inputCost } from '../support/model-server/prompt-cache.ts';
import { perConversation, type Script } from '../support/model-server/script.ts';
import { ModelServer } from '../support/model-server/server.ts';

const KEY = 'sk-test-1';

function clientOf(server: ModelServer, options: { maxRetries?: number; apiKey?: string } = {}): Anthropic {
  return new Anthropic({ baseURL: server.url, apiKey: KEY, maxRetries: 0, logLevel: 'off', ...options });
}

const ASK = { model: 'claude-test', max_tokens: 100, messages: [{ role: 'user', content: 'Hello' }] } as const;

function ask(client: Anthropic, more: object = {}): Promise<Anthropic.Message> {
  return client.messages.stream({ ...ASK, messages: [...ASK.messages], ...more }).finalMessage();
}

async function postResponses(server: ModelServer, body: object): Promise<Response> {
  return fetch(`${server.url}/v1/responses`, { method: 'POST', body: JSON.stringify(body) });
}

describe('Anthropic Messages', () => {
  it('streams thinking, text and calls as a client reads them, whole messages alike', async () => {
    const turn = {
      thinking: 'Hm.',
      text: ['One ', 'två ', '三'],
      tools: [{ name: 'bash', input: { command: 'ls' } }],
      usage: { input: 7, output: 9 },
    };
    await using server = await ModelServer.start({ script: [turn, { ...turn, sliceBytes: 3 }, turn], key: KEY });
    const client = clientOf(server);
    const answers = [
      await ask(client),
      await ask(client),
      await client.messages.create({ ...ASK, messages: [...ASK.messages] }),
    ];
    for (const answer of answers) {
      expect(answer.stop_reason).toBe('tool_use');
      expect(answer.content).toMatchObject([
        { type: 'thinking', thinking: 'Hm.' },
        { type: 'text', text: 'One två 三' },
        { type: 'tool_use', name: 'bash', input: { command: 'ls' } },
      ]);
      expect(answer.usage).toMatchObject({ input_tokens: 7, output_tokens: 9 });
    }
  });

  it.each(['max_tokens', 'refusal', 'pause_turn'] as const)('stops for %s', async (stop) => {
    await using server = await ModelServer.start({ script: [{ text: 'No.', stop }] });
    expect((await ask(clientOf(server))).stop_reason).toBe(stop);
  });

  it('fails as told, with the headers, and a client that retries comes through', async () => {
    const failures = [429, 529, 500].map((status) => ({ status, headers: { 'retry-after-ms': '1' } }));
    await using server = await ModelServer.start({ script: [...failures, { text: 'At last.' }] });
    const answer = await ask(clientOf(server, { maxRetries: 3 }));
    expect(answer.content).toMatchObject([{ text: 'At last.' }]);
    expect(server.requests).toHaveLength(4);
  });

  it('lets in the one key alone, and keeps what it refused', async () => {
    await using server = await ModelServer.start({ script: [{ text: 'Hi.' }], key: KEY });
    await expect(ask(clientOf(server, { apiKey: 'sk-test-2' }))).rejects.toMatchObject({
      status: 401,
      error: { error: { type: 'authentication_error' } },
    });
    expect((await ask(clientOf(server))).content).toMatchObject([{ text: 'Hi.' }]);
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer sk-test-2', `Bearer ${KEY}`]);
    expect(server.requests[1]?.body).toMatchObject({ model: 'claude-test' });
    expect(JSON.parse(String(server.requests[1]?.raw))).toEqual(server.requests[1]?.body);
  });

  it('refuses calls that nobody answered, as the service does', async () => {
    await using server = await ModelServer.start({ script: [{ text: 'Hi.' }] });
    const call = { type: 'tool_use', id: 'toolu_1', name: 'bash', input: {} };
    const messages = [...ASK.messages, { role: 'assistant', content: [call] }, { role: 'user', content: 'Well?' }];
    await expect(ask(clientOf(server), { messages })).rejects.toMatchObject({ status: 400 });
  });

  it('holds a stream at its gate until it is let go', async () => {
    const gate = new Gate();
    await using server = await ModelServer.start({ script: [{ text: ['a', 'b'], gate }] });
    const stream = clientOf(server).messages.stream({ ...ASK, messages: [...ASK.messages] });
    const texts: string[] = [];
    stream.on('text', (piece) => texts.push(piece));
    const first = new Promise((resolve) => stream.once('text', resolve));
    gate.release(3);
    await first;
    await gate.arrived(4);
    expect(texts).toEqual(['a']);
    gate.open();
    await stream.finalMessage();
    expect(texts).toEqual(['a', 'b']);
  });

  it('cuts, breaks and spoils a stream, and tells a cut from a client that left', async () => {
    const gate = new Gate();
    gate.release(2);
    await using server = await ModelServer.start({
      script: [
        { text: 'abc', trouble: { afterEvents: 2, how: 'cut' } },
        { text: 'abc', trouble: { afterEvents: 2, how: { error: 'Overloaded' } } },
        { text: 'abc', trouble: { afterEvents: 2, how: { raw: 'event: content_block_delta\ndata: {"type":\n\n' } } },
        { text: 'abc', gate },
      ],
    });
    const client = clientOf(server);
    for (let i = 0; i < 3; i += 1) await expect(ask(client)).rejects.toBeInstanceOf(Error);
    const stream = client.messages.stream({ ...ASK, messages: [...ASK.messages] });
    const failed = expect(stream.finalMessage()).rejects.toBeInstanceOf(Error);
    await gate.arrived(3);
    stream.abort();
    await failed;
    expect(await Promise.all(server.requests.map(({ ended }) => ended))).toEqual(['cut', 'sent', 'sent', 'left']);
  });

  it('answers conversations that run side by side each in its own order', async () => {
    const script = perConversation([{ text: 'first' }, { text: 'second' }]);
    await using server = await ModelServer.start({ script });
    const client = clientOf(server);
    const goOn = [...ASK.messages, { role: 'assistant', content: 'first' }, { role: 'user', content: 'And?' }];
    const [one, two, three] = await Promise.all([ask(client), ask(client), ask(client, { messages: goOn })]);
    expect([one, two, three].map(({ content }) => content)).toMatchObject([
      [{ text: 'first' }],
      [{ text: 'first' }],
      [{ text: 'second' }],
    ]);
  });

  it('counts tokens without using up the script, and says when the script is too short', async () => {
    await using server = await ModelServer.start({ script: [] });
    const client = clientOf(server);
    const counted = await client.messages.countTokens({ model: 'claude-test', messages: [...ASK.messages] });
    expect(counted.input_tokens).toBeGreaterThan(0);
    await expect(ask(client)).rejects.toMatchObject({ status: 500, message: expect.stringContaining('0 answers') });
  });
});

describe('prompt caching', () => {
  const LONG = 'All work and no play. '.repeat(1000);
  const marked = (tail: string): object => ({
    system: [{ type: 'text', text: LONG, cache_control: { type: 'ephemeral' } }],
    messages: [{ role: 'user', content: tail }],
  });
  const script: Script = () => ({ text: 'ok' });

  async function usageOf(client: Anthropic, body: object): Promise<Anthropic.Usage> {
    return (await ask(client, body)).usage;
  }

  it('writes a marked prefix once and reads it as long as it is the same byte for byte', async () => {
    await using server = await ModelServer.start({ script });
    const client = clientOf(server);
    const first = await usageOf(client, marked('one'));
    const second = await usageOf(client, marked('two'));
    expect(first.cache_creation_input_tokens).toBeGreaterThan(1024);
    expect(second).toMatchObject({
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: first.cache_creation_input_tokens,
    });
    const tool = { name: 'bash', input_schema: { type: 'object' } };
    for (const other of [{ tools: [tool] }, { model: 'claude-other' }]) {
      expect(await usageOf(client, { ...marked('one'), ...other })).toMatchObject({ cache_read_input_tokens: 0 });
    }
  });

  it('reads on from an earlier mark of a growing conversation', async () => {
    await using server = await ModelServer.start({ script });
    const client = clientOf(server);
    const said = (...texts: string[]): object => ({
      cache_control: { type: 'ephemeral' },
      messages: texts.map((content, at) => ({ role: at % 2 === 0 ? 'user' : 'assistant', content })),
    });
    const first = await usageOf(client, said(LONG));
    const second = await usageOf(client, said(LONG, 'ok', LONG));
    expect(second.cache_read_input_tokens).toBe(first.cache_creation_input_tokens);
    expect(second.cache_creation_input_tokens).toBeGreaterThan(1024);
  });

  it('has an entry only once the response that writes it has begun', async () => {
    const gate = new Gate();
    await using server = await ModelServer.start({ script: [{ text: 'a', gate }, { text: 'b' }, { text: 'c' }] });
    const client = clientOf(server);
    const first = usageOf(client, marked('one'));
    await gate.arrived(1);
    const early = await usageOf(client, marked('two'));
    gate.open();
    await first;
    const late = await usageOf(client, marked('three'));
    expect([early.cache_read_input_tokens, late.cache_read_input_tokens]).toEqual([
      0,
      early.cache_creation_input_tokens,
    ]);
  });

  it('takes at most four marks', async () => {
    await using server = await ModelServer.start({ script });
    const block = { type: 'text', text: 'x', cache_control: { type: 'ephemeral' } };
    await expect(ask(clientOf(server), { system: Array(5).fill(block) })).rejects.toMatchObject({ status: 400 });
  });

  it('is filled by a request for no tokens, which uses up nothing of the script', async () => {
    await using server = await ModelServer.start({ script: [{ text: 'ok' }] });
    const client = clientOf(server);
    await client.messages.create({ ...ASK, messages: [], ...marked('warm'), max_tokens: 0 });
    expect((await usageOf(client, marked('one'))).cache_creation_input_tokens).toBe(0);
  });

  it('costs 1.25 to write and 0.1 to read', () => {
    expect(inputCost({ input: 1, cacheWrite: 100, cacheRead: 1000 })).toBe(226);
  });
});

describe('OpenAI Responses', () => {
  it('streams messages and calls of both kinds, numbered', async () => {
    const tools = [
      { name: 'exec_command', input: { cmd: 'ls' } },
      { name: 'exec', input: 'text(1)' },
    ];
    await using server = await ModelServer.start({ script: [{ text: 'Hi.', tools, usage: { input: 5, output: 3 } }] });
    const answer = await postResponses(server, { model: 'gpt-test', input: 'Hello', stream: true });
    const events = (await answer.text())
      .split('\n')
      .filter((line) => line.startsWith('data: '))
      .map((line) => JSON.parse(line.slice(6)));
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, at) => at));
    expect(events[0].type).toBe('response.created');
    expect(events.at(-1)).toMatchObject({
      type: 'response.completed',
      response: {
        status: 'completed',
        output: [
          { type: 'message', content: [{ type: 'output_text', text: 'Hi.' }] },
          { type: 'function_call', name: 'exec_command', arguments: '{"cmd":"ls"}' },
          { type: 'custom_tool_call', name: 'exec', input: 'text(1)' },
        ],
        usage: { input_tokens: 5, output_tokens: 3, total_tokens: 8 },
      },
    });
    expect(events.filter(({ type }) => type === 'response.output_item.done')).toHaveLength(3);
  });

  it('is cut short, refuses and fails in its own forms', async () => {
    await using server = await ModelServer.start({
      script: [{ text: 'a', stop: 'max_tokens' }, { text: 'No.', stop: 'refusal' }, { status: 429 }],
      key: KEY,
    });
    const headers = { authorization: `Bearer ${KEY}` };
    const body = JSON.stringify({ model: 'gpt-test', input: 'Hello' });
    const post = async (more: object = {}): Promise<unknown> =>
      (await fetch(`${server.url}/v1/responses`, { method: 'POST', body, headers, ...more })).json();
    expect(await post()).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
    });
    expect(await post()).toMatchObject({ output: [{ content: [{ type: 'refusal', refusal: 'No.' }] }] });
    expect(await post()).toMatchObject({ error: { code: 'rate_limit_exceeded' } });
    expect(await post({ headers: {} })).toMatchObject({ error: { code: 'invalid_api_key' } });
  });

  it('reads what an earlier request began with from the cache, unmarked', async () => {
    await using server = await ModelServer.start({ script: () => ({ text: 'ok' }) });
    const instructions = 'All work and no play. '.repeat(1000);
    const usages = [];
    for (const input of ['one', 'two']) {
      const answer = await postResponses(server, { model: 'gpt-test', instructions, input });
      usages.push(((await answer.json()) as { usage: { input_tokens_details: { cached_tokens: number } } }).usage);
    }
    expect(usages[0]?.input_tokens_details.cached_tokens).toBe(0);
    expect(usages[1]?.input_tokens_details.cached_tokens).toBeGreaterThan(1024);
  });
});

describe('where it listens', () => {
  it('can be a Unix socket', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-model-'));
    const socketPath = path.join(folder, 'model.sock');
    await using server = await ModelServer.start({ script: [{ text: 'Hi.' }], listen: { socket: socketPath } });
    const answer = await new Promise<string>((resolve, reject) => {
      const request = httpRequest({ socketPath, method: 'POST', path: '/v1/messages?beta=true' }, (response) => {
        text(response).then(resolve, reject);
      });
      request.on('error', reject);
      request.end(JSON.stringify(ASK));
    });
    expect(JSON.parse(answer)).toMatchObject({ content: [{ text: 'Hi.' }] });
    expect(server.modelRequests.map(({ path: asked }) => asked)).toEqual(['/v1/messages?beta=true']);
    await rm(folder, { recursive: true });
  });

  it('answers what clients ask besides', async () => {
    await using server = await ModelServer.start({ script: [] });
    const status = async (method: string, at: string): Promise<number> =>
      (await fetch(server.url + at, { method })).status;
    expect([await status('HEAD', '/'), await status('GET', '/v1/models'), await status('GET', '/v1/x')]).toEqual([
      200, 200, 404,
    ]);
    expect(server.modelRequests).toEqual([]);
  });
});
