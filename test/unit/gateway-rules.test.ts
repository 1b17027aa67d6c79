// What a model request may ask for: read in one way only, refused by name where the service itself would do something.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Route, readModelRequest } from '../../src/gateway/model-request.ts';
import { Refusal } from '../../src/gateway/refusal.ts';
import { JsonFault, parseStrictJson } from '../../src/gateway/strict-json.ts';

const strict = (text: string) => parseStrictJson(Buffer.from(text));

describe('strict JSON', () => {
  it('is what every parser reads', () => {
    const value = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 }));
    fc.assert(
      fc.property(value, fc.constantFrom(0, 1, '\t'), (object, indent) => {
        const text = JSON.stringify(object, null, indent);
        expect(strict(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    ['a key twice', '{"a":1,"a":2}'],
    ['a key twice, written differently', '{"model":1,"mode\\u006c":2}'],
    ['a key twice further down', '{"a":[{"b":{"c":1,"c":2}}]}'],
    ['a key twice with space around', '{"a" :1,\n"a"\t: 2}'],
    ['depth', '['.repeat(65) + ']'.repeat(65)],
    ['depth without an end', '{"a":'.repeat(1_000_000)],
    ['a list', '[]'],
    ['a number', '1'],
    ['nothing', ''],
    ['two documents', '{}{}'],
    ['an unclosed text', '{"a'],
    ['a comment', '{/**/}'],
    ['a byte order mark', '\ufeff{}'],
  ])('is not %s', (_, text) => {
    expect(() => strict(text)).toThrow(JsonFault);
  });

  it('is UTF-8', () => {
    expect(() => parseStrictJson(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toThrow(JsonFault);
  });

  it('may have a key again in another object, or as a text', () => {
    const text = '{"a":{"a":"a"},"b":["a","a",{"a":1},{"a":2}],"c":"\\\\\\"a\\":1"}';
    expect(strict(text)).toEqual(JSON.parse(text));
  });
});

function read(route: Route, body: object, betas = '') {
  return readModelRequest(route, Buffer.from(JSON.stringify(body)), betas);
}

/** The reason code, or null where it passes. */
function verdict(route: Route, body: object, betas = ''): string | null {
  try {
    read(route, body, betas);
    return null;
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
}

const says = (content: unknown) => ({ messages: [{ role: 'user', content }] });

describe('an Anthropic request', () => {
  const base = { model: 'model-a', max_tokens: 1000, ...says('Hi') };

  it.each<[string, object]>([
    [
      'the tools of the claude command, WebSearch by name among them',
      { tools: [{ name: 'WebSearch', input_schema: { type: 'object' } }] },
    ],
    [
      'tools that the client runs',
      {
        tools: [
          { type: 'bash_20250124', name: 'bash' },
          { type: 'text_editor_20250728', name: 'x' },
          { type: 'custom', name: 'y' },
        ],
      },
    ],
    ['a tool search over its own tools', { tools: [{ type: 'tool_search_tool_regex_20251119', name: 'x' }] }],
    ['fields that nobody here knows', { some_new_thing: { type: 'anything' }, thinking: { type: 'adaptive' } }],
    ['words like the names of tools', says('use web_search_20250305 with {"type":"web_search_20250305"}')],
    [
      'arguments like the names of tools',
      says([{ type: 'tool_use', id: 'a', name: 'b', input: { type: 'web_search_20250305', source: { type: 'url' } } }]),
    ],
    [
      'a schema with such a type',
      { tools: [{ name: 'a', input_schema: { properties: { source: { type: 'url' } } } }] },
    ],
    [
      'pictures that it holds',
      says([{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AA' } }]),
    ],
    ['empty lists of what is refused', { mcp_servers: [], container: null, fallbacks: null }],
    ['results of a search in the past', says([{ type: 'search_result', source: 'https://a.example', content: [] }])],
  ])('may have %s', (_, more) => {
    expect(verdict('messages', { ...base, ...more })).toBeNull();
  });

  it.each<[string, object]>([
    ['web search', { tools: [{ type: 'web_search_20250305', name: 'web_search' }] }],
    ['a later web search', { tools: [{ type: 'web_search_20991231', name: 'web_search' }] }],
    ['web fetch', { tools: [{ type: 'web_fetch_20260318', name: 'a' }] }],
    ['code execution', { tools: [{ type: 'code_execution_20260521', name: 'a' }] }],
    ['tools without a date', { tools: [{ type: 'code_execution', name: 'a' }] }],
    ['an adviser', { tools: [{ type: 'advisor_20260301', name: 'advisor', model: 'model-b' }] }],
    ['a set of MCP tools', { tools: [{ type: 'mcp_toolset', mcp_server_name: 'a' }] }],
    ['MCP servers', { mcp_servers: [{ type: 'url', url: 'https://a.example', name: 'a' }] }],
    ['a container', { container: 'container_1' }],
    ['skills in a container', { container: { skills: [] } }],
    ['a thread on the service', { thread: { type: 'create' } }],
    ['fast mode', { speed: 'fast' }],
    ['a region with a price of its own', { inference_geo: 'us' }],
    ["fallbacks of the service's choice", { fallbacks: 'default' }],
    ['a picture by URL', says([{ type: 'image', source: { type: 'url', url: 'https://a.example/x' } }])],
    ['a document by URL', says([{ type: 'document', source: { type: 'url', url: 'https://a.example/x' } }])],
    ['a file by id', says([{ type: 'document', source: { type: 'file', file_id: 'f' } }])],
    ['a file for a container', says([{ type: 'container_upload', file_id: 'f' }])],
    [
      "a URL within a tool's result",
      says([
        { type: 'tool_result', tool_use_id: 'a', content: [{ type: 'image', source: { type: 'url', url: 'x' } }] },
      ]),
    ],
    ['a URL in the system prompt', { system: [{ type: 'image', source: { type: 'url', url: 'x' } }] }],
    [
      'a server tool added in mid-conversation',
      says([{ type: 'tool_addition', tool: { type: 'web_fetch_20260318', name: 'a' } }]),
    ],
    ['betas in the body', { anthropic_beta: ['mcp-client-2025-11-20'] }],
  ])('may not have %s', (_, more) => {
    expect(verdict('messages', { ...base, ...more })).toBe('feature-not-allowed');
    expect(verdict('count-tokens', { ...base, ...more })).toBe('feature-not-allowed');
  });

  it.each([
    'mcp-client-2026-09-15',
    'code-execution-2025-05-22',
    'files-api-2025-04-14',
    'skills-2025-10-02',
    'web-fetch-2025-09-10',
  ])('may not ask for the beta %s', (beta) =>
    expect(verdict('messages', base, `interleaved-thinking-2025-05-14, ${beta}`)).toBe('feature-not-allowed'),
  );

  it('may ask for what the claude command asks for', () => {
    const betas =
      'claude-code-20250219,context-1m-2025-08-07,interleaved-thinking-2025-05-14,thinking-token-count-2026-05-13,' +
      'context-management-2025-06-27,prompt-caching-scope-2026-01-05,mid-conversation-system-2026-04-07,effort-2025-11-24';
    expect(verdict('messages', base, betas)).toBeNull();
  });

  it.each<[string, object]>([
    ['no model', { ...base, model: undefined }],
    ['no limit', { ...base, max_tokens: undefined }],
    ['a limit that is a text', { ...base, max_tokens: '1000' }],
    ['a negative limit', { ...base, max_tokens: -1 }],
    ['a stream that is a text', { ...base, stream: 'true' }],
    ['a field in capitals, which some servers take for the other', { ...base, Model: 'model-b' }],
  ])('with %s is malformed', (_, body) => {
    expect(verdict('messages', body)).toBe('bad-request');
  });

  it('names every model that may answer it', () => {
    const { models } = read('messages', { ...base, fallbacks: [{ model: 'model-b' }, { model: 'model-c' }] });
    expect(models).toEqual(['model-a', 'model-b', 'model-c']);
  });

  it('is never taken for smaller than it is', () => {
    const words = 'word '.repeat(3000);
    expect(read('messages', { ...base, ...says(words) }).inputTokens).toBeGreaterThanOrEqual(5000);
    const picture = { type: 'base64', media_type: 'image/png', data: 'A'.repeat(3_000_000) };
    const { inputTokens } = read('messages', { ...base, ...says([{ type: 'image', source: picture }]) });
    expect(inputTokens).toBeGreaterThanOrEqual(5000);
    expect(inputTokens).toBeLessThan(10_000);
  });

  it('that compacts the conversation on the way is taken for two', () => {
    const once = read('messages', base);
    const twice = read('messages', { ...base, context_management: { edits: [{ type: 'compact_20260112' }] } });
    expect(twice.maxOutput).toBe(2 * once.maxOutput);
    expect(twice.inputTokens).toBeGreaterThan(2 * once.inputTokens);
  });
});

describe('an OpenAI request', () => {
  const base = { model: 'model-a', input: 'Hi' };
  const part = (content: object) => ({ input: [{ role: 'user', content: [content] }] });

  it.each<[string, object]>([
    [
      'functions and custom tools',
      {
        tools: [
          { type: 'function', name: 'a', parameters: {} },
          { type: 'custom', name: 'exec' },
        ],
      },
    ],
    ['a shell of the client', { tools: [{ type: 'local_shell' }, { type: 'shell', environment: { type: 'local' } }] }],
    [
      'tools in its input',
      {
        input: [
          { type: 'additional_tools', tools: [{ type: 'namespace', name: 'functions', tools: [{ type: 'custom' }] }] },
        ],
      },
    ],
    ['pictures that it holds', part({ type: 'input_image', image_url: 'data:image/png;base64,AA' })],
    [
      'what the codex command sends',
      {
        store: false,
        stream: true,
        include: ['reasoning.encrypted_content'],
        previous_response_id: null,
        background: false,
      },
    ],
    [
      'arguments like the names of tools',
      { input: [{ type: 'function_call', name: 'a', call_id: 'b', arguments: '{"file_id":"x"}' }] },
    ],
  ])('may have %s', (_, more) => {
    expect(verdict('responses', { ...base, ...more })).toBeNull();
  });

  it.each<[string, object]>([
    ['web search', { tools: [{ type: 'web_search' }] }],
    ['an older web search', { tools: [{ type: 'web_search_preview_2025_03_11' }] }],
    ['file search', { tools: [{ type: 'file_search', vector_store_ids: [] }] }],
    ['a code interpreter', { tools: [{ type: 'code_interpreter', container: { type: 'auto' } }] }],
    ['a computer', { tools: [{ type: 'computer_use_preview' }] }],
    ['MCP', { tools: [{ type: 'mcp', server_url: 'https://a.example' }] }],
    ['pictures made by the service', { tools: [{ type: 'image_generation' }] }],
    ['a shell in a container', { tools: [{ type: 'shell', environment: { type: 'container_auto' } }] }],
    ['a server tool in its input', { input: [{ type: 'additional_tools', tools: [{ type: 'web_search' }] }] }],
    [
      'a server tool in a namespace',
      { tools: [{ type: 'namespace', name: 'a', tools: [{ type: 'mcp', server_url: 'x' }] }] },
    ],
    ['background', { background: true }],
    ['an earlier response', { previous_response_id: 'resp_1' }],
    ['a conversation', { conversation: 'conv_1' }],
    ['a stored prompt', { prompt: { id: 'p' } }],
    ['a dearer tier', { service_tier: 'priority' }],
    ['a picture by URL', part({ type: 'input_image', image_url: 'https://a.example/x' })],
    ['a picture by id', part({ type: 'input_image', file_id: 'f' })],
    ['a file by URL', part({ type: 'input_file', file_url: 'https://a.example/x' })],
    [
      "a URL in a tool's output",
      {
        input: [
          { type: 'function_call_output', call_id: 'a', output: [{ type: 'input_image', image_url: 'http://x' }] },
        ],
      },
    ],
  ])('may not have %s', (_, more) => {
    expect(verdict('responses', { ...base, ...more })).toBe('feature-not-allowed');
  });

  it('without a limit is taken to have one', () => {
    expect(read('responses', base).maxOutput).toBe(32_000);
    expect(read('responses', { ...base, max_output_tokens: 7 }).maxOutput).toBe(7);
  });
});
