/** A text of the person's own: one line on the terminal, or as much as they like in their editor. */

import { git } from '../../src/git/git.ts';
import { type Repository, userGit } from '../../src/git/repository.ts';
import { sanitise } from '../../src/sanitise.ts';
import type { Terminal } from '../context.ts';
import { editedOutside } from '../editor.ts';
import { wrap } from '../render/fit.ts';
import type { Ground } from './ground.ts';
import type { Keyboard } from './keyboard.ts';

export interface Question {
  /** What is asked, with the keys that help. */
  readonly question: string;
  /** What the editor says below the text. */
  readonly editing: string;
}

/** As `git commit` marks what is not part of a text. */
const SCISSORS = '# ------------------------ >8 ------------------------';
const TO_EDITOR = ':e';

/** Trimmed; null: they thought better of it. @throws Left; failure EDITOR_FAILED */
export async function writtenText(ground: Ground, keyboard: Keyboard, asked: Question): Promise<string | null> {
  keyboard.print(`${wrap(asked.question, keyboard.width).join('\n')}\n`);
  const line = await keyboard.line('> ');
  if (line === null) return null;
  if (line.trim() !== TO_EDITOR) return line.trim();
  const editor = await editorOf(ground.repository, ground.context.env);
  const template = `\n${SCISSORS}\n# ${asked.editing}\n# What is below the line above is not part of it.`;
  const text = await keyboard.lend(() => editedOutside(template, ground.context, { editor, name: 'MESSAGE.md' }));
  return sanitise(text.split(SCISSORS)[0] ?? '').trim();
}

/** As git chooses it: `$GIT_EDITOR`, `core.editor`, `$VISUAL`, `$EDITOR`, and what this git was built with. */
export async function editorOf(repository: Repository, env: Terminal['env']): Promise<string> {
  const own = env.GIT_EDITOR === undefined ? {} : { GIT_EDITOR: env.GIT_EDITOR };
  const { stdout } = await git(userGit(repository, 'read'), ['var', 'GIT_EDITOR'], { env: own });
  return stdout.toString('utf8').trim();
}
