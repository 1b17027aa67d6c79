// The plan's screen on a real terminal, when things happen to it: other sizes, pastes, crashes, kills, hostile texts, many tasks.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Plan } from '../../src/plan/plan.ts';
import { until } from '../support/killed-run.ts';
import { samplePlan, taskNamed } from '../support/plan-samples.ts';
import { type Opening, PlanFolder } from '../support/plan-terminal.ts';
import type { TestTerminal } from '../support/terminal.ts';

// Each test starts programs, on whatever else the machine is doing.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

const PLAN = samplePlan({ db: [], api: ['db'], ui: ['api'], docs: ['db'] });
const [ENTER, ESCAPE, LEFT, END] = ['\r', '\x1b', '\x1b[D', '\x1b[F'];
const [CTRL_C, CTRL_D, CTRL_L, CTRL_O, CTRL_Z] = ['\x03', '\x04', '\x0c', '\x0f', '\x1a'];

const open: (AsyncDisposable | Disposable)[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) {
    if (Symbol.asyncDispose in one) await one[Symbol.asyncDispose]();
    else one[Symbol.dispose]();
  }
});

function folderOf(plan: Plan = PLAN): PlanFolder {
  const folder = new PlanFolder(plan);
  open.push(folder);
  return folder;
}

async function opened(folder: PlanFolder, opening: Opening = {}): Promise<TestTerminal> {
  const terminal = folder.open(opening);
  open.push(terminal);
  await terminal.shows('> ');
  return terminal;
}

function many(n: number): Plan {
  const tasks = Array.from({ length: n }, (_, index) =>
    taskNamed(`t${index + 1}`, { dependsOn: index < 3 ? [] : [`t${index - 2}`], title: `Task number ${index + 1}` }),
  );
  return { ...PLAN, tasks };
}

/** What must be true of every screen: no row is broken by one that was too long. */
function isWhole(terminal: TestTerminal, columns: number): boolean {
  return terminal.rows.every((row) => row.length <= columns) && terminal.rows[0]?.startsWith('Build') === true;
}

describe('the size of the terminal', () => {
  it.each([
    [40, 24],
    [80, 10],
    [200, 50],
    [30, 6],
    [80, 24],
  ])('%i columns and %i rows show the selected task, the keys and what is typed', async (columns, rows) => {
    const terminal = await opened(folderOf(many(60)), { columns, rows });
    terminal.press(END);
    await terminal.shows(/> ?60 /);
    terminal.press('a');
    await terminal.shows('Add task:');
    terminal.press('Something new');
    await terminal.shows('Something new');
    expect(isWhole(terminal, columns)).toBe(true);
    expect(terminal.rows[terminal.cursor.row]?.slice(0, terminal.cursor.column)).toBe('Something new');
    expect(terminal.rows).toHaveLength(rows);
  });

  it('may change at any time: nothing is lost, nothing of the old screen stays', async () => {
    const terminal = await opened(folderOf());
    terminal.press('?Half a question');
    await terminal.shows('Half a question');
    for (const [columns, rows] of [
      [40, 10],
      [200, 50],
      [20, 4],
      [80, 24],
    ] as const) {
      terminal.resize(columns, rows);
      await terminal.until(
        () =>
          isWhole(terminal, columns) &&
          terminal.cursor.column === Math.min(15, 15) &&
          terminal.text.includes('Half a question'),
        `the screen at ${columns}x${rows}`,
      );
    }
    expect(terminal.rows.filter((row) => row.includes('Half a question'))).toHaveLength(1);
    expect(terminal.rows.filter((row) => row.startsWith('Build a task'))).toHaveLength(1);
  });

  it('puts the discussion beside the list where there is room', async () => {
    const terminal = await opened(folderOf(), { columns: 160 });
    expect(terminal.text).toMatch(/> 1 {3}Do db .* heuristic:/);
  });
});

describe('a paste', () => {
  it('of many lines with escape codes is text in the line, and sends nothing', async () => {
    const folder = folderOf();
    const terminal = await opened(folder);
    terminal.press('ed');
    await terminal.shows('Description of');
    terminal.paste('first\r\nsecond \x1b[31mred\x1b[0m \x1b]0;title\x07\nq w d p y');
    await terminal.shows('q w d p y');
    expect(terminal.text).toMatch(/first\nsecond red\nq w d p y/);
    terminal.press(ENTER);
    await terminal.shows('h help');
    expect(folder.plan.tasks[0]?.description).toBe('first\nsecond red \nq w d p y');
  });

  it('becomes one line for a title', async () => {
    const folder = folderOf();
    const terminal = await opened(folder);
    terminal.press('a');
    await terminal.shows('Add task:');
    terminal.paste('Build\nthe rest');
    await terminal.shows('Build the rest');
    terminal.press(ENTER);
    await terminal.shows(/> 2 .*Build the rest/);
  });

  it('where nothing is typed does nothing: it is no row of keys', async () => {
    const folder = folderOf();
    const terminal = await opened(folder);
    terminal.paste('dddd\rpy');
    await terminal.shows('Nothing is being typed');
    expect(folder.plan).toEqual(PLAN);
    expect(folder.queued).toEqual([]);
  });
});

describe('Ctrl-C', () => {
  it.each([
    ['while nothing is done', '', '> 1 '],
    ['while something is typed', 'aHalf', 'Half'],
    ['while something is chosen', 'g', 'Agent for'],
    ['while a task is moved', 'r', 'Moving'],
    ['while it is about approval', 'p', 'y/n'],
    ['among the phases', 'v', 'critical path'],
  ])('%s leaves, with the terminal as it was', async (_when, keys, text) => {
    const folder = folderOf();
    const terminal = await opened(folder);
    terminal.press(keys);
    await terminal.shows(text);
    expect(terminal.isAlternate).toBe(true);
    terminal.press(CTRL_C);
    await terminal.ended();
    expect(terminal.text.trim()).toBe('ended: interrupted');
    expect(terminal.isAlternate).toBe(false);
    expect(terminal.sent).toContain('\\x1b[?2004l\\x1b[?7h\\x1b[?25h\\x1b[0m\\x1b[?1049l');
    expect(folder.plan).toEqual(PLAN);
  });

  it('while the planner thinks stops only the question, as Esc does', async () => {
    const folder = folderOf();
    folder.script({ wait: true });
    const terminal = await opened(folder);
    for (const stop of [CTRL_C, ESCAPE]) {
      terminal.press(`?Why${ENTER}`);
      await terminal.shows('scripted is thinking');
      terminal.press('j');
      await terminal.shows('> 2 ');
      terminal.press(`k${stop}`);
      await terminal.shows('Stopped.');
      await terminal.shows('Not answered yet');
    }
    terminal.press('spx');
    await terminal.shows('The planner is at work');
    terminal.press(CTRL_C);
    await terminal.shows('Stopped.');
    expect(folder.plan).toEqual(PLAN);
  });
});

describe('the end of the terminal', () => {
  it('that is Ctrl-D leaves', async () => {
    const terminal = await opened(folderOf());
    terminal.press(CTRL_D);
    await terminal.ended();
    expect(terminal.text).toContain('ended: interrupted');
  });

  it.each(['SIGHUP', 'SIGTERM', 'SIGINT'] as const)(
    'that is %s keeps everything, and the next one goes on',
    async (signal) => {
      const folder = folderOf();
      const terminal = await opened(folder);
      terminal.press('!aHalf a title');
      await terminal.shows('Half a title');
      terminal.kill(signal);
      expect((await terminal.ended()).signal).toBe(0);
      const next = await opened(folder);
      await next.shows('Half a title');
      expect(folder.plan.tasks[0]?.priority).toBe('high');
    },
  );

  it('that is a hang-up ends the program, and the next one goes on', async () => {
    const folder = folderOf();
    const terminal = await opened(folder, { underShell: true });
    const program = Number(readFileSync(`/proc/${terminal.pid}/task/${terminal.pid}/children`, 'utf8'));
    terminal.press('aHalf a title');
    await terminal.shows('Half a title');
    terminal.kill('SIGKILL');
    await until(async () => hasEnded(program));
    await (await opened(folder)).shows('Half a title');
  });
});

/** Also where nobody has taken note of it yet. */
function hasEnded(pid: number): boolean {
  const file = `/proc/${pid}/stat`;
  return !existsSync(file) || readFileSync(file, 'utf8').includes(') Z ');
}

describe('kill -9', () => {
  it('loses nothing that was on the screen', async () => {
    const folder = folderOf();
    const first = await opened(folder);
    first.press('j', ' ', 'e', 'd');
    await first.shows('Description of 3');
    first.paste('one line\nhalf a li');
    first.press(LEFT, LEFT);
    await first.until(() => first.cursor.column === 7, 'the cursor before the last two letters');
    const [before, cursor] = [first.text, first.cursor];
    first.kill('SIGKILL');
    await first.ended();
    const second = folder.open();
    open.push(second);
    await second.until((text) => text === before, 'the same screen');
    await second.until(() => second.cursor.row === cursor.row && second.cursor.column === cursor.column, 'the cursor');
    second.press(`XY${ENTER}`);
    await second.shows('h help');
    expect(folder.plan.tasks[2]?.description).toBe('one line\nhalf a XYli');
  });

  it.each([3, 17, 40])('while somebody types (after %i letters) loses no letter that was seen', async (letters) => {
    const folder = folderOf();
    const first = await opened(folder);
    first.press('a');
    await first.shows('Add task:');
    const typed = 'the quick brown fox jumps over the lazy dog and types on';
    for (const letter of typed) first.press(letter);
    await first.shows(typed.slice(0, letters));
    first.kill('SIGKILL');
    await first.ended();
    const seen = /Add task:\n(.*)/.exec(first.text)?.[1] ?? '';
    expect(typed.startsWith(seen)).toBe(true);
    const second = await opened(folder);
    expect(await second.shows('Add task:')).toContain(`Add task:\n${seen}`);
  });

  it('while the planner thinks keeps the question, to be asked again', async () => {
    const folder = folderOf();
    folder.script({ wait: true });
    const first = await opened(folder);
    first.press(`?Why so?${ENTER}`);
    await first.shows('is thinking');
    first.kill('SIGKILL');
    await first.ended();
    folder.script({ reply: { text: 'Because of {asked}' } });
    const second = await opened(folder);
    expect(await second.shows('Not answered yet. Enter asks again.')).toContain('  Why so?');
    second.press(ENTER);
    await second.shows('Because of Why so?');
  });

  it('keeps a proposal that was not judged yet', async () => {
    const folder = folderOf();
    folder.script({ reply: { text: 'Like this?', plan: { ...PLAN, tasks: [...PLAN.tasks, taskNamed('more')] } } });
    const first = await opened(folder);
    first.press(`?More${ENTER}`);
    await first.shows('+ Do more');
    first.kill('SIGKILL');
    await first.ended();
    const second = folder.open();
    open.push(second);
    await second.shows('+ Do more');
    second.press('y');
    await second.shows('5 tasks');
  });
});

describe('a large plan', () => {
  it.each([200, 500])('of %i tasks is gone through, changed and looked at', async (n) => {
    const folder = folderOf(many(n));
    const terminal = await opened(folder);
    terminal.press(END);
    await terminal.shows(`> ${n} `);
    terminal.press('\t');
    await terminal.shows('── Task');
    terminal.press('\x1b[5~'.repeat(4));
    await terminal.shows(`> ${n - 40} `);
    terminal.press('j'.repeat(30));
    await terminal.shows(`> ${n - 10} `);
    terminal.press('d');
    await terminal.shows('Deleted');
    expect(folder.plan.tasks).toHaveLength(n - 1);
    terminal.press('v');
    await terminal.shows('Phase 1 (3 tasks)');
    terminal.press(END);
    await terminal.shows('critical path');
    terminal.press('p');
    await terminal.shows(`Queue ${n - 1} tasks?`);
  });

  it('is not longer than a plan may be', async () => {
    const terminal = await opened(folderOf(many(500)));
    terminal.press(`aOne more${ENTER}`);
    await terminal.shows('more than 500 tasks');
  });
});

it('lets nothing of hostile texts reach the terminal', async () => {
  const hostile = '\x1b]0;owned\x07\x1b[2J\x1b[31m\u202eevil\u0007\x9b6n\u200b\x1bP1$q\x1b\\';
  // Written past the schema, as another version might.
  const task = { ...taskNamed('db'), title: `T${hostile}`, description: `D${hostile}`, roleReason: hostile };
  const plan = { ...PLAN, goal: `Build ${hostile}`, approach: hostile, tasks: [task, ...PLAN.tasks.slice(1)] };
  const folder = folderOf(plan);
  folder.script({ reply: { text: `Answer ${hostile}`, plan: { ...plan, planner: hostile, approach: 'x' } } });
  const terminal = await opened(folder);
  for (const [keys, text] of [
    ['\t', '── Task'],
    ['v', 'critical'],
    ['v', '> 1'],
    ['p', 'y/n'],
    ['n', 'Not approved'],
    [`?Why${ENTER}`, 'over? y/n'],
    ['y', '> 1'],
  ] as const) {
    terminal.press(keys);
    await terminal.shows(text);
  }
  terminal.press('w');
  await terminal.ended();
  const own = /\\x1b\[(?:\?(?:1049|7|2004|25|2026)[hl]|2J|K|[0-9;]*m|[0-9]+;[0-9]+H)/g;
  // What is left is spelled out where it is anything but letters; the program itself prints one line in the end.
  expect(terminal.sent.replace(own, '').replace(/\\x0d\n$/, '')).not.toMatch(/\\x|\\u|\n/);
  expect(terminal.sent.split('\\x1b[2J')).toHaveLength(2);
});

it('restores the terminal when it crashes, and says why on the screen that stays', async () => {
  const terminal = await opened(folderOf());
  terminal.kill('SIGUSR2');
  expect((await terminal.ended()).exitCode).not.toBe(0);
  expect(terminal.isAlternate).toBe(false);
  expect(terminal.text).toContain('error: crashed on purpose');
});

it('is drawn again after Ctrl-L and after Ctrl-Z', async () => {
  const terminal = await opened(folderOf());
  for (const key of [CTRL_L, CTRL_Z]) {
    const before = terminal.sent.length;
    terminal.press(key);
    await terminal.until(() => terminal.sent.slice(before).includes('planned by heuristic'), 'a new drawing');
    await terminal.shows('> 1 ');
  }
  terminal.press('j');
  await terminal.shows('> 2 ');
});

it('has no colours where none are wanted', async () => {
  const terminal = await opened(folderOf(), { env: { NO_COLOR: '1' } });
  terminal.press('p');
  await terminal.shows('y/n');
  expect(terminal.sent).not.toMatch(/\\x1b\[(?!0m)[0-9;]+m/);
});

it('has colours where they are', async () => {
  const terminal = await opened(folderOf());
  expect(terminal.sent).toContain('\\x1b[7m');
});

it('says what to use instead on a terminal that cannot place its cursor', async () => {
  const terminal = folderOf().open({ env: { TERM: 'dumb' } });
  open.push(terminal);
  expect((await terminal.ended()).exitCode).toBe(3);
  expect(terminal.sent).toMatch(/failed: A plan is edited on a terminal/);
  expect(terminal.sent).not.toContain('\\x1b');
});

it('draws the same whatever variables of other tools are set', async () => {
  const env = { CI: 'true', NODE_ENV: 'development', DEV: 'true', INK_SCREEN_READER: 'true' };
  const [plain, other] = [await opened(folderOf()), await opened(folderOf(), { env })];
  for (const terminal of [plain, other]) {
    terminal.press('j');
    await terminal.shows('> 2 ');
  }
  expect(other.text).toBe(plain.text);
});

it('shows a plan that was changed elsewhere, and keeps what was typed', async () => {
  const folder = folderOf();
  const terminal = await opened(folder);
  terminal.press('aMine');
  await terminal.shows('Mine');
  folder.changeElsewhere();
  terminal.press(ENTER);
  expect(await terminal.shows('changed elsewhere')).toContain('3 tasks');
  terminal.press(ENTER);
  await terminal.shows('4 tasks');
});

describe('Ctrl-O', () => {
  it('has the text edited in the own editor, in a file that nobody else can read', async () => {
    const folder = folderOf();
    const editor = folder.file('editor.sh');
    writeFileSync(
      editor,
      `#!/bin/sh\nstat -c '%a %n' "$1" >'${folder.file('seen')}'\nprintf 'and\\nmore\\n' >>"$1"\n`,
      { mode: 0o755 },
    );
    const terminal = await opened(folder, { env: { EDITOR: 'false', VISUAL: editor } });
    terminal.press('ed');
    await terminal.shows('Description of');
    terminal.press('Some text', CTRL_O);
    await terminal.shows(/Some text\nand\nmore/);
    terminal.press(ENTER);
    await terminal.shows('h help');
    expect(folder.plan.tasks[0]?.description).toBe('Some text\nand\nmore');
    const [mode = '', file = ''] = readFileSync(folder.file('seen'), 'utf8').trim().split(' ');
    expect(mode).toBe('600');
    expect(() => readFileSync(file)).toThrow(/ENOENT/);
  });

  it('leaves the text as it was where the editor fails', async () => {
    const terminal = await opened(folderOf(), { env: { EDITOR: 'false' } });
    terminal.press('et');
    await terminal.shows('Title of');
    terminal.press(CTRL_O);
    expect(await terminal.shows('The editor (false) ended with 1')).toContain('Do db\n');
  });
});
