// Work on a plan: what keys do to it and to what is before the person, stored at once, and the same again in another process.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Plan, planSchema } from '../../src/plan/plan.ts';
import { isUnanswered } from '../../src/plan/session/browse.ts';
import { keptOf } from '../../src/plan/session/kept.ts';
import { loadPlan } from '../../src/plan/stored.ts';
import { openState, type State } from '../../src/state/state.ts';
import { PlanBench } from '../support/plan-bench.ts';
import { dependenciesOf, samplePlan, taskNamed } from '../support/plan-samples.ts';

const PLAN = samplePlan({ db: [], api: ['db'], ui: ['api'], docs: [] });

let folder: string;
let state: State;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'plan-session-'));
  state = openState(folder);
});
afterEach(() => {
  state.close();
  rmSync(folder, { recursive: true, force: true });
});

function benchOf(plan: Plan = PLAN): PlanBench {
  const { id } = state.addPlan(plan.goal, { document: plan, change: 'plan' });
  return new PlanBench(state, id);
}

function stored(bench: PlanBench): Plan {
  return loadPlan(state, bench.state.stored.id).plan;
}

describe('the keys', () => {
  it('a adds a task after the selected one, with the role that its title asks for', () => {
    const bench = benchOf().press('jaWrite tests<enter>');
    expect(stored(bench).tasks[2]).toMatchObject({ key: 'write-tests', role: 'test-engineer', roleReason: 'words' });
    expect(bench.state).toMatchObject({ selected: 'write-tests', mode: { kind: 'browsing' } });
  });

  it('e edits each of the fields', () => {
    const bench = benchOf().press('et<ctrl-u>Data<enter>').press('edLong<newline>text<enter>');
    bench.press('eaIt works<newline>- It is quick<enter>').press('efsrc/<newline>docs/a.md<enter>').press('esl');
    expect(stored(bench).tasks[0]).toMatchObject({
      ...{ title: 'Data', description: 'Long\ntext', acceptance: ['It works', 'It is quick'] },
      ...{ files: ['src/', 'docs/a.md'], size: 'large' },
    });
  });

  it('keeps what was typed where it cannot be taken, and says why', () => {
    const bench = benchOf().press('et<ctrl-u><enter>');
    expect(bench.notice).toBe('title is empty');
    expect(bench.state.mode).toMatchObject({ kind: 'typing' });
    bench.press('Data<enter>');
    expect(stored(bench).tasks[0]?.title).toBe('Data');
  });

  it('d deletes, and the next task is selected', () => {
    const bench = benchOf().press('jd');
    expect(dependenciesOf(stored(bench))).toEqual({ db: [], ui: ['db'], docs: [] });
    expect(bench.state.selected).toBe('ui');
    expect(bench.notice).toContain('Do api');
  });

  it('s splits by hand, and Esc goes back to the titles', () => {
    const bench = benchOf().press('jshOne<newline>Two<enter><escape>');
    expect(bench.state.mode).toMatchObject({ kind: 'typing', line: { text: 'One\nTwo' } });
    bench.press('<enter>t');
    expect(dependenciesOf(stored(bench))).toMatchObject({ one: ['db'], two: ['db'], ui: ['one', 'two'] });
    expect(benchOf().press('shOne<enter>').notice).toMatch(/two or more/);
  });

  it('s has the planner split, whose pieces are checked', () => {
    const bench = benchOf().press('jsp');
    expect(bench.effects).toEqual([{ type: 'split', key: 'api' }]);
    bench.press('d');
    expect(bench.notice).toMatch(/at work/);
    bench.act({ type: 'pieces', key: 'api', pieces: [taskNamed('x'), taskNamed('y', { dependsOn: ['x'] })] });
    expect(dependenciesOf(stored(bench))).toMatchObject({ x: ['db'], y: ['x'], ui: ['y'] });
    expect(bench.state).toMatchObject({ work: null, notice: { text: 'Split into 2. u takes it back.' } });
  });

  it('m merges what is marked, else what is named', () => {
    const marked = benchOf().press('  m');
    expect(dependenciesOf(stored(marked))).toEqual({ db: [], ui: ['db'], docs: [] });
    expect(marked.state.marked).toEqual([]);
    const named = benchOf().press('m2-3<enter>');
    expect(dependenciesOf(stored(named))).toEqual({ db: [], docs: [] });
    expect(benchOf().press('m9<enter>').notice).toMatch(/no task 9/);
  });

  it('r moves the task until it is told that it is done', () => {
    const bench = benchOf().press('rjj<up><enter>j');
    expect(bench.keys).toEqual(['api', 'db', 'ui', 'docs']);
    expect(bench.state.selected).toBe('ui');
  });

  it('x sets what it waits for by numbers, and refuses a circle', () => {
    const bench = benchOf().press('<end>x1, 2-3<enter>');
    expect(dependenciesOf(stored(bench)).docs).toEqual(['db', 'api', 'ui']);
    bench.press('<home>x4<enter>');
    expect(bench.notice).toMatch(/circle/);
    expect(bench.state.mode).toMatchObject({ kind: 'typing', line: { text: '4' } });
  });

  it('g chooses the agent by a part of its name', () => {
    const bench = benchOf().press('gfront<enter>');
    expect(stored(bench).tasks[0]).toMatchObject({ role: 'frontend-ui-engineer', roleReason: 'chosen by you' });
  });

  it('! turns the priority, v and Tab show something else, h the keys', () => {
    const bench = benchOf().press('!');
    expect(stored(bench).tasks[0]?.priority).toBe('high');
    expect(bench.press('v').state.view).toBe('phases');
    expect(bench.press('v').state.view).toBe('tasks');
    expect(bench.press('<tab>').state.view).toBe('discussion');
    expect(bench.press('h').state.view).toBe('keys');
    expect(bench.press('<escape>').state.view).toBe('tasks');
  });

  it('u takes back and U does again, also in another process', () => {
    const bench = benchOf().press('dd').reopened().press('u');
    expect(bench.keys).toEqual(['api', 'ui', 'docs']);
    expect(bench.notice).toBe('Undone: remove api');
    expect(bench.reopened().press('u').keys).toEqual(['db', 'api', 'ui', 'docs']);
    expect(bench.reopened().press('U<ctrl-r>').keys).toEqual(['ui', 'docs']);
    expect(bench.reopened().press('U').notice).toBe('There is nothing to redo.');
    expect(bench.reopened().press('uuu').notice).toBe('There is nothing to undo.');
  });

  it('w leaves, Ctrl-C interrupts, also while something is typed', () => {
    expect(benchOf().press('w').effects).toEqual([{ type: 'leave', how: 'saved' }]);
    expect(benchOf().press('ahalf<ctrl-c>').effects).toEqual([{ type: 'leave', how: 'interrupted' }]);
    expect(benchOf().press('<ctrl-d>').effects).toEqual([{ type: 'leave', how: 'interrupted' }]);
    expect(benchOf().press('a<ctrl-d>').effects).toEqual([{ type: 'leave', how: 'interrupted' }]);
  });

  it('p asks before it approves, and does not while there are errors', () => {
    expect(benchOf().press('pn').effects).toEqual([]);
    expect(benchOf().press('py').effects).toEqual([{ type: 'approve' }]);
    const nobody = benchOf({ ...PLAN, tasks: [taskNamed('db', { role: 'nobody' })] }).press('py');
    expect(nobody.effects).toEqual([]);
    expect(nobody.notice).toBe('Not yet: db has no agent');
  });
});

describe('the discussion', () => {
  it('stores the question, then the answer', () => {
    const bench = benchOf().press('?Why?<enter>');
    expect(bench.effects).toEqual([{ type: 'ask' }]);
    expect(isUnanswered(bench.state)).toBe(false);
    bench.act({ type: 'replied', reply: { text: 'Because.\x1b[2J', plan: null } });
    expect(bench.state.messages).toMatchObject([
      { from: 'you', text: 'Why?' },
      { from: 'planner', text: 'Because.' },
    ]);
    expect(stored(bench)).toEqual(PLAN);
  });

  it('takes a proposed plan only after a yes', () => {
    const proposal = { ...PLAN, tasks: [...PLAN.tasks, taskNamed('more')] };
    const ask = () =>
      benchOf()
        .press('?More<enter>')
        .act({ type: 'replied', reply: { text: 'So?', plan: proposal } });
    expect(ask().press('n').keys).toEqual(['db', 'api', 'ui', 'docs']);
    expect(ask().reopened().press('y').keys).toEqual(['db', 'api', 'ui', 'docs', 'more']);
    expect(ask().press('yu').keys).toEqual(['db', 'api', 'ui', 'docs']);
  });

  it('does not take for a plan what is none', () => {
    const bad = { ...PLAN, tasks: [{ ...taskNamed('x'), key: 'NOT A KEY' }] };
    const bench = benchOf()
      .press('?x<enter>')
      .act({ type: 'replied', reply: { text: 'So?', plan: bad } });
    expect(bench.state.mode).toEqual({ kind: 'browsing' });
    expect(bench.notice).toMatch(/cannot be read/);
    expect(bench.state.messages).toHaveLength(2);
  });

  it('Esc and Ctrl-C stop only the question; it can be asked again, also by another process', () => {
    const bench = benchOf().press('?Why?<enter><ctrl-c>');
    expect(bench.effects).toEqual([{ type: 'ask' }, { type: 'stop' }]);
    bench.act({ type: 'unanswered', reason: null });
    expect(isUnanswered(bench.state)).toBe(true);
    expect(bench.press('<enter><escape>').effects.slice(2)).toEqual([{ type: 'ask' }, { type: 'stop' }]);
    const other = bench.reopened();
    expect(isUnanswered(other.state)).toBe(true);
    expect(other.press('<enter>').effects).toEqual([{ type: 'ask' }]);
    expect(other.state.messages).toHaveLength(1);
  });

  it('a second Ctrl-C leaves, should the planner not hear the first', () => {
    expect(benchOf().press('?Why?<enter><ctrl-c><ctrl-c>').effects.at(-1)).toEqual({
      ...{ type: 'leave', how: 'interrupted' },
    });
  });

  it('shows why there was no answer', () => {
    const bench = benchOf().press('?Why?<enter>').act({ type: 'unanswered', reason: 'The model is busy.' });
    expect(bench.state).toMatchObject({ notice: { kind: 'refused', text: 'The model is busy.' }, work: null });
  });
});

it('says so where the plan was changed elsewhere, and shows it as it is', () => {
  const bench = benchOf();
  bench.reopened().press('d');
  bench.press('aMine<enter>');
  expect(bench.notice).toMatch(/changed elsewhere/);
  expect(bench.keys).toEqual(['api', 'ui', 'docs']);
  expect(bench.state.mode).toMatchObject({ line: { text: 'Mine' } });
  expect(bench.press('<enter>').keys).toContain('mine');
});

it('shows a plan that was approved elsewhere, and changes nothing of it', () => {
  const bench = benchOf();
  state.approvePlan(bench.state.stored.id, 1, []);
  expect(bench.press('d').notice).toMatch(/approved elsewhere/);
  expect(bench.press('d').notice).toMatch(/is approved/);
});

it('begins anew where what was kept of the screen cannot be read', () => {
  const bench = benchOf();
  state.setPlanView(bench.state.stored.id, { mode: 'of another version' });
  expect(new PlanBench(state, bench.state.stored.id).state).toMatchObject({ view: 'discussion', selected: 'db' });
});

const PRESSES = [
  ...[
    'j',
    'k',
    '<end>',
    '<home>',
    ' ',
    'd',
    '!',
    'u',
    'U',
    'v',
    '<tab>',
    '<enter>',
    '<escape>',
    'r',
    'p',
    'n',
    'm',
    'x',
  ],
  ...['aNew task<enter>', 'et<ctrl-u>Titled<enter>', 'edText<enter>', 'esl', 'shOne<newline>Two<enter>o'],
  ...['shThree<newline>Four<enter>t', 'gtest<enter>', '<escape>m1 2 4<enter>', '<escape>x1 2<enter>', 'half <left>'],
  ...['e', 's', 'g', 'h', '?', 'a', 'rjj<enter>', '<ctrl-u>3<enter>', '<newline>'],
];

it('whatever is pressed: the plan can be stored, another process shows the same, and undoing gives back the first plan', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...PRESSES), { maxLength: 25 }), (presses) => {
      const bench = benchOf();
      for (const text of presses) {
        bench.press(text);
        // A question is answered, so that work goes on.
        if (bench.state.work !== null) bench.act({ type: 'unanswered', reason: null });
      }
      const plan = stored(bench);
      expect(planSchema.parse(plan)).toEqual(plan);
      expect(bench.state.stored.plan).toEqual(plan);
      expect(keptOf(bench.reopened().state)).toEqual(keptOf(bench.state));
      const { id, revision } = bench.state.stored;
      const changes = revision - 1;
      bench.press('<escape><escape><escape>').press('u'.repeat(changes));
      expect(loadPlan(state, id)).toMatchObject({ plan: PLAN, revision: 1, undoes: null });
      bench.press('U'.repeat(changes));
      expect(stored(bench)).toEqual(plan);
    }),
    { numRuns: 40 },
  );
});
