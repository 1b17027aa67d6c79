/** Text in the person's own pager, chosen as git chooses it. What is given to it has no control sequences but our colours. */

import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { execa } from 'execa';
import { git } from '../../src/git/git.ts';
import { type Repository, userGit } from '../../src/git/repository.ts';
import type { Terminal } from '../context.ts';
import { type Colours, coloursOf } from '../render/text.ts';

/** Of what ends by itself, and may not be there: then the text is printed as it is. */
const NOT_FOUND = 127;
/** These show colours as they get them; others (delta, bat) make their own out of git's plain text. */
const PLAIN_PAGERS = /^(?:\S*\/)?(?:less|more|lv|cat|most|pager)(?:\s|$)/;

export interface Paging extends Pick<Terminal, 'in' | 'out' | 'err' | 'env'> {
  readonly colour: boolean;
  readonly repository: Repository;
}

/**
 * Shows text that is made while it is read: a pager that is left early stops the making. `make` gets the colours that the
 * pager can show. Gives what there is to say about the pager; null: nothing.
 */
export async function page(paging: Paging, make: (colours: Colours) => AsyncIterable<string>): Promise<string | null> {
  const pager = await pagerOf(paging);
  if (pager === 'cat' || pager === '') {
    await write(paging.out, make(coloursOf(paging.colour)));
    return null;
  }
  const colours = coloursOf(paging.colour && showsColours(pager, paging.env));
  const { exitCode } = await run(pager, paging, make(colours));
  if (exitCode !== NOT_FOUND) return null;
  await write(paging.out, make(coloursOf(paging.colour)));
  return `The pager (${pager}) was not found.`;
}

/** `$GIT_PAGER`, `core.pager`, `$PAGER`, and what this git was built with. */
async function pagerOf({ repository, env }: Paging): Promise<string> {
  const own = env.GIT_PAGER === undefined ? {} : { GIT_PAGER: env.GIT_PAGER };
  const { stdout } = await git(userGit(repository, 'read'), ['var', 'GIT_PAGER'], { env: own });
  return stdout.toString('utf8').trim();
}

function showsColours(pager: string, { LESS }: Paging['env']): boolean {
  return PLAIN_PAGERS.test(pager) && (LESS === undefined || /(?:^|\s)-?[a-zA-Z]*[rR]/.test(LESS));
}

/**
 * As git does: a command line, with what less and lv need to show colours and leave when all fits. LESSSECURE: less then
 * runs no preprocessor ($LESSOPEN) and no command on what an agent wrote, unless the person says otherwise.
 */
async function run(pager: string, { out, err, env }: Paging, text: AsyncIterable<string>) {
  const process = execa('/bin/sh', ['-c', pager], {
    ...({ stdin: 'pipe', stdout: out, stderr: err, reject: false, extendEnv: false, cleanup: true } as const),
    env: { LESS: 'FRX', LV: '-c', LESSSECURE: '1', ...defined(env) },
  });
  const { stdin } = process;
  // It was left before the end of the text.
  stdin.on('error', () => undefined);
  try {
    await write(stdin, text);
  } finally {
    // Also where the text could not be made: nobody is left with a pager that waits for more.
    stdin.end();
    await process;
  }
  return process;
}

function defined(env: Paging['env']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

async function write(out: Writable, text: AsyncIterable<string>): Promise<void> {
  for await (const piece of text) {
    if (out.destroyed || !out.writable) return;
    if (out.write(piece)) continue;
    await Promise.race([once(out, 'drain'), once(out, 'close')]).catch(() => undefined);
  }
}
