import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OrchestrateError } from '../../src/errors.ts';
import { MAX_TASKS, type Plan, planSchema } from '../../src/plan/plan.ts';
import { planFromYaml, planToYaml } from '../../src/plan/written.ts';
import { PRIORITIES, TASK_SIZES } from '../../src/types.ts';

function problemsOf(text: string): string[] {
  try {
    planFromYaml('plan.yaml', text);
  } catch (error) {
    if (error instanceof OrchestrateError) return error.message.split('\n');
    throw error;
  }
  throw new Error('it was taken');
}

const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 });
const task = fc.record({
  key: fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/),
  title: words,
  description: words,
  acceptance: fc.array(words, { maxLength: 3 }),
  role: fc.constantFrom('test-engineer', 'backend-systems-engineer'),
  roleReason: fc.constant('chosen by you'),
  priority: fc.constantFrom(...PRIORITIES),
  dependsOn: fc.array(fc.stringMatching(/^[a-z0-9]{1,8}$/), { maxLength: 3 }),
  files: fc.array(words, { maxLength: 3 }),
  size: fc.constantFrom(...TASK_SIZES),
});
const plans = fc
  .record({
    goal: words,
    planner: fc.constant('import'),
    approach: words,
    tasks: fc.array(task, { maxLength: 6 }),
  })
  // As it would be stored: without what cannot be shown.
  .map((plan) => planSchema.safeParse(plan))
  .filter((parsed) => parsed.success)
  .map((parsed): Plan => parsed.data);

describe('plans as files', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        expect(planFromYaml('plan.yaml', planToYaml(plan))).toEqual(plan);
      }),
    );
  });

  it('need no more than titles, keys and roles', () => {
    const text = 'goal: Ship it\ntasks:\n  - {key: a, title: Do A, role: test-engineer}\n';
    expect(planFromYaml('plan.yaml', text).tasks).toMatchObject([
      { key: 'a', priority: 'normal', size: 'medium', dependsOn: [], acceptance: [], files: [] },
    ]);
  });

  it('name all problems with their lines', () => {
    const text = [
      'goal: Ship it',
      'tasks:',
      '  - key: a',
      '    title: ""',
      '    role: test-engineer',
      '  - key: B!',
      '    title: Do B',
      '    role: test-engineer',
      '    priority: urgent',
      '    tools: Bash',
    ].join('\n');
    const problems = problemsOf(text);
    expect(problems).toHaveLength(4);
    expect(problems).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^plan\.yaml:4: tasks\.0\.title: is empty/),
        expect.stringMatching(/^plan\.yaml:6: tasks\.1\.key: expected a-z/),
        expect.stringMatching(/^plan\.yaml:9: tasks\.1\.priority: /),
        expect.stringMatching(/^plan\.yaml:10: tasks\.1: .*tools/),
      ]),
    );
  });

  it.each([
    ['no YAML', 'goal: [', /^plan\.yaml:1: /],
    ['a text', 'Ship it', /^plan\.yaml:1: /],
    ['nothing', '', /^plan\.yaml:1: /],
    ['aliases that multiply', 'a: &a [x, x]\ngoal: *a\ntasks: [*a, *a]', /alias/i],
    ['the same key of a mapping twice', 'goal: a\ngoal: b\ntasks: []', /^plan\.yaml:2: /],
  ])('are refused where they are %s', (_what, text, message) => {
    expect(problemsOf(text)[0]).toMatch(message);
  });

  it('have no more tasks than somebody can read', () => {
    const tasks = Array.from({ length: MAX_TASKS + 1 }, (_, n) => `  - {key: t${n}, title: T, role: test-engineer}`);
    expect(problemsOf(`goal: Much\ntasks:\n${tasks.join('\n')}`)).toEqual([
      expect.stringContaining('more than 500 tasks'),
    ]);
  });

  it('hold nothing that a terminal would act on', () => {
    const text =
      'goal: "\\e]0;owned\\aShip\\u202E"\ntasks:\n  - {key: a, title: "\\e[2JDo\\nA", role: test-engineer}\n';
    const plan = planFromYaml('plan.yaml', text);
    expect([plan.goal, plan.tasks[0]?.title]).toEqual(['Ship', 'Do A']);
  });
});
