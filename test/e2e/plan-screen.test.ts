// The plan's screen of the built program on a real terminal: opened, killed, continued, approved, left.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { answered, planJson } from '../support/model-plans.ts';
import { ModelServer } from '../support/model-server/server.ts';
import { stateOf } from '../support/queue.ts';
import { CLI, Scratch } from '../support/scratch.ts';
import { TestTerminal } from '../support/terminal.ts';

const GOAL = 'Add OAuth2 login';
const ID = 'add-oauth2-login';
const [ENTER, CTRL_C, CTRL_D] = ['\r', '\x03', '\x04'];

interface Shown {
  readonly plan: {
    readonly status: string;
    readonly queuedAs: readonly string[];
    readonly tasks: readonly { readonly title: string; readonly role: string }[];
  };
  readonly discussion: readonly { readonly from: string; readonly text: string }[];
}

let scratch: Scratch;
const open = new Set<TestTerminal>();
beforeEach(async () => {
  scratch = await Scratch.create();
});
afterEach(async () => {
  for (const terminal of open) await terminal[Symbol.asyncDispose]();
  open.clear();
  await scratch[Symbol.asyncDispose]();
});

function onTerminal(args: readonly string[], env: Readonly<Record<string, string>> = {}): TestTerminal {
  const terminal = new TestTerminal({
    ...{ file: process.execPath, args: [CLI, ...args], cwd: scratch.repository, columns: 100, rows: 30 },
    env: { ...scratch.env, TERM: 'xterm-256color', ...env },
  });
  open.add(terminal);
  return terminal;
}

async function shown(): Promise<Shown> {
  return scratch.json<Shown>(['plan', 'show', ID]);
}

describe('plan on a terminal', () => {
  it('goes on after kill -9 where it was, down to the half-typed line, and is approved by p and y', async () => {
    const first = onTerminal(['plan', GOAL]);
    await first.shows('> 1 ');
    first.press('a');
    await first.shows('Add task:');
    first.press(`Add a button to the login page${ENTER}`);
    await first.shows(/> 2 .*button/);
    first.press('a');
    await first.shows('Add task:');
    first.press('Renew the se');
    await first.shows('Renew the se');
    const before = first.text;
    first.kill('SIGKILL');
    await first.ended();

    const { plan } = await shown();
    expect(plan.status).toBe('draft');
    // A task that a person adds goes to the role that its words speak for.
    expect(plan.tasks[1]).toMatchObject({ title: 'Add a button to the login page', role: 'frontend-ui-engineer' });

    const second = onTerminal(['plan', 'continue', 'add']);
    await second.until((text) => text === before, `the same as before:\n${before}`);
    second.press(`ssions${ENTER}`);
    await second.shows(/> 3 .*Renew the sessions/);
    second.press('p');
    await second.shows(/\by\b/);
    second.press('y');
    expect(await second.ended()).toEqual({ exitCode: 0, signal: 0 });
    expect(second.isAlternate).toBe(false);
    expect(second.text).toContain(`Queued ${plan.tasks.length + 1} tasks. Next: orchestrate run`);
    const after = await shown();
    expect(after.plan.status).toBe('approved');
    const { tasks } = await scratch.json<{ tasks: { id: string }[] }>(['status']);
    expect(tasks.map(({ id }) => id).sort()).toEqual([...after.plan.queuedAs].sort());
  });

  it.each([
    ['Ctrl-C', CTRL_C, 130],
    ['Ctrl-D', CTRL_D, 130],
    ['w', 'w', 0],
  ])('left by %s has its terminal back, keeps the draft and says how to go on', async (_, key, exitCode) => {
    const terminal = onTerminal(['plan', GOAL]);
    await terminal.shows('> 1 ');
    expect(terminal.isAlternate).toBe(true);
    terminal.press(key);
    expect(await terminal.ended()).toEqual({ exitCode, signal: 0 });
    expect(terminal.isAlternate).toBe(false);
    expect(terminal.text).toContain(`Saved. Go on with: orchestrate plan continue ${ID}`);
    // The cursor is there again, and keys and pastes come as a shell wants them.
    const { sent } = terminal;
    for (const mode of ['?1049', '?2004', '?25']) {
      const [on, off] = mode === '?25' ? [`${mode}l`, `${mode}h`] : [`${mode}h`, `${mode}l`];
      expect(sent.lastIndexOf(off)).toBeGreaterThan(sent.lastIndexOf(on));
    }
    const state = stateOf(scratch);
    expect(state.plan(ID).approvedAt).toBeNull();
    state.close();
  });

  it('is talked about with the planner of the engine, and what was said is kept', async () => {
    const plan = planJson([answered('login')]);
    const key = 'sk-test-screen-40aa';
    await using server = await ModelServer.start({
      key,
      script: [{ text: plan }, { text: JSON.stringify({ text: 'One task is enough for that.', plan: null }) }],
    });
    const terminal = onTerminal(['plan', GOAL], { ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: server.url });
    await terminal.shows('> 1 ');
    terminal.press('?');
    await terminal.shows(/Ask/);
    terminal.press(`Is it enough?${ENTER}`);
    await terminal.shows('One task is enough for that.');
    terminal.press('q');
    expect(await terminal.ended()).toMatchObject({ exitCode: 0 });
    const { discussion } = await shown();
    expect(discussion).toMatchObject([
      { from: 'you', text: 'Is it enough?' },
      { from: 'planner', text: 'One task is enough for that.' },
    ]);
  });

  it('is not opened with --yes, nor where the terminal can show nothing', async () => {
    const approved = onTerminal(['plan', GOAL, '--yes']);
    expect(await approved.ended()).toMatchObject({ exitCode: 0 });
    expect(approved.text).toMatch(/Queued \d tasks/);
    const dumb = onTerminal(['plan', GOAL], { TERM: 'dumb' });
    expect(await dumb.ended()).toMatchObject({ exitCode: 0 });
    expect(dumb.sent).not.toContain('?1049');
    expect(dumb.text).toContain('Saved as a draft.');
  });
});
