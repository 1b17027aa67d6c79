// Who plans: the engine's own model where it has one that may be asked, else rules, and a note that says why.

import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Context } from '../../cli/context.ts';
import { plannerOf } from '../../cli/planner.ts';
import { createContext } from '../../cli/wire.ts';
import type { WrittenFlags } from '../../src/config/load.ts';
import type { Planner } from '../../src/plan/planner.ts';
import { answered, groundOf, planJson } from '../support/model-plans.ts';
import { ModelServer } from '../support/model-server/server.ts';
import { Scratch } from '../support/scratch.ts';

const KEY = { ANTHROPIC_API_KEY: 'sk-test-choice-1' };

let scratch: Scratch;
let context: Context;
let said: PassThrough;

beforeEach(async () => {
  scratch = await Scratch.create();
  said = new PassThrough();
});
afterEach(async () => {
  context.close();
  await scratch[Symbol.asyncDispose]();
});

async function planner(flags: WrittenFlags, keys: Readonly<Record<string, string>> = {}): Promise<Planner> {
  const streams = { in: process.stdin, out: process.stdout, err: said as unknown as NodeJS.WriteStream };
  context = createContext(
    { ...streams, env: { ...scratch.env, ...keys }, cwd: scratch.repository },
    { repo: null, json: false, color: false, verbose: false, quiet: false },
  );
  const { settings } = await context.settings(flags, { trust: true });
  return plannerOf(context, settings);
}

const notes = (): string => String(said.read() ?? '');

describe('a plan is made', () => {
  it.each([
    ['nobody has a key', {}, {}, 'no key'],
    ['the engine is the demo', { engine: 'demo' }, KEY, 'the engine demo does not plan'],
    ['the engine is a command', { 'engine-command': 'true' }, KEY, 'does not plan'],
    ['nothing may be reached', { engine: 'api', network: 'none' }, KEY, '--network none'],
  ])('by built-in patterns where %s, and says so', async (_where, flags, keys, why) => {
    expect((await planner(flags, keys)).name).toBe('heuristic');
    expect(notes()).toMatch(new RegExp(`${why}.*built-in patterns`));
  });

  it.each([
    ['api', {}, KEY],
    ['claude', {}, { ...KEY, USE_API_MODE: 'false' }],
    ['claude', { engine: 'claude' }, { CLAUDE_CODE_OAUTH_TOKEN: 'sk-test-choice-2' }],
    ['codex', {}, { OPENAI_API_KEY: 'sk-test-choice-3' }],
  ])('by %s where that is the engine', async (name, flags, keys) => {
    expect((await planner(flags, keys)).name).toBe(name);
    expect(notes()).toBe('');
  });

  it('by the model at the base URL that stands beside the key', async () => {
    await using server = await ModelServer.start({
      script: [{ text: planJson([answered('api')]) }],
      key: KEY.ANTHROPIC_API_KEY,
    });
    const thinking = await planner(
      { engine: 'api', model: 'claude-opus-5-5' },
      { ...KEY, ANTHROPIC_BASE_URL: server.url },
    );
    expect((await thinking.plan(groundOf('Add a login'), new AbortController().signal)).planner).toBe('api');
    expect(server.modelRequests[0]?.body).toMatchObject({ model: 'claude-opus-5-5' });
  });
});

describe('nothing is asked', () => {
  it.each([
    ['there is no key for the engine', { engine: 'api' }, {}, 'NO_KEY'],
    ['a price is not known', { engine: 'api', model: 'claude-next', 'budget-usd': '5' }, KEY, 'UNKNOWN_PRICE'],
    ['the proxy is none', { engine: 'api' }, { ...KEY, HTTPS_PROXY: 'socks5://x' }, 'BAD_PROXY'],
  ])('where %s', async (_where, flags, keys, code) => {
    await expect(planner(flags, keys)).rejects.toMatchObject({ code });
  });
});
