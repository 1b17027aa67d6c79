/** A patch's story in lines for a terminal. All that others wrote is sanitised or spelled out; what is left out is said. */

import { nameSome } from '../../src/git/bytes.ts';
import { isSensitive } from '../../src/patch/inspect/codes.ts';
import { reveal, revealLine, sanitise, sanitiseLine } from '../../src/sanitise.ts';
import type { Flag } from '../../src/types.ts';
import { cut, wrap } from '../render/fit.ts';
import { age, type Colours, cost, count, sizeOf } from '../render/text.ts';
import type { Story, ToldCheck } from './story.ts';

export interface StoryOptions {
  /** Columns of the terminal. */
  readonly width: number;
  readonly colours: Colours;
  /** Nothing is left out. */
  readonly isWhole: boolean;
  /** `2 of 5`; null: it is not one of many. */
  readonly place: string | null;
}

/** So many lines of what was asked, and of what the agent says. */
const MOST_ASKED = 4;
const MOST_SAID = 12;
/** More flags than this are cut even where all are sensitive. */
const MOST_FLAGS = 40;

export function storyLines(story: Story, options: StoryOptions): string[] {
  const { colours, place, width } = options;
  const { patch, task } = story;
  const head = [place, patch.id, stateOf(story)].filter((part) => part !== null).join('  ');
  return [
    colours.bold(cut(head, width)),
    ...wrap(revealLine(sanitiseLine(task.title)), width).map((line) => colours.bold(line)),
    ...rows('asked', asked(story, options), options),
    ...rows('by', [doneBy(story)], options),
    ...rows('size', [sizeText(story)], options),
    ...rows('stands on', standsOn(story), options),
    ...rows('rounds', rounds(story), options),
    ...rows('flags', flags(story, options), options, colours.yellow),
    ...rows('checks', checks(story), options, story.verdict === 'failed' ? colours.red : null),
    ...rows('forecast', forecast(story), options, isBleak(story) ? colours.red : null),
    ...said(story, options),
  ];
}

function stateOf({ patch: { state, reason, decidedBy } }: Story): string {
  const by = decidedBy === 'policy' ? ' by policy' : '';
  return `${state}${by}${reason === null ? '' : `: ${revealLine(reason)}`}`;
}

function asked({ task }: Story, { isWhole, width }: StoryOptions): string[] {
  const text = task.description.trim();
  if (text === '' || text === task.title.trim()) return [];
  return some(wrap(text, width - INDENT), isWhole ? null : MOST_ASKED);
}

function doneBy({ task, attempt, durationMs, notes }: Story): string {
  const parts = [
    sanitiseLine(task.agent),
    `engine ${sanitiseLine(attempt.engine)}`,
    `attempt ${attempt.n}`,
    cost(attempt.usage) === '-' ? null : cost(attempt.usage),
    durationMs === null ? null : age(durationMs),
    attempt.outcome === null || attempt.outcome === 'succeeded' ? null : attempt.outcome,
    notes === 0 ? null : count(notes, 'note'),
  ];
  return parts.filter((part) => part !== null).join(', ');
}

function sizeText({ patch: { size, original } }: Story): string {
  return `${sizeOf(size)}${original === null ? '' : ', not all as the agent left it (parts were taken, or it was edited)'}`;
}

function standsOn({ standsOn: below }: Story): string[] {
  return below.length === 0 ? [] : [below.map(({ id, state }) => `${id} (${state})`).join(', ')];
}

function rounds({ rounds: earlier }: Story): string[] {
  return earlier.map(({ id, state, reason }) => `${id} ${state}${reason === null ? '' : `: ${reveal(reason)}`}`);
}

function flags({ patch }: Story, { isWhole }: StoryOptions): string[] {
  if (patch.flags.length === 0) return [];
  const shown = isWhole ? patch.flags : patch.flags.filter(({ code }) => isSensitive(code)).slice(0, MOST_FLAGS);
  const rest = patch.flags.length - shown.length;
  return [...shown.map(flagText), ...(rest === 0 ? [] : [`… ${rest} more (i: all)`])];
}

function flagText({ code, path, detail }: Flag): string {
  return `${revealLine(code)}  ${revealLine(path)}  ${revealLine(detail)}`;
}

function checks({ checks: all, verdict }: Story): string[] {
  if (all.length === 0) return ['none were run'];
  return [`${verdict}`, ...all.flatMap(checkLines)];
}

function checkLines({ command, exitCode, durationMs, isFlaky, tail }: ToldCheck): string[] {
  const how = exitCode === 0 ? 'passed' : `failed with ${exitCode}`;
  const flake = isFlaky ? ', flaky: it failed, and passed when it was run once more' : '';
  const said = tail.map((line) => `  | ${reveal(line).replaceAll('\t', '  ')}`);
  return [`${how} in ${age(durationMs)}${flake}: ${revealLine(command)}`, ...said];
}

function isBleak({ conflicts, target }: Story): boolean {
  return conflicts.length > 0 || target.outcome === 'conflicts';
}

function forecast({ conflicts, target, isCompared }: Story): string[] {
  const branch = revealLine(target.branch ?? 'HEAD');
  const into = {
    merges: `merges into ${branch} as it is now`,
    there: `${branch} has all of it already`,
    conflicts: `does not merge into ${branch}: ${revealLine(nameSome(target.paths))}`,
  }[target.outcome];
  const others = conflicts.map(
    ({ with: id, state, paths }) => `in conflict with ${id} (${state ?? 'at work'}) in ${revealLine(nameSome(paths))}`,
  );
  return [into, ...others, ...(isCompared ? [] : ['not compared with all others yet'])];
}

/** Framed, and said to be the agent's: nothing in it can pass for our words. */
function said({ attempt }: Story, { isWhole, width, colours }: StoryOptions): string[] {
  const text = sanitise(attempt.summary ?? '').trim();
  if (text === '') return [];
  const lines = some(wrap(text, width - FRAME.length), isWhole ? null : MOST_SAID);
  return ['  In the agent’s own words:', ...lines.map((line) => `${colours.dim(FRAME)}${line}`)];
}

const FRAME = '  │ ';
const NAME = 9;
const INDENT = NAME + 4;

function rows(
  name: string,
  texts: readonly string[],
  { width, colours }: StoryOptions,
  colour: ((text: string) => string) | null = null,
): string[] {
  const room = Math.max(10, width - INDENT);
  const lines = texts.flatMap((text) => wrap(text, room));
  return lines.map((line, at) => {
    const label = at === 0 ? name : '';
    return `  ${colours.dim(label.padEnd(NAME))}  ${colour === null ? line : colour(line)}`;
  });
}

function some(lines: readonly string[], most: number | null): string[] {
  if (most === null || lines.length <= most + 1) return [...lines];
  return [...lines.slice(0, most), `… ${lines.length - most} more lines (i: all)`];
}
