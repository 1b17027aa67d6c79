// The walk through patches on a real terminal: every key, and every way to leave it.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AttemptId } from '../../src/types.ts';
import { Reviewer } from '../support/review-terminal.ts';

const [ENTER, ESCAPE, CTRL_C, CTRL_D] = ['\r', '\x1b', '\x03', '\x04'];
const PROMPT = '[arcpvseitnkod><q?]';
const LINES = Array.from({ length: 40 }, (_, at) => `line ${at}`);
const WITH = (changed: Readonly<Record<number, string>>): string =>
  `${LINES.map((line, at) => changed[at] ?? line).join('\n')}\n`;

let reviewer: Reviewer;
beforeEach(async () => {
  reviewer = await Reviewer.create({ 'README.md': '# Sample\n', 'src/a.ts': WITH({}) });
});
afterEach(() => reviewer[Symbol.asyncDispose]());

async function two(): Promise<void> {
  await reviewer.finish({ title: 'First', files: { 'first.txt': 'first\n' } });
  await reviewer.finish({ title: 'Second', files: { 'second.txt': 'second\n' } });
}

describe('review on a terminal', { timeout: 60_000 }, () => {
  it('shows the story first, takes decisions one by one, and says what comes next', async () => {
    await reviewer.finish({
      ...{ title: 'First', description: 'Make the first thing', summary: 'I made it.', files: { 'first.txt': 'x\n' } },
      flags: [{ code: 'ci', path: 'first.txt', detail: 'runs in continuous integration' }],
    });
    await reviewer.finish({ title: 'Second', files: { 'second.txt': 'second\n' } });
    const terminal = reviewer.review();
    const story = await terminal.shows(`(1/2) first.1 ${PROMPT}`);
    for (const part of [
      '1 of 2  first.1  pending',
      'Make the first thing',
      'test-engineer, engine command, attempt 1',
      '1 file +1 -0',
      'ci  first.txt  runs in continuous integration',
      'none were run',
      'merges into main as it is now',
      'In the agent’s own words:',
      '│ I made it.',
    ])
      expect(story).toContain(part);
    terminal.press('a');
    await terminal.shows('(2/2) second.1');
    expect(reviewer.states()).toEqual({ 'first.1': 'approved', 'second.1': 'pending' });
    terminal.press('r');
    await terminal.shows('Why?');
    terminal.press(`no\x7fot yet${ENTER}`);
    expect(await terminal.ended()).toEqual({ exitCode: 0, signal: 0 });
    expect(reviewer.patch('second.1')).toMatchObject({ state: 'rejected', reason: 'not yet', decidedBy: 'person' });
    expect(terminal.text).toContain('Looked at 2 patches: 1 approved, 1 rejected.');
    expect(terminal.text).toContain('Next: orchestrate merge');
  });

  it('tells what it stands on, what it clashes with, what was asked before, and how checks ended', async () => {
    const base = await reviewer.finish({ title: 'Base', files: { 'README.md': '# Base\n' } });
    await reviewer.finish({ title: 'Clash', files: { 'README.md': '# Clash\n' } });
    const above = { title: 'Above', dependsOn: [base.task], base: base.result, files: { 'above.txt': 'above\n' } };
    await reviewer.finish(above);
    await reviewer.scratch.write({ '.git/orchestrate/checks/a.log': 'one\nlast words\n' });
    reviewer.use((state) => {
      const { id, tree } = state.patches().find((patch) => patch.task === 'above') ?? {
        id: '' as AttemptId,
        tree: null,
      };
      const one = { durationMs: 1_000, tree, log: 'checks/a.log' };
      state.addChecks(id, [
        { ...one, command: 'npm test', exitCode: 3, isFlaky: false },
        { ...one, command: 'npm run lint', exitCode: 0, isFlaky: true },
      ]);
    });
    const terminal = reviewer.review({ columns: 100, rows: 60 });
    const first = await terminal.shows('(1/3) base.1');
    expect(first).toContain('in conflict with clash.1 (pending) in README.md');
    terminal.press('>');
    await terminal.shows('(2/3) clash.1');
    terminal.press('>');
    const story = await terminal.shows('(3/3) above.1');
    for (const part of [
      'stands on  base.1 (pending)',
      'failed with 3 in 1s: npm test',
      '| last words',
      'flaky: it failed, and passed when it was run once more: npm run lint',
      'merges into main as it is now',
    ])
      expect(story).toContain(part);
    terminal.press('q');
    await terminal.ended();
  });

  it('goes on and back, lists its keys, and says which key does nothing', async () => {
    await two();
    const terminal = reviewer.review();
    await terminal.shows('(1/2)');
    terminal.press('<');
    await terminal.shows('This is the first one.');
    terminal.press('x');
    await terminal.shows('No key does that');
    terminal.press('?');
    await terminal.shows('a  approve all of it');
    terminal.press('>');
    await terminal.shows('(2/2)');
    terminal.press('<');
    await terminal.shows(/2 of 2[\s\S]*1 of 2[\s\S]*\(1\/2\)/);
    terminal.press('q');
    expect(await terminal.ended()).toEqual({ exitCode: 0, signal: 0 });
    expect(reviewer.states()).toEqual({ 'first.1': 'pending', 'second.1': 'pending' });
    expect(terminal.text).toContain('2 patches wait for you.');
  });

  it('asks for changes, and changes its mind about what is named', async () => {
    await two();
    const terminal = reviewer.review({ args: ['second', 'first'] });
    await terminal.shows('(1/2) second.1');
    terminal.press('c');
    await terminal.shows('What is to be changed?');
    terminal.press(ESCAPE);
    await terminal.shows(/back\n>\n\(1\/2\)/);
    terminal.press('c', `Name it third${ENTER}`);
    await terminal.shows('attempt 2 goes on with it');
    await terminal.shows('(2/2) first.1');
    terminal.press('a');
    await terminal.ended();
    expect(reviewer.states()).toEqual({ 'first.1': 'approved', 'second.1': 'changes-requested' });
    expect(reviewer.patch('second.1').reason).toBe('Name it third');
    expect(terminal.text).toContain('Next: orchestrate merge, orchestrate run');

    const again = reviewer.review({ args: ['first'] });
    await again.shows('1 of 1  first.1  approved');
    again.press('r', ENTER);
    await again.ended();
    expect(reviewer.states()['first.1']).toBe('rejected');
  });

  it('shows stat, transcript, notes and the whole story', async () => {
    const description = Array.from({ length: 20 }, (_, at) => `wish ${at}`).join('\n');
    await reviewer.finish({ title: 'First', description, files: { 'first.txt': 'x\n' }, transcript: 'printed this\n' });
    const terminal = reviewer.review({ rows: 60, env: { PAGER: 'cat' } });
    await terminal.shows(/more lines \(i: all\)[\s\S]*\(1\/1\)/);
    terminal.press('s');
    await terminal.shows(/first.txt \| 1 \+[\s\S]*\(1\/1\)/);
    terminal.press('t');
    await terminal.shows(/printed this\n\(1\/1\)/);
    terminal.press('n');
    await terminal.shows('first.1 left no notes.');
    terminal.press('i');
    await terminal.shows(/wish 19[\s\S]*\(1\/1\)/);
    terminal.press('d');
    await terminal.shows('Into which new folder?');
    terminal.press(`../tried${ENTER}`);
    await terminal.shows('Throw it away with');
    expect(await reviewer.left('tried/first.txt')).toBe('x\n');
    terminal.press('k');
    await terminal.shows('No checks are configured.');
    terminal.press('q');
    await terminal.ended();
  });

  it('takes hunks, shows what is taken, and approves that alone', async () => {
    const files = { 'README.md': '# Other\n', 'src/a.ts': WITH({ 3: 'three', 30: 'thirty' }) };
    await reviewer.finish({ title: 'First', files });
    const terminal = reviewer.review({ columns: 100, rows: 60 });
    await terminal.shows('(1/1)');
    terminal.press('p');
    await terminal.shows('(1/3) Take this file?');
    terminal.press('n');
    await terminal.shows('(2/3) Take this hunk?');
    terminal.press('n');
    await terminal.shows('(3/3) Take this hunk?');
    terminal.press('k');
    await terminal.shows('(2/3) (left out) Take this hunk?');
    terminal.press('j', 'y');
    const account = await terminal.shows('[y/N]');
    expect(account).toContain('left out  README.md');
    expect(account).toContain('in part   src/a.ts: 1 of 2 hunks (2)');
    terminal.press('y');
    await terminal.ended();
    const patch = reviewer.patch('first.1');
    expect(patch).toMatchObject({ state: 'approved', decidedBy: 'person', size: { files: 1 } });
    expect(await reviewer.scratch.git('show', `${patch.tree}:src/a.ts`)).toBe(WITH({ 30: 'thirty' }).trimEnd());
    expect(await reviewer.scratch.git('show', `${patch.tree}:README.md`)).toBe('# Sample');
  });

  it('does nothing where no part is taken, or the end is not agreed to', async () => {
    await reviewer.finish({ title: 'First', files: { 'src/a.ts': WITH({ 3: 'three', 30: 'thirty' }) } });
    const before = reviewer.use((state) => state.patches());
    const terminal = reviewer.review({ rows: 60 });
    await terminal.shows('(1/1)');
    terminal.press('p');
    await terminal.shows('(1/2)');
    terminal.press('q');
    await terminal.shows('Nothing is taken');
    terminal.press('p');
    await terminal.shows(/Nothing is taken[\s\S]*\(1\/2\) Take/);
    terminal.press('y');
    await terminal.shows('(2/2) Take');
    terminal.press('?', 's', 'd');
    await terminal.shows('[y/N]');
    terminal.press(ENTER);
    await terminal.shows('Nothing was done.');
    terminal.press('q');
    await terminal.ended();
    expect(reviewer.use((state) => state.patches())).toEqual(before);
  });

  it('approves the patch as it is where all parts are taken', async () => {
    await reviewer.finish({ title: 'First', files: { 'src/a.ts': WITH({ 3: 'three', 30: 'thirty' }) } });
    const { tree } = reviewer.patch('first.1');
    const terminal = reviewer.review({ rows: 60 });
    await terminal.shows('(1/1)');
    terminal.press('p');
    await terminal.shows('(1/2)');
    terminal.press('A');
    await terminal.shows('Approve all of it? [y/N]');
    terminal.press('y');
    await terminal.ended();
    expect(reviewer.patch('first.1')).toMatchObject({ state: 'approved', tree, original: null });
  });

  it('replaces the patch by what the editor leaves, with its numbers made right', async () => {
    await reviewer.finish({ title: 'First', files: { 'first.txt': 'one\n', 'src/a.ts': WITH({ 3: 'three' }) } });
    const editor = await reviewer.script('editor.sh', `sed -i -e '/^+one/a +two' -e 's/^+three/+drei/' "$1"`);
    const terminal = reviewer.review({ env: { VISUAL: 'false', GIT_EDITOR: editor }, rows: 50 });
    await terminal.shows('(1/1)');
    terminal.press('e');
    await terminal.shows(/first.1 amended: 2 files \+3 -1, pending[\s\S]*not all as the agent left it[\s\S]*\(1\/1\)/);
    terminal.press('q');
    await terminal.ended();
    const { tree } = reviewer.patch('first.1');
    expect(await reviewer.scratch.git('show', `${tree}:first.txt`)).toBe('one\ntwo');
    expect(await reviewer.scratch.git('show', `${tree}:src/a.ts`)).toBe(WITH({ 3: 'drei' }).trimEnd());
  });

  it('keeps what was edited when it is no patch, and offers to edit it again', async () => {
    await reviewer.finish({ title: 'First', files: { 'first.txt': 'one\n' } });
    const before = reviewer.patch('first.1');
    const editor = await reviewer.script('editor.sh', `cp "$1" "$0.$(date +%N)"; echo garbage > "$1"`);
    const terminal = reviewer.review({ env: { EDITOR: editor, TMPDIR: reviewer.scratch.folder }, rows: 50 });
    await terminal.shows('(1/1)');
    terminal.press('e');
    await terminal.shows('Edit it again? [y/N]');
    terminal.press('n');
    const text = (await terminal.shows('What you wrote is in')).replaceAll('\n', '');
    const file = /(orchestrate-edited-\S+\/first\.1\.diff)/.exec(text)?.[1] ?? '';
    expect(await reviewer.left(file)).toBe('garbage\n');
    terminal.press('e');
    await terminal.shows(/What you wrote[\s\S]*Edit it again/);
    terminal.press(CTRL_C);
    expect(await terminal.ended()).toEqual({ exitCode: 130, signal: 0 });
    expect(reviewer.patch('first.1')).toEqual(before);
  });

  it('lets an editor that fails change nothing', async () => {
    await reviewer.finish({ title: 'First', files: { 'first.txt': 'one\n' } });
    const terminal = reviewer.review({ env: { EDITOR: 'false' } });
    await terminal.shows('(1/1)');
    terminal.press('e');
    await terminal.shows('The editor (false) ended with 1');
    terminal.press('r', `:e${ENTER}`);
    await terminal.shows(/Why\?[\s\S]*The editor \(false\) ended with 1/);
    terminal.press('q');
    await terminal.ended();
    expect(reviewer.states()).toEqual({ 'first.1': 'pending' });
  });

  it('takes a reason from the editor, without what is below the line', async () => {
    await reviewer.finish({ title: 'First', files: { 'first.txt': 'one\n' } });
    const editor = await reviewer.script('editor.sh', `sed -i '1i Too short.\\nAnd wrong.' "$1"`);
    const terminal = reviewer.review({ env: { EDITOR: editor } });
    await terminal.shows('(1/1)');
    terminal.press('r', `:e${ENTER}`);
    await terminal.ended();
    expect(reviewer.patch('first.1')).toMatchObject({ state: 'rejected', reason: 'Too short.\nAnd wrong.' });
  });
});

describe('what others decide meanwhile', { timeout: 60_000 }, () => {
  it('is said, shown, and not overruled unseen', async () => {
    await two();
    const terminal = reviewer.review();
    await terminal.shows('(1/2)');
    reviewer.use((state) => state.setPatchState('first.1' as AttemptId, ['pending'], 'approved'));
    terminal.press('r');
    await terminal.shows(/is approved since you saw it[\s\S]*1 of 2 {2}first\.1 {2}approved/);
    reviewer.use((state) => state.setPatchState('second.1' as AttemptId, ['pending'], 'rejected', { reason: 'mine' }));
    terminal.press('>');
    await terminal.shows('second.1 is rejected by now: passed over.');
    await terminal.ended();
    expect(reviewer.states()).toEqual({ 'first.1': 'approved', 'second.1': 'rejected' });
  });

  it('is noticed also after a reason was typed, which is given back', async () => {
    await two();
    const terminal = reviewer.review();
    await terminal.shows('(1/2)');
    terminal.press('r');
    await terminal.shows('Why?');
    reviewer.use((state) => state.setPatchState('first.1' as AttemptId, ['pending'], 'approved'));
    terminal.press(`my long reason${ENTER}`);
    await terminal.shows(/What you wrote:\s+my long reason[\s\S]*1 of 2 {2}first\.1 {2}approved/);
    terminal.press('q');
    await terminal.ended();
    expect(reviewer.states()['first.1']).toBe('approved');
  });
});

describe('leaving a review', { timeout: 60_000 }, () => {
  const PLACES: readonly (readonly [string, readonly string[], string])[] = [
    ['at the question', [], '(2/2)'],
    ['while a reason is typed', ['r'], 'Why?'],
    ['among the parts', ['p'], 'Take this file?'],
    ['at a last yes or no', ['p', 'y'], '[y/N]'],
  ];

  it.each(PLACES)('by Ctrl-C, Ctrl-D or kill -9 %s loses nothing that was decided', async (_, keys, shows) => {
    for (const leave of [CTRL_C, CTRL_D, 'kill'] as const) {
      const { id: one } = await reviewer.finish({
        title: `One ${leave === 'kill'}`,
        files: { [`${Math.random()}`]: 'x\n' },
      });
      const { id: other } = await reviewer.finish({ title: 'Other', files: { [`${Math.random()}`]: 'x\n' } });
      const terminal = reviewer.review({ args: [one, other] });
      await terminal.shows('(1/2)');
      terminal.press('a');
      await terminal.shows('(2/2)');
      terminal.press(...keys);
      await terminal.shows(shows);
      if (leave === 'kill') terminal.kill('SIGKILL');
      else terminal.press(leave);
      const { exitCode, signal } = await terminal.ended();
      expect([leave, exitCode, signal]).toEqual([
        leave,
        { [CTRL_C]: 130, [CTRL_D]: 0, kill: 0 }[leave],
        leave === 'kill' ? 9 : 0,
      ]);
      expect(reviewer.states()).toMatchObject({ [one]: 'approved', [other]: 'pending' });
    }
  });

  it('by a terminal that is closed ends it, and loses nothing that was decided', async () => {
    await two();
    const terminal = reviewer.review({ underShell: true });
    await terminal.shows('(1/2)');
    terminal.press('a');
    await terminal.shows('(2/2)');
    terminal.kill('SIGHUP');
    await terminal.ended();
    expect(reviewer.states()).toEqual({ 'first.1': 'approved', 'second.1': 'pending' });
  });

  it('by a signal is an interruption', async () => {
    await two();
    const terminal = reviewer.review();
    await terminal.shows('(1/2)');
    terminal.kill('SIGTERM');
    expect(await terminal.ended()).toEqual({ exitCode: 130, signal: 0 });
    expect(terminal.text).toContain('Looked at 1 patch: 1 pending.');
  });
});

describe('what is typed', { timeout: 60_000 }, () => {
  it('before a story was shown decides nothing about it', async () => {
    await two();
    const terminal = reviewer.review();
    await terminal.shows('(1/2)');
    terminal.press('aaaaaaaa');
    await terminal.shows('(2/2)');
    expect(reviewer.states()).toEqual({ 'first.1': 'approved', 'second.1': 'pending' });
    terminal.press('q');
    await terminal.ended();
  });

  it('by a paste is no key, and in a line one line', async () => {
    await two();
    const terminal = reviewer.review();
    await terminal.shows('(1/2)');
    terminal.paste('aaaa\ra');
    await terminal.shows('No key does that');
    expect(reviewer.states()).toEqual({ 'first.1': 'pending', 'second.1': 'pending' });
    terminal.press('r');
    await terminal.shows('Why?');
    terminal.paste('one\ntwo\x1b[2J');
    terminal.press(ENTER);
    await terminal.shows('(2/2)');
    expect(reviewer.patch('first.1').reason).toBe('one two');
    terminal.press('q');
    await terminal.ended();
  });

  it('fits 40 columns and 10 rows', async () => {
    await two();
    const terminal = reviewer.review({ columns: 40, rows: 10 });
    await terminal.shows(/\(1\/2\) first.1\s*\[arcpvseitnkod><q\?\]/);
    terminal.press('p');
    await terminal.shows('(1/1) Take this file? [ynadAqjkvse?]');
    terminal.press('q');
    await terminal.shows('Nothing is taken');
    terminal.press('r');
    await terminal.shows('Why?');
    const long = 'a reason that is much longer than what forty columns have room for';
    terminal.press(long);
    await terminal.shows('have room for');
    expect(terminal.rows.filter((row) => row.startsWith('>'))).toHaveLength(1);
    terminal.press(ENTER);
    await terminal.shows('(2/2)');
    expect(reviewer.patch('first.1').reason).toBe(long);
    terminal.press('q');
    await terminal.ended();
  });

  it('ends with Enter where the terminal is dumb', async () => {
    await two();
    const terminal = reviewer.review({ env: { TERM: 'dumb' } });
    await terminal.shows('(1/2)');
    terminal.press(`r${ENTER}`);
    await terminal.shows('Why?');
    terminal.press(`because${ENTER}`);
    await terminal.shows('(2/2)');
    terminal.press(CTRL_D);
    expect((await terminal.ended()).exitCode).toBe(0);
    expect(reviewer.patch('first.1')).toMatchObject({ state: 'rejected', reason: 'because' });
    expect(terminal.sent).not.toContain('\\x1b');
  });
});

describe('without a terminal', { timeout: 60_000 }, () => {
  it('names the commands that do the same', async () => {
    await two();
    const { exitCode, stderr } = await reviewer.command('review');
    expect(exitCode).toBe(2);
    for (const word of ['--json', 'patch list', 'patch approve', '--only', 'patch reject', 'request-changes', 'amend'])
      expect(stderr).toContain(word);
  });

  it('prints the stories as data with --json, and asks nothing', async () => {
    await two();
    for (const command of [['review'], ['patch', 'review']]) {
      const { exitCode, stdout } = await reviewer.command(...command, '--json');
      expect(exitCode).toBe(0);
      const { patches } = JSON.parse(stdout) as { patches: { id: string; story: Record<string, unknown> }[] };
      expect(patches.map(({ id }) => id)).toEqual(['first.1', 'second.1']);
      expect(patches[0]?.story).toMatchObject({
        ...{ title: 'First', agent: 'test-engineer', engine: 'command', attempt: 1, verdict: 'none', standsOn: [] },
        target: { branch: 'main', outcome: 'merges', paths: [] },
      });
    }
  });

  it('has nothing to ask where nothing waits', async () => {
    const terminal = reviewer.review();
    expect(await terminal.ended()).toEqual({ exitCode: 0, signal: 0 });
    expect(terminal.text).toContain('No patch waits for you.');
    expect(JSON.parse((await reviewer.command('review', '--json')).stdout)).toEqual({ patches: [] });
  });
});
