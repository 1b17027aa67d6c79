// What people change in a plan, one function each; and that nothing they do makes a plan that cannot be stored or run.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addTask,
  type Edited,
  mergeTasks,
  moveTask,
  removeTask,
  replaceTask,
  setDependencies,
  setField,
  splitTask,
  turnPriority,
} from '../../src/plan/edits.ts';
import { type Plan, planSchema } from '../../src/plan/plan.ts';
import { PRIORITIES, TASK_SIZES } from '../../src/types.ts';
import { dependenciesOf, samplePlan, taskNamed } from '../support/plan-samples.ts';

const CHAIN = samplePlan({ db: [], api: ['db'], ui: ['api'], docs: ['api', 'ui'] });
const NEW = { title: 'Write the tests', role: 'test-engineer', roleReason: 'it says tests' };

function done(edited: Edited): Plan {
  if ('refused' in edited) throw new Error(edited.refused);
  return edited.plan;
}

function reasonOf(edited: Edited): string {
  return 'refused' in edited ? edited.refused : 'not refused';
}

describe('adding', () => {
  it('puts a task after another one, under a name of its own', () => {
    const once = done(addTask(CHAIN, NEW, 'api'));
    expect(once.tasks.map((task) => task.key)).toEqual(['db', 'api', 'write-the-tests', 'ui', 'docs']);
    expect(once.tasks[2]).toMatchObject({ ...NEW, priority: 'normal', dependsOn: [] });
    const twice = addTask(once, NEW, null);
    expect(twice).toMatchObject({ change: 'add write-the-tests-2', select: 'write-the-tests-2' });
  });

  it('refuses a task without a title, and the 501st, in words', () => {
    expect(reasonOf(addTask(CHAIN, { ...NEW, title: ' \x1b[2J ' }, null))).toBe('title is empty');
    const full = { ...CHAIN, tasks: Array.from({ length: 500 }, (_, n) => taskNamed(`t${n}`)) };
    expect(reasonOf(addTask(full, NEW, null))).toMatch(/more than 500 tasks/);
  });
});

describe('editing', () => {
  it('sets what is given and leaves the rest', () => {
    const plan = done(setField(CHAIN, 'ui', { title: 'Show it', files: ['web/'] }));
    expect(plan.tasks[2]).toEqual({ ...CHAIN.tasks[2], title: 'Show it', files: ['web/'] });
    expect(reasonOf(setField(CHAIN, 'ui', { title: 'x'.repeat(201) }))).toBe('title is longer than 200 characters');
  });

  it('turns the priority round', () => {
    const seen: string[] = [];
    let plan = CHAIN;
    for (let n = 0; n < 3; n += 1) {
      plan = done(turnPriority(plan, 'db'));
      seen.push(plan.tasks[0]?.priority ?? '');
    }
    expect(seen).toEqual(['high', 'low', 'normal']);
  });
});

describe('deleting', () => {
  it('leaves what depended on the task with what that depended on', () => {
    const plan = done(removeTask(CHAIN, 'api'));
    expect(dependenciesOf(plan)).toEqual({ db: [], ui: ['db'], docs: ['ui', 'db'] });
  });

  it('does not let a task of a circle wait for itself', () => {
    const circle = samplePlan({ a: ['b'], b: ['a'] });
    expect(dependenciesOf(done(removeTask(circle, 'b')))).toEqual({ a: [] });
  });
});

describe('splitting', () => {
  it('makes a sequence, of which the last is waited for and holds what must be true', () => {
    const api = { ...CHAIN, tasks: CHAIN.tasks.map((task) => ({ ...task, acceptance: ['it answers'] })) };
    const plan = done(splitTask(api, 'api', ['Routes', 'Handlers'], 'sequence'));
    expect(dependenciesOf(plan)).toEqual({
      db: [],
      routes: ['db'],
      handlers: ['routes'],
      ui: ['handlers'],
      docs: ['ui', 'handlers'],
    });
    expect(plan.tasks.slice(1, 3).map((task) => task.acceptance)).toEqual([[], ['it answers']]);
    expect(plan.tasks[1]).toMatchObject({ size: 'small', description: 'Routes\n\nPart of: Do api' });
  });

  it('makes tasks that go at the same time, all of which are waited for', () => {
    const plan = done(splitTask(CHAIN, 'api', ['Routes', 'Handlers'], 'parallel'));
    expect(dependenciesOf(plan)).toMatchObject({ routes: ['db'], handlers: ['db'], ui: ['routes', 'handlers'] });
  });

  it('takes the pieces of a planner, whatever they say they depend on', () => {
    const pieces = [taskNamed('x', { dependsOn: ['nowhere', 'x'] }), taskNamed('y', { dependsOn: ['x'] })];
    expect(dependenciesOf(done(replaceTask(CHAIN, 'api', pieces)))).toMatchObject({ x: ['db'], y: ['x'], ui: ['y'] });
    expect(reasonOf(replaceTask(CHAIN, 'api', [taskNamed('db'), taskNamed('z')]))).toMatch(/same name/);
    const circle = [taskNamed('x', { dependsOn: ['y'] }), taskNamed('y', { dependsOn: ['x'] })];
    expect(reasonOf(replaceTask(CHAIN, 'api', circle))).toMatch(/wait for each other/);
  });
});

describe('merging', () => {
  it('keeps both texts and joins what they wait for', () => {
    const plan = samplePlan({ a: [], b: ['a'], c: ['a'], d: ['c'] });
    const merged = done(mergeTasks(plan, ['b', 'c']));
    expect(dependenciesOf(merged)).toEqual({ a: [], b: ['a'], d: ['b'] });
    expect(merged.tasks[1]).toMatchObject({ title: 'Do b; Do c', description: 'Do b\n\nDo c' });
  });

  it('refuses what would wait for itself by way of another, and says of which', () => {
    expect(reasonOf(mergeTasks(CHAIN, ['db', 'ui']))).toBe(
      '2 (Do api) stands between them: merge it as well, or change what it depends on.',
    );
    expect(dependenciesOf(done(mergeTasks(CHAIN, ['db', 'api', 'ui'])))).toEqual({ db: [], docs: ['db'] });
  });
});

it('moves a task up and down, not beyond the ends', () => {
  expect(done(moveTask(CHAIN, 'ui', -1)).tasks.map((task) => task.key)).toEqual(['db', 'ui', 'api', 'docs']);
  expect(done(moveTask(CHAIN, 'db', 99)).tasks.map((task) => task.key)).toEqual(['api', 'ui', 'docs', 'db']);
  expect(reasonOf(moveTask(CHAIN, 'db', -1))).toBe('It is the first already.');
});

it('sets dependencies, and refuses a circle with the reason', () => {
  expect(dependenciesOf(done(setDependencies(CHAIN, 'docs', ['db', 'db'])))).toMatchObject({ docs: ['db'] });
  expect(reasonOf(setDependencies(CHAIN, 'db', ['docs']))).toBe(
    '4 (Do docs) already waits for 1 (Do db): that would be a circle.',
  );
  expect(reasonOf(setDependencies(CHAIN, 'db', ['db']))).toBe('A task cannot wait for itself.');
  expect(reasonOf(setDependencies(CHAIN, 'db', ['gone']))).toMatch(/no task gone/);
});

type Pick = readonly [of: number, other: number, more: number];
const EDITS: readonly ((plan: Plan, pick: Pick, text: string) => Edited)[] = [
  (plan, [of], text) => addTask(plan, { title: text, role: 'tester', roleReason: null }, keyAt(plan, of)),
  (plan, [of], text) => setField(plan, keyAt(plan, of), { title: text, description: text, files: [text] }),
  (plan, [of, n]) => setField(plan, keyAt(plan, of), { size: TASK_SIZES[n % 3] ?? 'small' }),
  (plan, [of, n]) => setField(plan, keyAt(plan, of), { priority: PRIORITIES[n % 3] ?? 'low' }),
  (plan, [of]) => removeTask(plan, keyAt(plan, of)),
  (plan, [of, n], text) => splitTask(plan, keyAt(plan, of), [text, 'b', 'c'], n % 2 === 0 ? 'sequence' : 'parallel'),
  (plan, [of, other, more]) => mergeTasks(plan, [keyAt(plan, of), keyAt(plan, other), keyAt(plan, more)]),
  (plan, [of, by]) => moveTask(plan, keyAt(plan, of), (by % 7) - 3),
  (plan, [of, other, more]) => setDependencies(plan, keyAt(plan, of), [keyAt(plan, other), keyAt(plan, more)]),
  (plan, [of, other, more]) =>
    replaceTask(plan, keyAt(plan, of), [
      taskNamed(`p${plan.tasks.length}`, { dependsOn: [keyAt(plan, other), `q${plan.tasks.length}`] }),
      taskNamed(`q${plan.tasks.length}`, { dependsOn: [keyAt(plan, more), `p${(plan.tasks.length + other) % 9}`] }),
    ]),
];

function keyAt(plan: Plan, n: number): string {
  return plan.tasks[n % Math.max(1, plan.tasks.length)]?.key ?? 'none';
}

/** Whether each task can be done at some time, when all that it waits for can. */
function canBeDone(plan: Plan): boolean {
  const done = new Set<string>();
  for (let before = -1; before < done.size; ) {
    before = done.size;
    for (const task of plan.tasks) if (task.dependsOn.every((on) => done.has(on))) done.add(task.key);
  }
  return done.size === plan.tasks.length;
}

it('makes nothing but plans that can be stored and done, whatever is changed in which order', () => {
  const pick = fc.tuple(fc.nat(30), fc.nat(30), fc.nat(30));
  const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.lorem({ maxCount: 4 }));
  const step = fc.tuple(fc.nat(EDITS.length - 1), pick, text);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let plan = CHAIN;
      for (const [which, picked, words] of steps) {
        const edited = EDITS[which]?.(plan, picked, words);
        if (edited === undefined || 'refused' in edited) continue;
        plan = edited.plan;
        expect(planSchema.parse(plan)).toEqual(plan);
        expect(new Set(plan.tasks.map((task) => task.key)).size).toBe(plan.tasks.length);
        expect(canBeDone(plan)).toBe(true);
        if (edited.select !== null) expect(plan.tasks.map((task) => task.key)).toContain(edited.select);
      }
    }),
    { numRuns: 300 },
  );
});
