// The API engine in front of a scripted model: how a conversation goes, what ends it, and what it costs.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { apiEngine } from '../../src/engine/api/api-engine.ts';
import type { SharedNote } from '../../src/engine/api/notes.ts';
import { assignment, costOfAgents, fetchOf, PaperToolbox, TestAgent } from '../support/api-agent.ts';
import { Gate } from '../support/model-server/gate.ts';
import { items, type ModelRequest, perConversation, type Script, type Turn } from '../support/model-server/script.ts';
import { ModelServer } from '../support/model-server/server.ts';

const bash = (command: string): Turn => ({ tools: [{ name: 'bash', input: { command } }] });
const finish = (summary = 'all done'): Turn => ({ tools: [{ name: 'finish', input: { summary } }] });

let agent: TestAgent;
let toolbox: PaperToolbox;
let server: ModelServer;
beforeEach(async () => {
  agent = await TestAgent.create();
  toolbox = new PaperToolbox();
  server = await ModelServer.start({ script: [] });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
});

type How = NonNullable<Parameters<TestAgent['drive']>[1]>;

function drive(script: Script, options: How['options'] = {}) {
  server.script = script;
  return agent.drive({ toolbox, fetch: fetchOf(server) }, { options });
}

/** What the model was told last. */
function lastMessage(request: ModelRequest | undefined): string {
  return JSON.stringify(items(request?.body.messages).at(-1));
}

describe('a conversation', () => {
  it('calls tools, tells what happens, and ends when the model says that it is done', async () => {
    const verdict = await drive([{ text: ['Let me ', 'look.'], ...bash('ls\nwc') }, finish('listed files')]);
    expect(verdict).toEqual({ done: true, summary: 'listed files' });
    expect(toolbox.finished).toBe(1);
    expect(agent.text).toBe('Let me look.\n');
    expect(agent.events.filter(({ type }) => type === 'tool')).toEqual([
      { type: 'tool', tool: 'bash', detail: 'ls wc' },
    ]);
    expect(lastMessage(server.modelRequests[1])).toContain('ran 1');
  });

  it('gives several calls of one answer to the sandbox in their order, and forgets them only when they are saved', async () => {
    const both = [
      ...(bash('one').tools ?? []),
      { name: 'str_replace_based_edit_tool', input: { command: 'view', path: '/a' } },
    ];
    await drive([{ tools: both }, bash('three'), finish()]);
    expect(toolbox.calls.map(({ n, tool }) => [n, tool])).toEqual([
      [1, 'bash'],
      [2, 'edit'],
      [3, 'bash'],
    ]);
    expect(toolbox.acknowledged).toEqual([2, 3]);
  });

  it.each([
    [{ text: 'no\n[exit code 1]', isError: false }, true],
    [{ text: 'no such thing', isError: true }, true],
    [{ text: '[exit code 1] is what it said\n', isError: false }, false],
  ])('tells what came of a call: %j', async (answer, failed) => {
    toolbox.call = async () => answer;
    await drive([bash('npm test'), finish()]);
    const input = JSON.stringify({ command: 'npm test' });
    expect(agent.events.filter(({ type }) => type === 'result')).toEqual([
      { type: 'result', tool: 'bash', detail: 'npm test', input, failed, output: answer.text },
    ]);
  });

  it('tells the model what was wrong with a call, and goes on', async () => {
    toolbox.call = async () => ({ text: 'no such thing', isError: true });
    await drive([
      {
        tools: [
          { name: 'finish', input: {} },
          { name: 'fly', input: {} },
          { name: 'bash', input: { command: 'x' } },
        ],
      },
      finish(),
    ]);
    const results = items(items(server.modelRequests[1]?.body.messages).at(-1)?.content);
    expect(results.map(({ is_error, content }) => [is_error, content])).toEqual([
      [true, expect.stringContaining('summary is missing')],
      [true, expect.stringContaining("'fly' not found")],
      [true, 'no such thing'],
    ]);
  });

  it('shares notes under an id of their own and reads those of others', async () => {
    const shared: SharedNote[] = [];
    const notes = {
      share: async (note: SharedNote) => {
        shared.push(note);
        return note.text === 'no more' ? 'is one too many' : null;
      },
      read: async (attempt: string) => `for ${attempt}: the build needs make gen`,
    };
    await drive(
      [
        {
          tools: [
            { name: 'share_note', input: { text: 'port 1 is taken' }, id: 'toolu_7' },
            { name: 'share_note', input: { text: 'no more' }, id: 'toolu_8' },
            { name: 'read_notes', input: {} },
          ],
        },
        finish(),
      ],
      { notes },
    );
    expect(shared).toEqual([
      { id: 'add-login.1/toolu_7', attempt: 'add-login.1', text: 'port 1 is taken' },
      { id: 'add-login.1/toolu_8', attempt: 'add-login.1', text: 'no more' },
    ]);
    expect(lastMessage(server.modelRequests[1])).toContain('for add-login.1: the build needs make gen');
    expect(lastMessage(server.modelRequests[1])).toContain('not shared: the note is one too many');
  });

  it('reminds the model once that it called nothing, and takes it at its word then', async () => {
    expect(await drive([{ text: 'I think so.' }, { text: 'It is done.' }])).toEqual({
      done: true,
      summary: 'It is done.',
    });
    expect(lastMessage(server.modelRequests[1])).toContain('called no tool');
    expect(toolbox.finished).toBe(1);
  });

  it('goes on after a pause, and after an answer that was cut off in the middle of a call', async () => {
    const verdict = await drive([
      { text: 'wait', stop: 'pause_turn' },
      { thinking: 'hm', text: 'half', ...bash('rm -rf /tmp/x'), stop: 'max_tokens' },
      { ...bash('ls'), stop: 'max_tokens' },
      bash('ls'),
      finish(),
    ]);
    expect(verdict.done).toBe(true);
    expect(toolbox.calls.map(({ input }) => input.command)).toEqual(['ls']);
    const [, resumed, cut] = server.modelRequests;
    expect(items(resumed?.body.messages).at(-1)).toMatchObject({ role: 'assistant' });
    expect(items(cut?.body.messages).at(-2)).toEqual({ role: 'assistant', content: 'half' });
  });

  it('is summed up when it has become long, without losing its place', async () => {
    const verdict = await drive(
      [
        { ...bash('one'), usage: { input: 200_000 } },
        { compaction: 'so far: one', usage: { input: 10, output: 5 } },
        bash('two'),
        finish(),
      ],
      { compactAtTokens: 150_000 },
    );
    expect(verdict.done).toBe(true);
    const [, asked, after] = server.modelRequests;
    expect(asked?.body.compaction).toEqual({
      type: 'summarize',
      instructions: expect.stringContaining('word for word'),
    });
    expect(items(after?.body.messages)).toHaveLength(1);
    expect(lastMessage(after)).toContain('so far: one');
    expect(toolbox.calls.map(({ n }) => n)).toEqual([1, 2]);
  });

  it('adds up what it used, with a price where there is one', async () => {
    const used = { input: 1_000, output: 100, cacheRead: 10_000, cacheWrite: 2_000 };
    await drive([
      { ...bash('x'), usage: used },
      { ...finish(), usage: used },
    ]);
    expect(agent.events.filter(({ type }) => type === 'usage').at(-1)).toEqual({
      type: 'usage',
      usage: {
        ...{ inputTokens: 2_000, outputTokens: 200, cacheReadTokens: 20_000, cacheWriteTokens: 4_000 },
        usd: expect.closeTo((2_000 * 2 + 200 * 10 + 20_000 * 0.1 + 4_000 * 2.5) / 1e6, 10),
      },
    });
    await using other = await TestAgent.create();
    server.script = perConversation([finish()]);
    await other.drive({ toolbox, fetch: fetchOf(server) }, { options: { model: 'unheard-of' } });
    expect(other.events.at(0)).toMatchObject({ type: 'usage', usage: { usd: null } });
  });
});

describe('a conversation ends without success', () => {
  it.each([
    ['a refusal', [{ text: 'no', stop: 'refusal' }], 'the model refused the task'],
    ['a key that is refused', [{ status: 401, message: 'bad key' }], 'the model service refuses the key: bad key'],
    [
      'a bad request',
      [{ status: 400, message: 'prompt is too long' }],
      'refuses the request (400): prompt is too long',
    ],
    ['an unknown model', [{ status: 404, message: 'model: x' }], 'does not know the model'],
    [
      'a budget that is used up',
      [{ status: 403, headers: { 'x-orchestrate-reason': 'over-budget' } }],
      'the budget is used up',
    ],
    [
      'what the gateway denies',
      [{ status: 403, message: 'no', headers: { 'x-orchestrate-reason': 'feature-not-allowed' } }],
      'not allowed (feature-not-allowed): no',
    ],
  ] as const)('for %s', async (_, script, reason) => {
    const verdict = await drive([...script]);
    expect(verdict).toMatchObject({ done: false, reason: expect.stringContaining(reason) });
    expect(server.modelRequests).toHaveLength(1);
    expect(toolbox.finished).toBe(0);
  });

  it('for a service that stays in trouble, after some tries', async () => {
    const verdict = await drive(() => ({ status: 529, message: 'overloaded', headers: { 'retry-after-ms': '1' } }));
    expect(verdict).toMatchObject({ done: false, reason: expect.stringContaining('in trouble (529): overloaded') });
  });

  it('for too many turns, and for answers that are always too long', async () => {
    expect(await drive(() => bash('again'), { maxTurns: 3 })).toEqual({
      done: false,
      reason: 'it was not done after 3 turns',
    });
    expect(server.modelRequests).toHaveLength(3);
    await using other = await TestAgent.create();
    server.script = () => ({ text: 'long', stop: 'max_tokens' });
    const verdict = await other.drive({ toolbox, fetch: fetchOf(server) });
    expect(verdict).toMatchObject({
      done: false,
      reason: expect.stringContaining('4 answers of the model in a row were cut off'),
    });
  });

  it('when it is stopped, in the middle of an answer or of a call', async () => {
    const gate = new Gate();
    const answer = drive([{ text: ['a', 'b'], gate }]);
    gate.release(2);
    await gate.arrived(3);
    agent.aborter.abort();
    expect(await answer).toEqual({ done: false, reason: 'it was stopped' });

    await using other = await TestAgent.create();
    server.script = perConversation([bash('sleep')]);
    const hanging = {
      ...{ acknowledge: async () => {}, finish: async () => {} },
      call: (_: unknown, signal: AbortSignal) =>
        new Promise<never>((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
          other.aborter.abort();
        }),
    };
    expect(await other.drive({ toolbox: hanging, fetch: fetchOf(server) })).toEqual({
      done: false,
      reason: 'it was stopped',
    });
  });

  it('with the fault of the sandbox, which is not the model’s', async () => {
    toolbox.call = async () => {
      throw new Error('the sandbox is gone');
    };
    await expect(drive([bash('x'), finish()])).rejects.toThrow('the sandbox is gone');
    expect(server.modelRequests).toHaveLength(1);
  });
});

it('asks again for an answer that broke off, and does nothing twice', async () => {
  const verdict = await drive([
    { ...bash('one'), trouble: { afterEvents: 4, how: 'cut' } },
    { ...bash('one'), trouble: { afterEvents: 3, how: { error: 'overloaded' } } },
    bash('one'),
    finish(),
  ]);
  expect(verdict.done).toBe(true);
  expect(toolbox.calls.map(({ n }) => n)).toEqual([1]);
});

it('counts a reminder once, although the request that carried it broke off', async () => {
  const verdict = await drive([
    { text: 'I think so.' },
    { text: 'Oh', trouble: { afterEvents: 2, how: 'cut' } },
    bash('one'),
    finish('done now'),
  ]);
  expect(verdict).toEqual({ done: true, summary: 'done now' });
  expect(lastMessage(server.modelRequests[2])).toContain('called no tool');
});

describe('prompts', () => {
  it('begin with the same bytes for all agents of a run, without anything of a task in them', async () => {
    const engine = apiEngine({ guidance: 'Use tabs.' });
    server.script = perConversation([finish()]);
    for (const task of ['one-task', 'another-task']) {
      await using other = await TestAgent.create();
      await other.drive({ toolbox, fetch: fetchOf(server) }, { engine, assignment: assignment(task, `Do ${task}`) });
    }
    const [first, second] = server.modelRequests.map(({ body }) => JSON.stringify([body.tools, body.system]));
    expect(first).toBe(second);
    expect(first).toContain('Use tabs.');
    expect(first).not.toMatch(/one-task|backend-systems-engineer|\b20\d\d\b/);
    expect(items(server.modelRequests[0]?.body.tools).map(({ name }) => name)).toEqual([
      'bash',
      'str_replace_based_edit_tool',
      'share_note',
      'read_notes',
      'finish',
    ]);
  });

  it('carry no credential and nothing of the environment', async () => {
    await drive([finish()]);
    const [request] = server.modelRequests;
    expect(request?.headers.authorization).toBe('Bearer placeholder');
    expect(request?.headers['anthropic-beta']).toBe('compact-2026-09-04');
  });

  it('of twenty agents at once cost at least four times less than of twenty that share nothing', async () => {
    const guidance = 'A rule of this repository that everybody follows. '.repeat(1_600);
    const shared = apiEngine({ guidance });
    const together = await costOfAgents(20, () => shared);
    const apart = await costOfAgents(20, (at) => apiEngine({ guidance: `${at}. ${guidance}` }));
    expect(apart / together).toBeGreaterThan(4);
  });
});
