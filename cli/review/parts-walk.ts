/** File by file, hunk by hunk: what is taken is approved at the end, when the person has seen what that is. */

import { OrchestrateError } from '../../src/errors.ts';
import { decideTree } from '../../src/review/decide.ts';
import { listParts, type PatchFile, treeOfChoice } from '../../src/review/parts.ts';
import { reveal, revealLine, sanitise } from '../../src/sanitise.ts';
import { tellDecided } from '../render/decided.ts';
import { hunkLine } from '../render/diff-lines.ts';
import type { Colours } from '../render/text.ts';
import { Choosing, type Part } from './choosing.ts';
import { approve, type Deciding, type Outcome } from './decisions.ts';
import { edit } from './edit.ts';
import { actOf, helpLines, PART_KEYS, promptLine } from './keys.ts';
import { coloursIn, paged } from './looks.ts';
import type { Story } from './story.ts';

/** Lines of a hunk that are shown beside its question. */
const MOST_LINES = 200;
/** Files in the account at the end. */
const MOST_FILES = 40;

export async function parts(deciding: Deciding, story: Story): Promise<Outcome> {
  const { ground, keyboard } = deciding;
  const { baseTree: base, tree } = story.patch;
  const choosing = new Choosing(await listParts(ground.repository, base, tree));
  for (;;) {
    if ((await choose(deciding, story, choosing)) === 'edit') return edit(deciding, story);
    keyboard.print(`${account(choosing).join('\n')}\n`);
    if (choosing.extent === 'nothing') {
      keyboard.print('Nothing is taken, and nothing was done. To say no to all of it: r\n');
      return 'stay';
    }
    const isAll = choosing.extent === 'all';
    await keyboard.forget();
    if (!(await keyboard.yes(isAll ? 'Approve all of it?' : 'Approve what is taken, without the rest?'))) {
      keyboard.print('Nothing was done.\n');
      return 'stay';
    }
    if (isAll) return approve(deciding, story);
    try {
      const chosen = await treeOfChoice(ground.repository, { base, tree }, choosing.choice);
      tellDecided(ground.context, await decideTree(ground, story.patch, chosen, 'person'), 'approved');
      return 'decided';
    } catch (error) {
      if (!(error instanceof OrchestrateError) || error.code !== 'PARTS_CLASH') throw error;
      keyboard.print(`${sanitise(error.message)} Choose again.\n`);
    }
  }
}

/** Until every part had its turn, or the person is done. */
async function choose(deciding: Deciding, story: Story, choosing: Choosing): Promise<'done' | 'edit'> {
  const { keyboard } = deciding;
  const all = choosing.parts;
  let at = 0;
  let shown: Part | null = null;
  let shownFile: PatchFile | null = null;
  for (let part = all[at]; part !== undefined; part = all[at]) {
    if (part !== shown) {
      if (part.file !== shownFile) keyboard.print(`\n${fileLines(part.file, story, coloursIn(deciding)).join('\n')}\n`);
      keyboard.print(`${partLines(part, coloursIn(deciding), MOST_LINES).join('\n')}\n`);
      [shown, shownFile] = [part, part.file];
    }
    const answer = { true: ' (taken)', false: ' (left out)', null: '' }[String(choosing.isTaken(at)) as 'true'];
    const about = `(${at + 1}/${all.length})${answer} ${part.hunk === null ? 'Take this file' : 'Take this hunk'}?`;
    const typed = await keyboard.key(promptLine(PART_KEYS, about, keyboard.width));
    const act = actOf(PART_KEYS, typed);
    switch (act) {
      case 'take':
      case 'leave':
        choosing.answer(at, act === 'take');
        at += 1;
        break;
      case 'takeFile':
        at = choosing.answerFile(at, true);
        break;
      case 'leaveFile':
        at = choosing.answerFile(at, false);
        break;
      case 'takeAll':
        choosing.answerRest(at, true);
        return 'done';
      case 'finish':
        choosing.answerRest(at, false);
        return 'done';
      case 'next':
        at += 1;
        break;
      case 'back':
        at = Math.max(0, at - 1);
        break;
      case 'view':
        await viewFile(deciding, story, part.file);
        break;
      case 'stat':
        keyboard.print(`${account(choosing).join('\n')}\n`);
        break;
      case 'edit':
        return 'edit';
      case 'help':
        keyboard.print(`${helpLines(PART_KEYS).join('\n')}\n`);
        break;
      default:
        if (typed !== '\r') keyboard.print('No key does that; ? lists them.\n');
    }
  }
  return 'done';
}

const WORDS = { A: 'added', M: 'modified', D: 'deleted', T: 'type changed' } as const;

function fileLines(file: PatchFile, { patch }: Story, colours: Colours): string[] {
  const { path, status, oldMode, newMode, insertions, deletions, unread } = file;
  const size = unread === null ? `+${insertions} -${deletions}` : unread === 'binary' ? 'binary' : 'too large to show';
  const mode = status === 'M' && oldMode !== newMode ? `, mode ${oldMode} -> ${newMode}` : '';
  const flags = patch.flags.filter((flag) => flag.path === path);
  return [
    colours.bold(`${revealLine(path)}  ${WORDS[status]}${mode}, ${size}`),
    ...flags.map(({ code, detail }) => colours.yellow(`  ${revealLine(code)}  ${revealLine(detail)}`)),
  ];
}

/** @param most how many lines of a hunk; how many there are more is said */
function partLines({ file, hunk }: Part, colours: Colours, most: number): string[] {
  return (hunk === null ? file.hunks : [hunk]).flatMap(({ header, text }) => {
    const lines = text.replace(/\n$/, '').split('\n');
    const more = lines.length - most;
    return [
      colours.cyan(reveal(header)),
      ...lines.slice(0, most).map((line) => hunkLine(line, colours)),
      ...(more > 0 ? [`… ${more} more lines of this hunk are not shown (v: all)`] : []),
    ];
  });
}

async function viewFile(deciding: Deciding, story: Story, file: PatchFile): Promise<void> {
  await paged(deciding, async function* (colours) {
    yield `${fileLines(file, story, colours).join('\n')}\n`;
    for (const hunk of file.hunks) {
      yield `${partLines({ file, fileAt: 0, hunk }, colours, Number.POSITIVE_INFINITY).join('\n')}\n`;
    }
  });
}

/** What is taken and what is not, file by file. */
function account(choosing: Choosing): string[] {
  const lines = choosing.byFile().map(({ file, taken, all }) => {
    const path = revealLine(file.path);
    if (taken.length === 0) return `  left out  ${path}`;
    if (taken.length === all) return `  taken     ${path}`;
    const numbers = taken.map(({ hunk }) => hunk?.n).join(', ');
    return `  in part   ${path}: ${taken.length} of ${all} hunks (${numbers})`;
  });
  const more = lines.length - MOST_FILES;
  return more > 1 ? [...lines.slice(0, MOST_FILES), `  … and ${more} more files`] : lines;
}
