/** The report for a terminal: sections of lines, and the night as lanes of letters. */

import type { Report } from '../../src/report/figures.ts';
import { clockText, spendText, tokensText } from '../../src/report/phrases.ts';
import type { Bar, Picture } from '../../src/report/picture.ts';
import type { Spending } from '../../src/report/spend.ts';
import { type Entry, type Section, type Span, storyOf, type Tone } from '../../src/report/story.ts';
import type { Context } from '../context.ts';
import { type Colours, coloursOf } from './text.ts';

const WIDTH = 60;

/** Everything in it is fit for a terminal already: `reportOf` lets nothing else in. */
export function reportText(report: Report, context: Pick<Context, 'colour'>): string {
  const colours = coloursOf(context.colour);
  const story = storyOf(report);
  const head = `${colours.bold(story.headline)}\n${colours.dim(story.period)}\n`;
  return [head, ...story.sections.map((section) => sectionText(section, report, colours))].join('\n');
}

function sectionText(section: Section, report: Report, colours: Colours): string {
  const { entries, leftOut } = section;
  if (entries.length === 0) return `${colours.bold(section.title)}: ${section.empty}\n`;
  const summary = section.id === 'checks' ? ` ${section.empty}` : '';
  const lines = [`${colours.bold(section.title)}:${summary}`];
  if (section.drawing === 'picture') lines.push(...pictureLines(report.picture, colours));
  if (section.drawing === 'spending') lines.push(...spendingLines(report.spending, colours));
  for (const entry of entries) lines.push(...entryLines(entry, colours));
  if (leftOut > 0) lines.push(colours.dim(`  ${leftOut} more, not shown`));
  return `${lines.join('\n')}\n`;
}

function entryLines({ tone, head, details, output, commands }: Entry, colours: Colours): string[] {
  return [
    `  ${markOf(tone, colours)} ${spans(head)}`,
    ...details.map((detail) => `      ${detail[0] === 'look at: ' ? colours.yellow(spans(detail)) : spans(detail)}`),
    ...output.map((line) => colours.dim(`      | ${line}`)),
    ...commands.map((command) => `      ${colours.cyan(`$ ${command}`)}`),
  ];
}

function spans(parts: readonly Span[]): string {
  return parts.map((part) => (typeof part === 'string' ? part : 'code' in part ? part.code : part.others)).join('');
}

function markOf(tone: Tone, colours: Colours): string {
  if (tone === 'good') return colours.green('+');
  if (tone === 'bad') return colours.red('x');
  return tone === 'warning' ? colours.yellow('!') : '-';
}

const COLUMN = 30;

/** Cost and tokens over time, a line for each step in which something ended. */
function spendingLines({ overTime, total }: Spending, colours: Colours): string[] {
  const used = overTime.filter(({ tokens, usd }) => tokens > 0 || usd > 0);
  const most = Math.max(1, ...used.map(({ tokens }) => tokens));
  return [
    `  ${spendText(total)}, by when the attempts ended:`,
    ...used.map((step) => {
      const column = '#'.repeat(Math.max(1, Math.round((step.tokens / most) * COLUMN)));
      return `  from ${clockText(step.from)} ${colours.cyan(column)} ${tokensText(step.tokens)}, ${spendText(step)}`;
    }),
  ];
}

function pictureLines(picture: Picture, colours: Colours): string[] {
  if (picture.lanes.length === 0 && picture.holds.length === 0) return [];
  const from = Date.parse(picture.from);
  const step = (Date.parse(picture.to) - from) / WIDTH;
  const lanes = picture.lanes.map((lane, at) => {
    const letters = Array.from({ length: WIDTH }, (_, column) => letterAt(lane, from + (column + 0.5) * step, step));
    return `  agent ${String(at + 1).padEnd(3)} ${letters.map((letter) => paint(letter, colours)).join('')}`;
  });
  const begin = clockText(picture.from);
  const times = `            ${begin}${clockText(picture.to).padStart(WIDTH - begin.length)}`;
  const legend = '  = succeeded, - no changes, x failed, ~ under way, " held still';
  const isMarked = picture.marks.length > 0;
  return [
    ...(picture.holds.length === 0 ? [] : [`  no start   ${holdLetters(picture, from, step, colours)}`]),
    ...lanes,
    ...(isMarked ? [`  events     ${markLetters(picture, from, step, colours)}`] : []),
    times.slice(2),
    `${legend}${picture.holds.length > 0 ? ', / nothing was started' : ''}${isMarked ? ', ! see below' : ''}`,
  ];
}

function holdLetters({ holds }: Picture, from: number, step: number, colours: Colours): string {
  return Array.from({ length: WIDTH }, (_, column) => {
    const begin = from + column * step;
    const isHeld = holds.some((hold) => Date.parse(hold.from) < begin + step && Date.parse(hold.to) > begin);
    return isHeld ? colours.yellow('/') : ' ';
  }).join('');
}

function markLetters({ marks }: Picture, from: number, step: number, colours: Colours): string {
  const columns = new Set(marks.map(({ at }) => Math.min(WIDTH - 1, Math.floor((Date.parse(at) - from) / step))));
  return Array.from({ length: WIDTH }, (_, column) => (columns.has(column) ? colours.red('!') : ' ')).join('');
}

/** What was going on in the lane around a moment: the attempt that covers it, else a short one within the step. */
function letterAt(lane: readonly Bar[], at: number, step: number): string {
  const covers = (span: { readonly from: string; readonly to: string }): boolean =>
    Date.parse(span.from) <= at + step / 2 && Date.parse(span.to) >= at - step / 2;
  const bar = lane.findLast(covers);
  if (bar === undefined) return ' ';
  if (bar.pauses.some(({ from, to }) => Date.parse(from) <= at && Date.parse(to) >= at)) return '"';
  if (bar.outcome === null) return '~';
  if (bar.outcome === 'succeeded') return '=';
  return bar.outcome === 'no-changes' ? '-' : 'x';
}

function paint(letter: string, colours: Colours): string {
  if (letter === '=') return colours.green(letter);
  if (letter === 'x') return colours.red(letter);
  return letter === '"' ? colours.yellow(letter) : letter;
}
