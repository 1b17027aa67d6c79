// What agents wrote, on a real terminal: nothing of it acts there, and nothing of it is hidden.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Reviewer } from '../support/review-terminal.ts';

/** Clears the screen, sets the title, asks the terminal for an answer, reverses text, moves back, overwrites the line. */
const EVIL = 'x\x1b[2J\x1b]0;pwned\x07\x1b[6n\x9b31m\u202egnp\u2066\u200b\b\b\r\x00end\u2028';
/** What the program itself sends: colours, paste marks, and the editing of a line. */
const OURS = /\\x1b\[(?:0|1|2|22|3[0-9]|39)m|\\x1b\[\?2004[hl]|\\x1b\[K|\\x1b\[\d+C|\\x0d/g;

let reviewer: Reviewer;
beforeEach(async () => {
  reviewer = await Reviewer.create({ 'src/a.ts': 'one\ntwo\nthree\n' });
});
afterEach(() => reviewer[Symbol.asyncDispose]());

/**
 * What reached the terminal besides what is ours. It spells controls as we do, so that what we spelled out ourselves is
 * told from it by its backslash: that one is no control when it arrives.
 */
function foreign(sent: string, spelled: readonly string[]): string[] {
  let rest = sent.replaceAll(OURS, '');
  for (const word of spelled) rest = rest.replaceAll(word, '');
  return rest.match(/\\x[0-9a-f]{2}|\\u\{[0-9a-f]+\}/g) ?? [];
}

const SPELLED = [
  '\\x1b',
  '\\x07',
  '\\x9b',
  '\\u{202e}',
  '\\u{2066}',
  '\\u{200b}',
  '\\x08',
  '\\x0d',
  '\\x00',
  '\\u{2028}',
];

describe('hostile text in a review', { timeout: 60_000 }, () => {
  it('reaches the terminal from no place of the story', async () => {
    const { id } = await reviewer.finish({
      ...{
        title: `Title ${EVIL}`,
        description: `Asked ${EVIL}\nmore`,
        summary: `Said ${EVIL}`,
        transcript: `log ${EVIL}\n`,
      },
      files: { 'src/b.ts': 'b\n' },
      flags: [{ code: 'ci', path: `src/${EVIL}`, detail: `runs ${EVIL}` }],
    });
    reviewer.use((state) => {
      const patch = state.patches()[0];
      if (patch === undefined) throw new Error('there is no patch');
      state.addChecks(patch.id, [
        { command: `npm ${EVIL}`, exitCode: 1, durationMs: 5, tree: patch.tree, isFlaky: false, log: 'checks/a.log' },
      ]);
    });
    await reviewer.scratch.write({ '.git/orchestrate/checks/a.log': `fails ${EVIL}\n` });
    const terminal = reviewer.review({ columns: 100, rows: 60, env: { PAGER: 'cat', NO_COLOR: '1' } });
    const story = await terminal.shows('(1/1)');
    expect(story).toContain(id);
    expect(story).toMatch(/\| fails\s+x\\x1b\[2J/);
    expect(story).toMatch(/ci\s+src\/x\\x1b\[2J/);
    terminal.press('i');
    await terminal.shows(/Said[\s\S]*Said[\s\S]*\(1\/1\)/);
    terminal.press('t');
    await terminal.shows(/log x[\s\S]*\(1\/1\)/);
    terminal.press('q');
    await terminal.ended();
    expect(foreign(terminal.sent, SPELLED)).toEqual([]);
    // The emulator would have cleared its screen, and answered the question.
    expect(terminal.text).toContain('1 of 1');
  });

  it('is spelled out in the diff, in hunks, in names and in the stat', async () => {
    const files = { 'src/a.ts': `one\n${EVIL.replace('\x00', '')}\nthree\n`, 'src/n\x1b[2J\u202e.ts': 'b\n' };
    await reviewer.finish({ title: 'First', files });
    const terminal = reviewer.review({ columns: 100, rows: 60, env: { PAGER: 'cat', NO_COLOR: '1' } });
    await terminal.shows('(1/1)');
    terminal.press('v');
    const diff = await terminal.shows(/\+b\n\(1\/1\)/);
    expect(diff).toContain('+x\\x1b[2J\\x1b]0;pwned\\x07\\x1b[6n');
    expect(diff).toContain('\\u{202e}gnp\\u{2066}\\u{200b}\\x08\\x08\\x0dend\\u{2028}');
    terminal.press('s');
    await terminal.shows(/2 files changed[\s\S]*\(1\/1\)/);
    terminal.press('p');
    await terminal.shows(/\+x\\x1b\[2J[\s\S]*Take this file/);
    terminal.press('j');
    await terminal.shows('src/n\\x1B[2J\\u{202e}.ts  added');
    terminal.press('q');
    await terminal.shows('Nothing is taken');
    terminal.press('q');
    await terminal.ended();
    expect(foreign(terminal.sent, SPELLED)).toEqual([]);
  });

  it('cannot pass for a header, however it is written', async () => {
    const files = { 'src/a.ts': 'one\n-- a/hidden\n++ b/hidden\nGIT binary patch\ndiff --git a/x b/x\n' };
    await reviewer.finish({ title: 'First', files });
    const terminal = reviewer.review({ columns: 100, rows: 40, env: { PAGER: 'cat' } });
    await terminal.shows('(1/1)');
    terminal.press('v');
    const diff = await terminal.shows(/\+diff --git a\/x b\/x\n\(1\/1\)/);
    for (const line of ['+-- a/hidden', '+++ b/hidden', '+GIT binary patch']) expect(diff).toContain(line);
    // A line of content has the colour of content.
    expect(terminal.sent).toContain('\\x1b[32m+++ b/hidden\\x1b[39m');
    terminal.press('q');
    await terminal.ended();
  });

  it('says how much of a very long line, and of a very long hunk, is not shown', async () => {
    const long = `${'y'.repeat(50_000)}THE END`;
    const files = { 'src/a.ts': `${long}\n`, 'z.txt': Array.from({ length: 500 }, (_, at) => `z${at}\n`).join('') };
    await reviewer.finish({ title: 'First', files });
    const terminal = reviewer.review({ columns: 200, rows: 300, env: { PAGER: 'cat' } });
    await terminal.shows('(1/1)');
    terminal.press('v');
    await terminal.shows(/\+z499\n\(1\/1\)/);
    expect(terminal.sent).toContain('[46008 more characters of this line are not shown]');
    terminal.press('p');
    await terminal.shows(/not shown\]\n\(1\/2\) Take/);
    terminal.press('j');
    await terminal.shows('… 300 more lines of this hunk are not shown (v: all)');
    terminal.press('q');
    await terminal.shows('Nothing is taken');
    terminal.press('q');
    await terminal.ended();
  });

  it('hides no file by the attributes that it brings along', async () => {
    const files = { '.gitattributes': '* -diff binary linguist-generated\n', 'src/a.ts': 'evil();\n' };
    await reviewer.finish({ title: 'First', files });
    const terminal = reviewer.review({ columns: 100, rows: 40, env: { PAGER: 'cat' } });
    await terminal.shows('(1/1)');
    terminal.press('v');
    await terminal.shows(/\+evil\(\);\n\(1\/1\)/);
    terminal.press('p');
    await terminal.shows('(1/2)');
    terminal.press('j');
    await terminal.shows(/\+evil\(\);\n\(2\/2\)/);
    terminal.press('q');
    await terminal.shows('Nothing is taken');
    terminal.press('q');
    await terminal.ended();
  });
});
