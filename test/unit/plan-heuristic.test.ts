/** The planner without a model: what it makes of the goals of users, and of anything else that may be typed. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planPhases, problemsOf } from '../../src/plan/graph.ts';
import { heuristicPlanner } from '../../src/plan/heuristic.ts';
import type { RepositoryMap } from '../../src/plan/map.ts';
import { MAX_GOAL, type Plan, type PlanTask, planSchema, planTaskSchema } from '../../src/plan/plan.ts';
import type { Ground } from '../../src/plan/planner.ts';
import { ROLES } from '../../src/roles/catalogue.ts';

const EMPTY: RepositoryMap = { languages: [], fileCount: 0, tree: [], readme: null, guidance: null, history: [] };
const { signal } = new AbortController();

function groundOf(goal: string, tree: readonly string[] = [], roles: readonly string[] = ROLES): Ground {
  return { goal, map: { ...EMPTY, tree }, roles: roles.map((name) => ({ name, description: '' })) };
}

const planOf = (goal: string, tree: readonly string[] = []) => heuristicPlanner.plan(groundOf(goal, tree), signal);

function widthOf(plan: Plan): number {
  const phases = [...planPhases(plan).values()];
  return Math.max(...phases.map((phase) => phases.filter((each) => each === phase).length));
}

interface Expected {
  readonly goal: string;
  readonly roles: readonly string[];
  readonly words: readonly string[];
  readonly phases: number;
  readonly parallel: number;
}

const GOALS: readonly Expected[] = [
  {
    goal: 'Build a task management app with React frontend and FastAPI backend',
    roles: ['specifications-engineer', 'backend-systems-engineer', 'frontend-ui-engineer', 'test-engineer'],
    words: ['task management', 'React', 'FastAPI'],
    ...{ phases: 4, parallel: 2 },
  },
  {
    goal: 'Create an ETL pipeline to process daily sales data from S3 to Snowflake',
    roles: [...['data-architect-governance', 'data-pipeline-engineer', 'aws-cloud-architect', 'data-science-analyst']],
    words: ['daily sales data', 'S3', 'Snowflake'],
    ...{ phases: 3, parallel: 3 },
  },
  {
    goal: 'Build a customer churn prediction system',
    roles: ['ml-systems-architect', 'data-science-analyst', 'backend-systems-engineer'],
    words: ['customer churn', 'model serving API', 'feature engineering'],
    ...{ phases: 3, parallel: 3 },
  },
  {
    goal: 'Convert monolithic app to microservices with user, order, and payment services',
    roles: ['backend-systems-engineer', 'aws-cloud-architect', 'test-engineer', 'documentation-writer'],
    words: ['the user service', 'the order service', 'the payment service', 'API gateway'],
    ...{ phases: 4, parallel: 3 },
  },
  {
    goal: 'Add OAuth2 authentication to existing Flask app',
    roles: ['backend-systems-engineer', 'security-engineer'],
    words: ['OAuth2', 'Flask'],
    ...{ phases: 2, parallel: 2 },
  },
  {
    goal: 'Implement complete admin dashboard with user management, analytics, and reporting',
    roles: ['frontend-ui-engineer', 'backend-systems-engineer', 'test-engineer'],
    words: ['user management API', 'analytics API', 'reporting pages'],
    ...{ phases: 4, parallel: 3 },
  },
  {
    goal: 'Sprint 23 goals: API v2, mobile responsive UI, performance optimization',
    roles: ['backend-systems-engineer', 'frontend-ui-engineer'],
    words: ['API v2', 'mobile responsive UI', 'performance optimization'],
    ...{ phases: 2, parallel: 3 },
  },
  {
    goal: 'Build a REST API with authentication',
    roles: ['backend-systems-engineer', 'test-engineer'],
    words: ['REST API', 'authentication'],
    ...{ phases: 2, parallel: 2 },
  },
  {
    goal: 'Create a blog platform',
    roles: ['backend-systems-engineer', 'frontend-ui-engineer'],
    words: ['blog platform'],
    ...{ phases: 4, parallel: 2 },
  },
  {
    goal: 'URGENT: Fix memory leak in payment processing service',
    roles: ['test-engineer', 'backend-systems-engineer'],
    words: ['memory leak', 'payment'],
    ...{ phases: 2, parallel: 1 },
  },
  {
    goal: 'Fix bugs found in overnight testing',
    roles: ['test-engineer', 'backend-systems-engineer'],
    words: ['overnight testing'],
    ...{ phases: 2, parallel: 1 },
  },
  {
    goal: 'Write a user guide for the CLI',
    roles: ['documentation-writer'],
    words: ['user guide', 'CLI'],
    ...{ phases: 3, parallel: 2 },
  },
  {
    goal: 'Refactor the billing module',
    roles: ['refactoring-specialist', 'test-engineer'],
    words: ['billing module'],
    ...{ phases: 3, parallel: 2 },
  },
  {
    goal: 'Migrate from MySQL to PostgreSQL',
    roles: ['specifications-engineer', 'test-engineer', 'documentation-writer'],
    words: ['MySQL', 'PostgreSQL'],
    ...{ phases: 3, parallel: 2 },
  },
];

describe('heuristicPlanner', () => {
  it.each(GOALS)('plans “$goal”', async ({ goal, roles, words, phases, parallel }) => {
    const plan = await planOf(goal);
    const titles = plan.tasks.map(({ title }) => title).join('\n');
    expect(plan.tasks.length).toBeGreaterThanOrEqual(3);
    expect(plan.tasks.length).toBeLessThanOrEqual(12);
    for (const word of words) expect(titles).toContain(word);
    expect(plan.tasks.map(({ role }) => role)).toEqual(expect.arrayContaining([...roles]));
    expect(Math.max(...planPhases(plan).values())).toBeGreaterThanOrEqual(phases);
    expect(widthOf(plan)).toBeGreaterThanOrEqual(parallel);
    expect(problemsOf(plan, ROLES)).toEqual([]);
    for (const task of plan.tasks) {
      expect(task.acceptance.length).toBeGreaterThanOrEqual(1);
      expect(task.acceptance.length).toBeLessThanOrEqual(3);
      expect(task.description).toContain(goal);
      expect(`${task.title}${task.description}${task.acceptance.join()}${task.files.join()}`).not.toMatch(/\{\w*\}/);
    }
  });

  it('gives a fault high priority and points to the folder that the goal names', async () => {
    const plan = await planOf('URGENT: Fix memory leak in payment processing service', [
      'services/payment/ (12 files)',
    ]);
    expect(plan.tasks.every(({ priority }) => priority === 'high')).toBe(true);
    expect(plan.tasks[1]?.files).toEqual(['services/payment/']);
  });

  it('puts files where the repository has such folders', async () => {
    const plan = await planOf('Create a blog platform', ['web/index.ts', 'server/ (9 files)', 'test/ (2 files)']);
    const files = plan.tasks.flatMap((task) => task.files);
    expect(files).toEqual(expect.arrayContaining(['web/', 'server/', 'test/']));
  });

  it('says that no model made the plan', async () => {
    const { approach } = await planOf('Create a blog platform');
    expect(approach).toContain('not from a model');
  });

  it.each([
    '- make the login work\n- draw the logo\n  - in blue\n- count visits',
    '1. make the login work\n2. draw the logo in blue\n3. count visits',
    'make the login work; draw the logo in blue; count visits',
  ])('makes a task of every entry of a list: %j', async (goal) => {
    const { tasks } = await planOf(goal);
    const titles = tasks.map(({ title }) => title);
    expect(titles).toEqual(expect.arrayContaining(['make the login work', 'count visits']));
    expect(tasks.find(({ title }) => title.startsWith('draw'))?.description).toContain('in blue');
  });

  it('loses no entry of a very long list', async () => {
    const entries = Array.from({ length: 1_000 }, (_, n) => `entry${n} x`);
    const plan = await planOf(entries.map((entry) => `- ${entry}`).join('\n'));
    const texts = plan.tasks.map(({ description }) => description).join('\n');
    expect(entries.filter((entry) => !texts.includes(entry))).toEqual([]);
    expect(plan.tasks.length).toBeLessThanOrEqual(102);
  });

  it('gives tasks to roles that there are', async () => {
    const plan = await heuristicPlanner.plan(groundOf('Create a blog platform', [], ['mine']), signal);
    expect(new Set(plan.tasks.map(({ role }) => role))).toEqual(new Set(['mine']));
  });

  it('refuses a goal that says nothing', async () => {
    await expect(planOf(' \u200b\n')).rejects.toMatchObject({ code: 'PLAN_REFUSED' });
  });

  it('stops with the reason of its signal', async () => {
    const reason = new Error('enough');
    await expect(heuristicPlanner.plan(groundOf('x'), AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  it('answers a discussion without touching the plan', async () => {
    const plan = await planOf('Create a blog platform');
    const messages = [{ from: 'you', text: 'why?' }] as const;
    const reply = await heuristicPlanner.discuss(groundOf(plan.goal), plan, messages, signal);
    expect(reply.plan).toBeNull();
    expect(reply.text).toContain('cannot talk');
  });

  it('makes a sound plan of any goal and any map, twice the same', async () => {
    const words = fc.constantFrom(
      ...[
        'microservices with a, b and c',
        'fix',
        'etl from',
        'to',
        'admin dashboard',
        '\n- ',
        '\n1. ',
        '; ',
        ': ',
        ', ',
      ],
      ...['web app', 'Обновить', '数据', '🚀', '{item}', '$&', '\u001b[2J', '\u202e', '__proto__', '../../etc', '*'],
    );
    const goals = fc.oneof(
      fc
        .array(fc.oneof(words, fc.string({ unit: 'binary', maxLength: 30 })), { maxLength: 60 })
        .map((all) => all.join(' ')),
      fc.string({ unit: 'grapheme', maxLength: 300 }),
    );
    const trees = fc.array(fc.string({ minLength: 1, maxLength: 30 }), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(goals, trees, async (goal, tree) => {
        const plan = await planOf(`x${goal}`.slice(0, MAX_GOAL), tree);
        expect(planSchema.parse(plan)).toEqual(plan);
        const wrong = problemsOf(plan, ROLES).filter(({ code }) => code !== 'duplicate');
        expect(wrong).toEqual([]);
        expect(await planOf(`x${goal}`.slice(0, MAX_GOAL), tree)).toEqual(plan);
      }),
      { numRuns: 300 },
    );
  });

  it.each(['a', ' ', ',a', '- a\n', 'a, ', '1. ', ' and ', 'from a ', '; ', '🚀', 'build a '])(
    'takes %j as often as a goal can hold it',
    async (piece) => {
      const goal = `x${piece.repeat(MAX_GOAL)}`.slice(0, MAX_GOAL);
      const plan = await planOf(goal);
      expect(planSchema.parse(plan).tasks.length).toBeGreaterThanOrEqual(2);
    },
  );
});

describe('heuristicPlanner.split', () => {
  const taskOf = (task: Partial<PlanTask>) => planTaskSchema.parse({ key: 'it', title: 'It', role: ROLES[0], ...task });
  async function piecesOf(task: Partial<PlanTask>): Promise<readonly PlanTask[]> {
    const before = taskOf({ key: 'before', title: 'Before' });
    const whole = taskOf({ ...task, dependsOn: ['before'] });
    const plan: Plan = { goal: 'g', planner: 'heuristic', approach: '', tasks: [before, whole] };
    const pieces = await heuristicPlanner.split(groundOf('g'), plan, whole, signal);
    expect(
      problemsOf({ ...plan, tasks: [before, ...pieces] }, ROLES).filter(({ code }) => code !== 'duplicate'),
    ).toEqual([]);
    for (const piece of pieces) expect(planTaskSchema.parse(piece)).toEqual(piece);
    return pieces;
  }

  it('splits by the things that the title lists', async () => {
    const pieces = await piecesOf({ title: 'Build React components for task list and forms', files: ['web/'] });
    expect(pieces.map(({ title }) => title)).toEqual([
      'Build React components for task list',
      'Build React components for forms',
    ]);
    expect(pieces.every(({ dependsOn }) => dependsOn.join() === 'before')).toBe(true);
  });

  it('splits by a list in the description', async () => {
    const pieces = await piecesOf({ description: 'All of:\n- one thing\n- another thing' });
    expect(pieces.map(({ title }) => title)).toEqual(['one thing', 'another thing']);
  });

  it('splits by what must be true in the end', async () => {
    const pieces = await piecesOf({ title: 'Shop', acceptance: ['Orders work.', 'Refunds work.'] });
    expect(pieces.map(({ acceptance }) => acceptance)).toEqual([['Orders work.'], ['Refunds work.']]);
  });

  it('splits anything larger than small into design, implementation and tests', async () => {
    const pieces = await piecesOf({ title: 'Search', files: ['src/search.ts'] });
    expect(pieces.map(({ title }) => title)).toEqual(['Design: Search', 'Implement: Search', 'Test: Search']);
    expect(pieces[1]?.dependsOn).toEqual([pieces[0]?.key]);
    expect(pieces[2]?.dependsOn).toEqual([pieces[1]?.key]);
  });

  it('says where it has no idea', async () => {
    await expect(piecesOf({ title: 'Search', size: 'small' })).rejects.toMatchObject({ code: 'CANNOT_SPLIT' });
  });

  it('keeps to the schema whatever the task says', async () => {
    const texts = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 });
    const lists = fc.array(texts, { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(texts, texts, lists, async (title, description, acceptance) => {
        await piecesOf({ title: `T, ${title}`, description, acceptance, size: 'large' });
      }),
      { numRuns: 100 },
    );
  });
});
