/**
 * The report as Markdown that is safe to paste anywhere. Text of others stands in code spans and fenced blocks alone: no link,
 * image, mention or markup can come of it, whatever dialect reads it.
 */

import type { Report } from './figures.ts';
import { clockText, spendText } from './phrases.ts';
import { type Entry, type Section, type Span, storyOf } from './story.ts';

export function markdownOf(report: Report): string {
  const story = storyOf(report);
  const blocks = [`# ${plain(story.title)}`, plain(story.headline), plain(story.period)];
  for (const section of story.sections) blocks.push(...sectionBlocks(section, report));
  return `${blocks.join('\n\n')}\n`;
}

function sectionBlocks(section: Section, report: Report): string[] {
  const blocks = [`## ${plain(section.title)}`];
  if (section.id === 'checks' && section.entries.length > 0) blocks.push(plain(section.empty));
  if (section.entries.length === 0) blocks.push(plain(section.empty));
  if (section.drawing === 'picture') blocks.push(...pictureBlocks(report));
  if (section.drawing === 'spending') blocks.push(spendingTable(report));
  blocks.push(...entryBlocks(section.entries));
  if (section.leftOut > 0) blocks.push(`*${section.leftOut} more, not shown.*`);
  return blocks.filter((block) => block !== '');
}

/** A fence in a list is read differently by different programs: an entry with output ends the list. */
function entryBlocks(entries: readonly Entry[]): string[] {
  const blocks: string[] = [];
  let list: string[] = [];
  for (const entry of entries) {
    list.push(...entryLines(entry));
    if (entry.output.length === 0) continue;
    blocks.push(list.join('\n'), fenced(entry.output));
    list = [];
  }
  return [...blocks, list.join('\n')];
}

function entryLines({ head, details, commands }: Entry): string[] {
  const below = [...details, ...commands.map((command): Span[] => ['→ ', { code: command }])];
  return [`- ${spans(head)}`, ...below.map((detail) => `  - ${spans(detail)}`)];
}

function spans(parts: readonly Span[]): string {
  return parts
    .map((part) => (typeof part === 'string' ? plain(part) : code('code' in part ? part.code : part.others)))
    .join('');
}

/** Our own words; nothing in them is markup. */
function plain(text: string): string {
  return text.replace(/[\\`*_{}[\]()<>#+!|~&]/g, '\\$&');
}

/** A code span that nothing in the text can end. */
function code(text: string): string {
  const line = text.replace(/[\r\n]+/g, ' ').trim();
  if (line === '') return '';
  const ticks = '`'.repeat(longestRun(line) + 1);
  const gap = line.startsWith('`') || line.endsWith('`') ? ' ' : '';
  return `${ticks}${gap}${line}${gap}${ticks}`;
}

function fenced(lines: readonly string[]): string {
  const fence = '`'.repeat(Math.max(3, ...lines.map((line) => longestRun(line) + 1)));
  return `${fence}text\n${lines.join('\n')}\n${fence}`;
}

function longestRun(text: string): number {
  return (text.match(/`+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 0);
}

function pictureBlocks({ picture }: Report): string[] {
  return picture.lanes.map((lane, at) => {
    const bars = lane.slice(0, MOST_BARS).map((bar) => {
      const times = `${clockText(bar.from)}–${bar.outcome === null ? 'now' : clockText(bar.to)}`;
      const paused = bar.pauses.length === 0 ? '' : `, held still ${bar.pauses.length} times`;
      const fault = bar.fault === null ? '' : ` ${code(bar.fault)}`;
      const where = bar.host === null ? '' : ` on ${code(bar.host)}`;
      return `  - ${times} ${code(bar.attempt)}${where} ${bar.outcome ?? 'under way'}${fault}${paused}`;
    });
    const more = lane.length > MOST_BARS ? [`  - ${lane.length - MOST_BARS} more, not shown`] : [];
    return [`- agent ${at + 1}`, ...bars, ...more].join('\n');
  });
}

const MOST_BARS = 20;

/** Nothing but our own figures: the one table. */
function spendingTable({ spending }: Report): string {
  const used = spending.overTime.filter(({ tokens, usd }) => tokens > 0 || usd > 0);
  const rows = used.map((step) => `| ${clockText(step.from)} | ${plain(spendText(step))} | ${step.tokens} |`);
  return ['| attempts that ended from | cost | tokens |', '| --- | --- | ---: |', ...rows].join('\n');
}
