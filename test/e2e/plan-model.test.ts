// Plans of models through the command line: what they give for the goals of users, and what becomes of answers that cannot be used.
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answered, planJson, planningModel, SEED_PLANS } from '../support/model-plans.ts';
import { Gate } from '../support/model-server/gate.ts';
import { answersSoFar, perConversation, type Script, saidTo } from '../support/model-server/script.ts';
import { ModelServer } from '../support/model-server/server.ts';
import { stateOf } from '../support/queue.ts';
import { type Answer, CLI, Scratch } from '../support/scratch.ts';

const KEY = 'sk-test-plans-77c1';

let scratch: Scratch;
let server: ModelServer;
beforeAll(async () => {
  scratch = await Scratch.create();
  server = await ModelServer.start({ script: [], key: KEY });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

function planned(script: Script, ...args: readonly string[]): Promise<Answer> {
  server.script = script;
  const env = { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: server.url };
  return scratch.orchestrate([...args, '--json'], { env });
}

function isNothingStored(): boolean {
  const state = stateOf(scratch);
  try {
    return state.plans().length === 0 && state.tasks().length === 0;
  } finally {
    state.close();
  }
}

describe('an answer that cannot be used', () => {
  const thousands = Array.from({ length: 10_000 }, (_, at) => ({ key: `t${at}`, title: 'x', role: 'test-engineer' }));
  const circle = [answered('a', { dependsOn: ['b'] }), answered('b', { dependsOn: ['a'] })];
  it.each<[string, string, RegExp, string[]?]>([
    ['with ten thousand tasks', planJson(thousands), /has 10000 tasks, and at most 500/],
    ['with a circle', planJson(circle), /in a circle: a → b → a/, ['submit', '-d']],
    [
      'with a role that is not there',
      planJson([answered('a', { role: 'root' })]),
      /for the role root, which does not exist/,
    ],
    ['with escape codes for a key', planJson([answered('\u001b[2J')]), /task 1 key: expected a-z/],
    ['with more than there is', planJson([{ ...answered('a'), tools: ['Bash'] }]), /Unrecognized key: "tools"/],
    ['in prose', 'I would rather not.', /holds no JSON object/],
  ])(
    '%s is refused with the reason, after the model was told it, and nothing is stored',
    async (_, text, why, command = ['plan']) => {
      const before = server.modelRequests.length;
      const answer = await planned(() => ({ text }), ...command, 'Do something');
      expect(answer).toMatchObject({ exitCode: 1, stdout: '' });
      const told = answer.stderr.split('\n').find((line) => line.startsWith('{"error"'));
      expect(JSON.parse(told ?? '{}')).toMatchObject({
        error: { code: 'PLAN_REFUSED', message: expect.stringMatching(why) },
      });
      const asked = server.modelRequests.slice(before);
      expect(asked.map(answersSoFar)).toEqual([0, 1]);
      expect(asked[1] === undefined ? '' : saidTo(asked[1])).toMatch(why);
      expect(isNothingStored()).toBe(true);
    },
  );

  it('is none where it can be mended, and what acts on terminals is not shown', async () => {
    const text = planJson(
      [answered('a', { title: 'Do \u001b[2J\u202eit', description: 'a\u001b]0;x\u0007b' })],
      'Go\u001b[31m.',
    );
    const answer = await planned(perConversation([{ text: 'no' }, { text }]), 'plan', 'Do it well');
    expect(answer.exitCode).toBe(0);
    const shown = await scratch.must(['plan', 'show', 'do-it-well']);
    for (const code of ['\u001b', '\u0007', '\u202e']) expect(`${answer.stdout}${shown}`).not.toContain(code);
    expect(shown).toMatch(/1 {2}Do .*it/);
  });
});

describe('a model', () => {
  it.each(Object.keys(SEED_PLANS))('gives a plan without errors for “%s”', async (goal) => {
    const answer = await planned(planningModel, 'plan', goal);
    expect(answer.exitCode).toBe(0);
    const { plan } = JSON.parse(answer.stdout) as {
      plan: { planner: string; tasks: { key: string }[]; problems: { severity: string }[] };
    };
    expect(plan.planner).toBe('api');
    expect(plan.tasks.map(({ key }) => key)).toEqual(SEED_PLANS[goal]?.map(([key]) => key));
    expect(plan.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  it('that costs more than may be spent is not asked', async () => {
    const before = server.modelRequests.length;
    const answer = await planned([], 'plan', 'Do something else', '--budget-usd', '0.01');
    expect(answer).toMatchObject({ exitCode: 4, stderr: expect.stringContaining('OVER_BUDGET') });
    expect(server.modelRequests).toHaveLength(before);
  });

  it('that takes its time is left alone by Ctrl-C, and nothing is stored', async () => {
    const gate = new Gate();
    server.script = () => ({ text: planJson([answered('a')]), gate });
    const env = { ...scratch.env, ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: server.url };
    const planning = execa(process.execPath, [CLI, 'plan', 'Wait for it'], {
      ...{ cwd: scratch.repository, env, extendEnv: false, reject: false, stdin: 'ignore' },
    });
    await gate.arrived(1);
    planning.kill('SIGINT');
    expect(await planning).toMatchObject({ exitCode: 130, stderr: expect.stringContaining('planning was stopped') });
    expect((await scratch.orchestrate(['plan', 'show', 'wait-for-it'])).exitCode).toBe(2);
    gate.open();
  });
});
