// Every key of the plan's screen, pressed on a real terminal.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { dependenciesOf, samplePlan, taskNamed } from '../support/plan-samples.ts';
import { PlanFolder } from '../support/plan-terminal.ts';
import type { TestTerminal } from '../support/terminal.ts';

// Each test starts programs, on whatever else the machine is doing.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

const PLAN = {
  ...samplePlan({ db: [], api: ['db'], ui: ['api'], docs: ['db'] }),
  approach: "I'll help you build this. First the data, then the rest.",
};
const [ENTER, ESCAPE, DOWN, UP, TAB] = ['\r', '\x1b', '\x1b[B', '\x1b[A', '\t'];
const [HOME, END, PAGE_UP, PAGE_DOWN] = ['\x1b[H', '\x1b[F', '\x1b[5~', '\x1b[6~'];
const CLEAR_LINE = '\x15';

let folder: PlanFolder;
let terminal: TestTerminal;

beforeEach(async () => {
  folder = new PlanFolder(PLAN);
  terminal = folder.open();
  await terminal.shows('> 1 ');
});
afterEach(async () => {
  await terminal[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** One key after the other, each once what the one before brings is there. */
async function steps(...keysAndTexts: readonly (readonly [keys: string, text: string | RegExp])[]): Promise<void> {
  for (const [keys, text] of keysAndTexts) {
    terminal.press(keys);
    await terminal.shows(text);
  }
}

it('begins with what the planner says and the phases', async () => {
  const text = await terminal.shows('help you build');
  expect(text).toContain('heuristic:\n');
  expect(text).toContain('Phase 2: Do api, Do docs');
  expect(text).toMatch(/4 tasks · 3 phases · planned by heuristic/);
});

it('a adds, e edits, d deletes, u takes back and U does again', async () => {
  await steps(['a', 'Add task:'], ['Set up the tests', 'Set up the tests'], [ENTER, /> 2 .*Set up the tests/]);
  expect(folder.plan.tasks[1]).toMatchObject({ key: 'set-up-the-tests', title: 'Set up the tests' });
  await steps(['e', 'what?'], ['t', 'Title of 2'], [CLEAR_LINE, /Title of .*\n\n/], [`Tests${ENTER}`, /> 2 .*Tests/]);
  await steps(['e', 'what?'], ['d', 'Description of'], [`one\ntwo${ENTER}`, 'h help']);
  await steps(['e', 'what?'], [DOWN + DOWN + ENTER, 'What must be true'], [`it works${ENTER}`, 'h help']);
  await steps(
    ['e', 'what?'],
    ['f', 'Files'],
    [`test/${ENTER}`, 'h help'],
    ['e', 'what?'],
    ['s', 'Size'],
    ['l', 'h help'],
  );
  expect(folder.plan.tasks[1]).toMatchObject({
    ...{ title: 'Tests', description: 'one\ntwo', acceptance: ['it works'], files: ['test/'], size: 'large' },
  });
  await steps(['d', 'Deleted: Tests']);
  expect(folder.plan.tasks.map((task) => task.key)).toEqual(['db', 'api', 'ui', 'docs']);
  await steps(['u', 'Undone: remove set-up-the-tests'], ['U', 'Done again'], ['u', 'Undone: remove']);
  for (const left of ['size', 'files', 'acceptance', 'description', 'title'])
    await steps(['u', `Undone: edit ${left}`]);
  await steps(['u', 'Undone: add'], ['u', 'nothing to undo']);
  expect(folder.plan).toEqual(PLAN);
});

it('s splits, by hand and by the planner', async () => {
  await steps(
    [DOWN, '> 2 '],
    ['s', 'by whom?'],
    ['h', 'one line for each'],
    [`Routes\nHandlers${ENTER}`, 'follow each other'],
  );
  await steps(['t', /> 2 .*Routes/]);
  expect(dependenciesOf(folder.plan)).toMatchObject({ routes: ['db'], handlers: ['db'], ui: ['routes', 'handlers'] });
  folder.script({ pieces: [taskNamed('x'), taskNamed('y', { dependsOn: ['x'] })] });
  await steps(['s', 'by whom?'], ['p', /> 2 .*Do x/]);
  expect(dependenciesOf(folder.plan)).toMatchObject({ x: ['db'], y: ['x'], ui: ['handlers', 'y'] });
});

it('m merges what space marked, r reorders, x sets dependencies', async () => {
  await steps([DOWN, '> 2 '], [' ', '1 marked'], [' ', '2 marked'], ['m', /> 2 .*Do api; Do ui/]);
  expect(dependenciesOf(folder.plan)).toEqual({ db: [], api: ['db'], docs: ['db'] });
  await steps(['r', 'Moving: 2'], [DOWN, /↕ 3 /], [UP, /↕ 2 /], ['k', /↕ 1 /], ['j', /↕ 2 /], [ENTER, '> 2 ']);
  await steps(
    ['x', 'waits for'],
    [` 3${ENTER}`, /> 2 .*←1 3/],
    ['j', '> 3 '],
    ['x', 'waits for'],
    [` 2${ENTER}`, 'circle'],
  );
  expect(dependenciesOf(folder.plan)).toEqual({ db: [], api: ['db', 'docs'], docs: ['db'] });
});

it('g chooses the agent, ! the priority', async () => {
  await steps(['g', 'Agent for'], ['security', /> security-engineer/], [ENTER, /> 1 .*security-eng/]);
  await steps(['!', /> 1 .*high/], ['!', /> 1 .*low/], ['!', /> 1 .*security-eng\S* {6}M/]);
  expect(folder.plan.tasks[0]).toMatchObject({ role: 'security-engineer', roleReason: 'chosen by you' });
});

it('v shows the phases, Enter all of a task, h the keys; Esc and Tab go back and forth', async () => {
  await steps(['v', 'critical path'], ['v', '── Task'], [TAB, '── Discussion'], [TAB, '── Task']);
  terminal.press(ENTER);
  expect(await terminal.hides('> 1')).toMatch(/^1 Do db$/m);
  await steps([ESCAPE, '> 1 '], ['h', 'Ctrl-Z'], [ESCAPE, '> 1 ']);
});

it('goes through the list with all keys that do', async () => {
  await steps(
    [TAB, '── Task'],
    [END, '> 4 '],
    ['k', '> 3 '],
    [UP, '> 2 '],
    [HOME, '> 1 '],
    [PAGE_DOWN, '> 4 '],
    [PAGE_UP, '> 1 '],
  );
});

it('? asks and shows the answer; a proposed plan comes as a difference and only with y', async () => {
  folder.script({ reply: { text: 'You asked: {asked}' } });
  await steps(['?', 'Ask the planner'], [`Why so?${ENTER}`, 'You asked: Why so?']);
  expect(terminal.text).toMatch(/You:\n {2}Why so\?\n\nscripted:\n {2}You asked/);
  const [first, ...rest] = PLAN.tasks;
  const tasks = [{ ...first, title: 'Data first' }, ...rest.slice(0, -1), taskNamed('more')] as typeof PLAN.tasks;
  folder.script({ reply: { text: 'Like this?', plan: { ...PLAN, tasks } } });
  await steps(['?', 'Ask the planner'], [`Change it${ENTER}`, 'Take this plan over? y/n']);
  expect(terminal.text).toContain('- Do docs\n+ Do more\n');
  expect(terminal.text).toContain('~ Do db\n    title: Do db → Data first');
  await steps(['n', 'stays as it was']);
  expect(folder.plan).toEqual(PLAN);
  await steps(['?', 'Ask the planner'], [`Again${ENTER}`, 'y/n'], ['y', /> 1 .*Data first/]);
  expect(folder.plan.tasks).toEqual(tasks);
  await steps(['u', 'Undone: what the planner proposed']);
  expect(folder.plan).toEqual(PLAN);
});

it('shows in words why the planner did not answer, and lives on', async () => {
  folder.script({ error: 'The model is busy.' });
  await steps(['?', 'Ask the planner'], [`Why?${ENTER}`, 'The model is busy.']);
  await terminal.shows('Not answered yet. Enter asks again.');
  folder.script({ reply: { text: 'Now I can.' } });
  await steps([ENTER, 'Now I can.'], ['s', 'by whom?']);
  folder.script({ error: `I have no idea how${' at all'.repeat(12)}, since it is one thing.` });
  await steps(['p', /I have no idea how at all(.|\n)*since it is one thing\.$/m]);
});

describe('leaving', () => {
  it('w saves and leaves', async () => {
    terminal.press('!w');
    await terminal.ended();
    expect(terminal.text).toContain('ended: saved');
    expect(folder.plan.tasks[0]?.priority).toBe('high');
  });

  it('p approves after an estimate and a yes: the tasks are queued', async () => {
    await steps(['p', 'Queue 4 tasks? y/n'], ['n', 'Not approved yet'], ['p', 'y/n']);
    expect(terminal.text).toMatch(/4 tasks/);
    terminal.press('y');
    await terminal.ended();
    expect(terminal.text).toContain('ended: approved');
    expect(folder.queued.map((task) => task.title)).toEqual(PLAN.tasks.map((task) => task.title));
  });

  it('p refuses while there are errors, and says which', async () => {
    await steps(['x', 'waits for'], [ESCAPE, 'h help']);
    const broken = new PlanFolder(samplePlan({ a: ['b'], b: ['a'] }));
    const other = broken.open();
    await other.shows('> 1 ');
    other.press('p');
    await other.shows('cannot be approved while there are errors');
    other.press('y');
    await other.shows('Not yet:');
    expect(broken.queued).toEqual([]);
    await other[Symbol.asyncDispose]();
    broken[Symbol.dispose]();
  });
});
