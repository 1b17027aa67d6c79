// The API engine and the toolbox together: long conversations, and coordinators that are killed anywhere in them.

import { readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Drive } from '../../src/engine/engine.ts';
import type { Toolbox } from '../../src/toolbox/toolbox.ts';
import { fetchOf, TestAgent } from '../support/api-agent.ts';
import { items, perConversation, type Turn } from '../support/model-server/script.ts';
import { ModelServer } from '../support/model-server/server.ts';
import { LocalToolbox } from '../support/toolbox.ts';

const bash = (command: string): Turn => ({ tools: [{ name: 'bash', input: { command } }] });
const edit = (input: Readonly<Record<string, unknown>>): Turn => ({
  tools: [{ name: 'str_replace_based_edit_tool', input }],
});
const finish: Turn = { tools: [{ name: 'finish', input: { summary: 'all done' } }] };

let toolbox: LocalToolbox;
let agent: TestAgent;
beforeEach(async () => {
  [toolbox, agent] = await Promise.all([LocalToolbox.start(), TestAgent.create()]);
});
afterEach(async () => {
  await toolbox[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
});

it('works through a long task with everything that a shell can do to it', async () => {
  const small = Array.from({ length: 22 }, (_, at) => bash(`echo ${at} >>${toolbox.inWorkspace('numbers')}`));
  await using server = await ModelServer.start({
    script: [
      bash('seq 1 200000'),
      bash('sleep 1000'),
      bash('while :; do sleep 0.1; done & echo $! >server; echo up'),
      { tools: [{ name: 'bash', input: { command: 7 } }] },
      edit({ command: 'create', path: 'notes/a.txt', file_text: 'alpha\n' }),
      edit({ command: 'str_replace', path: toolbox.inWorkspace('notes/a.txt'), old_str: 'beta', new_str: '' }),
      { ...bash('exit 4'), usage: { input: 200_000 } },
      { compaction: 'seven calls were made' },
      ...small,
      { text: 'cut', stop: 'max_tokens' },
      bash('kill -0 $(cat server) && kill $(cat server) && echo stopped'),
      finish,
    ],
  });
  const verdict = await agent.drive(
    { toolbox, fetch: fetchOf(server) },
    { options: { toolTimeoutMs: 2_000, compactAtTokens: 100_000 } },
  );
  expect(verdict).toEqual({ done: true, summary: 'all done' });
  expect(await toolbox.ended).toBe(0);
  expect(await readFile(toolbox.inWorkspace('numbers'), 'utf8')).toBe(small.map((_, at) => `${at}\n`).join(''));
  const answers = server.modelRequests.map(({ body }) => JSON.stringify(items(body.messages).at(-1)));
  expect(answers[1]).toContain('bytes left out here');
  expect(answers[2]).toContain('timed out after 2 s');
  expect(answers[3]).toContain('up');
  expect(answers[4]).toContain('give a command');
  expect(answers[5]).toContain('created');
  expect(answers[6]).toContain('is not in');
  expect(answers[8]).toContain('seven calls were made');
  expect(answers.at(-1)).toContain('stopped');
  // Nothing but the answer before last may be huge: the file stays as small as the conversation.
  expect((await readFile(`${agent.folder}/conversation.json`)).length).toBeLessThan(100_000);
});

/** A coordinator that does nothing more from its n-th step on, as if it were killed between two steps. */
class Mortal {
  steps = 0;
  #died: () => void = () => {};
  readonly death = new Promise<void>((resolve) => {
    this.#died = resolve;
  });

  constructor(readonly lives: number) {}

  async #step(): Promise<void> {
    this.steps += 1;
    if (this.steps <= this.lives) return;
    this.#died();
    await new Promise<never>(() => {});
  }

  /** Each way out may be cut before what is asked has left, and before its answer is seen. */
  parts(toolbox: Toolbox, ask: Drive['fetch']): Pick<Drive, 'toolbox' | 'fetch'> {
    const mortal = async <T>(act: () => Promise<T>): Promise<T> => {
      await this.#step();
      const result = await act();
      await this.#step();
      return result;
    };
    return {
      fetch: (input, init) => mortal(() => ask(input, init)),
      toolbox: {
        call: (call, signal) => mortal(() => toolbox.call(call, signal)),
        acknowledge: (n) => mortal(() => toolbox.acknowledge(n)),
        finish: () => mortal(() => toolbox.finish()),
      },
    };
  }
}

describe('a coordinator that is killed', () => {
  const turns: readonly Turn[] = [
    bash('echo a >>log; x=kept'),
    { tools: [...(bash('echo b >>log').tools ?? []), ...(bash('echo c >>log').tools ?? [])] },
    bash('echo "d $x" >>log'),
    finish,
  ];

  it('is followed by one that does nothing twice, wherever it happened', async () => {
    await using server = await ModelServer.start({ script: perConversation(turns) });
    // Every few steps another one, until one comes to the end.
    const asked: number[] = [];
    for (let lives = 0; ; lives += 1) {
      await using sandbox = await LocalToolbox.start();
      await using attempt = await TestAgent.create();
      const before = server.modelRequests.length;
      const first = new Mortal(lives);
      const parts = first.parts(sandbox, fetchOf(server));
      const ended = await Promise.race([first.death, attempt.drive(parts)]);
      if (ended !== undefined) break;
      expect(await attempt.drive({ toolbox: sandbox, fetch: fetchOf(server) })).toEqual({
        done: true,
        summary: 'all done',
      });
      expect(await readFile(sandbox.inWorkspace('log'), 'utf8')).toBe('a\nb\nc\nd kept\n');
      asked.push(server.modelRequests.length - before);
    }
    // Four answers are needed; at most the one that had not been saved is asked for again.
    expect(asked.length).toBeGreaterThan(15);
    expect(Math.min(...asked)).toBe(turns.length);
    expect(Math.max(...asked)).toBe(turns.length + 1);
  }, 120_000);

  it('is followed by one that waits for the call that is under way', async () => {
    await using server = await ModelServer.start({
      script: perConversation([bash('echo started >>log; until [ -e go ]; do sleep 0.01; done; echo waited'), finish]),
    });
    const first = new Mortal(3);
    void agent.drive(first.parts(toolbox, fetchOf(server)));
    await server.received(({ n }) => n === 1);
    const called = new Promise<void>((resolve) => {
      const call = toolbox.call.bind(toolbox);
      toolbox.call = (...args) => {
        resolve();
        return call(...args);
      };
    });
    await called;
    const second = agent.drive({ toolbox, fetch: fetchOf(server) });
    await toolbox.gateway.session();
    await writeFile(toolbox.inWorkspace('go'), '');
    expect(await second).toEqual({ done: true, summary: 'all done' });
    expect(await readFile(toolbox.inWorkspace('log'), 'utf8')).toBe('started\n');
    expect(JSON.stringify(server.modelRequests[1]?.body)).toContain('waited');
  });
});
