// Whose pager shows a patch, what it gets, and what happens where it is missing or left.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Reviewer } from '../support/review-terminal.ts';

let reviewer: Reviewer;
beforeEach(async () => {
  reviewer = await Reviewer.create();
  await reviewer.finish({ title: 'First', files: { 'first.txt': 'a\x1b[2Jb\n' } });
});
afterEach(() => reviewer[Symbol.asyncDispose]());

/** A pager that leaves what it got, and of its environment what matters, in files of its name. */
async function recorder(name: string): Promise<string> {
  return reviewer.script(name, 'cat > "$0.got"; env > "$0.env"');
}

async function viewed(env: Readonly<Record<string, string>>): Promise<string> {
  const terminal = reviewer.review({ env, columns: 100 });
  await terminal.shows('(1/1)');
  terminal.press('v');
  await terminal.shows(/<q\?\] v[\s\S]*\(1\/1\)/);
  terminal.press('q');
  await terminal.ended();
  return terminal.text;
}

describe('the pager of a review', { timeout: 60_000 }, () => {
  it('is $GIT_PAGER before core.pager before $PAGER', async () => {
    const [first, second, third] = [await recorder('first'), await recorder('second'), await recorder('third')];
    await viewed({ PAGER: third });
    expect(await reviewer.left('third.got')).toContain('+a\\x1b[2Jb');
    await reviewer.scratch.git('config', 'core.pager', `${second} --with 'an option' |cat`);
    await viewed({ PAGER: third });
    expect(await reviewer.left('second.got')).toContain('+a\\x1b[2Jb');
    await viewed({ PAGER: third, GIT_PAGER: first });
    expect(await reviewer.left('first.got')).toContain('+a\\x1b[2Jb');
  });

  it("gets git's own text, with no control sequence in it, where it colours by itself", async () => {
    await viewed({ PAGER: await recorder('delta') });
    const got = await reviewer.left('delta.got');
    expect(got).toMatch(
      /^diff --git a\/first.txt b\/first.txt\nnew file mode 100644\nindex 0{40}\.\.[0-9a-f]{40}\n--- /,
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be there
    expect(got).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
  });

  it('gets our colours where it shows them as they come, and the defaults that git sets', async () => {
    await viewed({ PAGER: await recorder('less') });
    expect(await reviewer.left('less.got')).toContain('\x1b[32m+a\\x1b[2Jb\x1b[39m');
    const env = (await reviewer.left('less.env')).split('\n');
    expect(env).toEqual(expect.arrayContaining(['LESS=FRX', 'LV=-c', 'LESSSECURE=1']));
  });

  it('leaves what the person set as it is, and sends no colours to a less that would spell them out', async () => {
    await viewed({ PAGER: await recorder('less'), LESS: 'F', LESSSECURE: '0' });
    expect(await reviewer.left('less.got')).toContain('\n+a\\x1b[2Jb\n');
    const env = (await reviewer.left('less.env')).split('\n');
    expect(env).toEqual(expect.arrayContaining(['LESS=F', 'LESSSECURE=0']));
  });

  it('that is not there is said, and the patch is shown all the same', async () => {
    const text = await viewed({ PAGER: '/nowhere/pager' });
    expect(text).toContain('+a\\x1b[2Jb');
    expect(text).toContain('The pager (/nowhere/pager) was not found.');
  });

  it('may be left before the end of a large patch', async () => {
    const lines = Array.from({ length: 200_000 }, (_, at) => `line ${at}\n`).join('');
    const { id } = await reviewer.finish({ title: 'Large', files: { 'large.txt': lines } });
    const pager = await reviewer.script('head', 'head -n 3 > "$0.got"');
    const terminal = reviewer.review({ args: [id], env: { PAGER: pager } });
    await terminal.shows('(1/1)');
    terminal.press('v');
    await terminal.shows(/<q\?\] v[\s\S]*\(1\/1\)/);
    expect((await reviewer.left('head.got')).split('\n')).toHaveLength(4);
    terminal.press('q');
    expect(await terminal.ended()).toEqual({ exitCode: 0, signal: 0 });
  });

  it('has the keyboard to itself, Ctrl-C as well', async () => {
    // All was read: Ctrl-C would end whoever still makes the text as well.
    const catcher = await reviewer.script(
      'catcher',
      "trap 'echo caught; exit' INT; cat > /dev/null; echo waiting; while :; do sleep 0.05; done",
    );
    const first = reviewer.review({ env: { PAGER: catcher } });
    await first.shows('(1/1)');
    first.press('v');
    await first.shows('waiting');
    first.press('\x03');
    await first.shows(/caught\n\(1\/1\)/);
    first.press('q');
    await first.ended();

    const reader = await reviewer.script('reader', 'echo reading; read -r line < /dev/tty');
    const second = reviewer.review({ env: { PAGER: reader } });
    await second.shows('(1/1)');
    second.press('v');
    await second.shows('reading');
    second.press('a\r');
    await second.shows(/reading\na\n\(1\/1\)/);
    second.press('q');
    await second.ended();
    expect(reviewer.states()).toEqual({ 'first.1': 'pending' });
  });
});
