// The API engine goes on with the conversation of an earlier attempt when changes were requested of its work.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EarlierWork } from '../../src/engine/earlier.ts';
import type { Assignment } from '../../src/engine/engine.ts';
import { assignment, fetchOf, PaperToolbox, TestAgent } from '../support/api-agent.ts';
import { type Answer, items, type ModelRequest, type Script, type Turn } from '../support/model-server/script.ts';
import { ModelServer } from '../support/model-server/server.ts';

const bash = (command: string): Turn => ({ tools: [{ name: 'bash', input: { command } }] });
const finish = (summary: string): Turn => ({ tools: [{ name: 'finish', input: { summary } }] });

const EARLIER: EarlierWork = {
  attempt: 1,
  requests: [{ attempt: 1, message: 'use the helper in lib/' }],
  reason: null,
  summary: 'added a login',
  transcript: 'the transcript',
  isEdited: false,
};
const SECOND: Assignment = { ...assignment(), attempt: 2, earlier: EARLIER };

let before: TestAgent;
let agent: TestAgent;
let server: ModelServer;
beforeEach(async () => {
  [before, agent] = await Promise.all([TestAgent.create(), TestAgent.create()]);
  server = await ModelServer.start({ script: [] });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
  await before[Symbol.asyncDispose]();
});

type How = NonNullable<Parameters<TestAgent['drive']>[1]>;

function drive(who: TestAgent, script: Script, how: How = {}) {
  server.script = script;
  return who.drive({ toolbox: new PaperToolbox(), fetch: fetchOf(server) }, how);
}

/** Ends with what the script's own numbers are counted from: the requests so far. */
async function firstAttempt(...turns: readonly Answer[]): Promise<number> {
  await drive(before, turns.length > 0 ? turns : [bash('ls'), finish('added a login')]);
  return server.modelRequests.length;
}

function goOn(given: Assignment, turns: readonly Turn[], options: How['options'] = {}) {
  const done = server.modelRequests.length;
  const script: Script = ({ turn }) => turns[turn - done - 1] ?? { status: 500, message: 'no more' };
  return drive(agent, script, { assignment: given, earlierFolder: before.folder, options });
}

/** The body up to the end of the n-th message, byte for byte, without marks of the cache. */
function messagesOf(request: ModelRequest | undefined): readonly string[] {
  return items(request?.body.messages).map((message) => JSON.stringify(message));
}

function sentence(request: ModelRequest | undefined): string {
  return messagesOf(request).at(-1) ?? '';
}

describe('a request for changes', () => {
  it('is a new turn of the earlier conversation, whose bytes stay as they were', async () => {
    const done = await firstAttempt();
    const last = server.modelRequests[done - 1];
    expect(await goOn(SECOND, [bash('sed'), finish('both')])).toEqual({ done: true, summary: 'both' });
    const next = server.modelRequests[done];
    expect(JSON.stringify([next?.body.system, next?.body.tools])).toBe(
      JSON.stringify([last?.body.system, last?.body.tools]),
    );
    const known = messagesOf(last);
    expect(messagesOf(next).slice(0, known.length)).toEqual(known);
    expect(messagesOf(next)).toHaveLength(known.length + 2);
    expect(sentence(next)).toContain('use the helper in lib/');
    expect(sentence(next)).toContain('"tool_result"');
    expect(sentence(next)).not.toContain('the transcript');
    expect(sentence(next)).not.toContain('Your role:');
  });

  it('comes on top of the one before, each once', async () => {
    await firstAttempt();
    await goOn(SECOND, [finish('both')]);
    const third = await TestAgent.create();
    const done = server.modelRequests.length;
    const requests = [...EARLIER.requests, { attempt: 2, message: 'and a test' }];
    const given = { ...SECOND, attempt: 3, earlier: { ...EARLIER, attempt: 2, requests } };
    const script: Script = () => finish('all three');
    await drive(third, script, { assignment: given, earlierFolder: agent.folder });
    const said = messagesOf(server.modelRequests[done]).join('\n');
    expect(said.match(/use the helper in lib/g)).toHaveLength(1);
    expect(said.indexOf('and a test')).toBeGreaterThan(said.indexOf('use the helper in lib/'));
    await third[Symbol.asyncDispose]();
  });

  it('is told with the role where that is another one now', async () => {
    const done = await firstAttempt();
    await goOn({ ...SECOND, role: 'test-engineer' }, [finish('x')]);
    expect(sentence(server.modelRequests[done])).toContain('Your role: test-engineer');
  });

  it('has a long conversation summed up first', async () => {
    const done = await firstAttempt({ text: 'y'.repeat(4_000), ...bash('ls') }, finish('added'));
    await goOn(SECOND, [{ compaction: 'so far: the request' }, finish('x')], { compactAtTokens: 1_000 });
    expect(server.modelRequests[done]?.body.compaction).toBeDefined();
    expect(messagesOf(server.modelRequests[done + 1]).join('')).toContain('so far: the request');
  });

  it('comes to the same prompt when its coordinator is killed before the first answer', async () => {
    const done = await firstAttempt();
    const refused: Turn = { text: 'x', trouble: { afterEvents: 1, how: 'cut' } };
    await goOn(SECOND, [refused, finish('x')]);
    const [one, two] = server.modelRequests.slice(done);
    expect(two?.raw.equals(one?.raw ?? Buffer.alloc(0))).toBe(true);
  });
});

describe('the summary stands in its place', () => {
  async function firstWords(given: Assignment = SECOND, options: How['options'] = {}): Promise<string> {
    const done = server.modelRequests.length;
    expect((await goOn(given, [finish('x')], options)).done).toBe(true);
    expect(messagesOf(server.modelRequests[done])).toHaveLength(1);
    return sentence(server.modelRequests[done]);
  }

  it('where the conversation is gone', async () => {
    const said = await firstWords();
    expect(said).toContain('use the helper in lib/');
    expect(said).toContain('> added a login');
    expect(said).toContain('> the transcript');
  });

  it('where it is damaged', async () => {
    await firstAttempt();
    const file = path.join(before.folder, 'conversation.json');
    const saved = JSON.parse(await readFile(file, 'utf8')) as { messages: unknown[] };
    for (const messages of [[7], [{ role: 'system', content: 'x' }], [], saved.messages.slice(0, 1)]) {
      await writeFile(file, JSON.stringify({ ...saved, messages }));
      expect(await firstWords()).toContain('> added a login');
      await agent[Symbol.asyncDispose]();
      agent = await TestAgent.create();
    }
    await writeFile(file, '{');
    expect(await firstWords()).toContain('> added a login');
  });

  it('where another model held it', async () => {
    await firstAttempt();
    expect(await firstWords(SECOND, { model: 'claude-opus-4-8' })).toContain('> added a login');
  });
});

it('work that was cut off is gone on with where the conversation was, its last calls told as lost', async () => {
  await firstAttempt(bash('ls'), bash('make'), { status: 400, message: 'cut off' });
  const done = server.modelRequests.length;
  const given = { ...SECOND, earlier: { ...EARLIER, requests: [], reason: 'ended after its time-out of 60 s' } };
  const file = path.join(before.folder, 'conversation.json');
  expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ stop: 'tool_use', summary: null });
  await goOn(given, [finish('x')]);
  expect(sentence(server.modelRequests[done])).toContain('Go on with your task.');
  expect(sentence(server.modelRequests[done])).toContain('before its result was kept');
  expect(sentence(server.modelRequests[done])).toContain('time-out of 60 s');
});
