/** The night as an SVG: lanes of agents over time. No style attribute: the page's policy allows none. */

import { escaped } from './escape-html.ts';
import { clockText, holdText, lengthText, markText } from './phrases.ts';
import type { Bar, Picture } from './picture.ts';
import type { Hold, Mark } from './whole-run.ts';

const WIDTH = 1000;
const LEFT = 76;
const RIGHT = 14;
const LANE = 34;
const BAR = 22;
const AXIS = 26;
/** Below this an attempt could not be seen. */
const LEAST_BAR = 3;
/** A letter of a label takes about this. */
const LETTER = 7.2;
/** Of a name that is too long this many letters say something. */
const LEAST_LETTERS = 6;
/** One of the other texts, which are larger on a narrow screen. */
const LARGE_LETTER = 9;
const STEPS_MIN = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080];
const MOST_TICKS = 9;
/** Above the lanes: names of marks, and the lane of what held back everything. */
const MARKS = 20;
const HOLDS = 26;

export function pictureSvg(picture: Picture): string {
  const marks = picture.marks.length === 0 ? 0 : MARKS;
  const top = marks + (picture.holds.length === 0 ? 0 : HOLDS);
  const height = top + picture.lanes.length * LANE + AXIS + 6;
  const scale = scaleOf(picture);
  const bands = picture.holds.map((hold) => holdSvg(hold, { from: marks + 4, to: height - AXIS }, scale)).join('');
  const held = bands === '' ? '' : `<text class="name" x="0" y="${marks + 18}">no start</text>${bands}`;
  const lanes =
    held +
    picture.lanes.map((lane, at) => laneSvg(lane, { at, top }, scale)).join('') +
    marksSvg(picture, scale, height);
  return (
    `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="night-title night-description">` +
    `<title id="night-title">Agents over time</title>` +
    `<desc id="night-description">${escaped(`${picture.lanes.length} agents at once at most, from ${clockText(picture.from)} to ${clockText(picture.to)}. The table below says the same.`)}</desc>` +
    `${ticksSvg(picture, scale, height)}${lanes}</svg>`
  );
}

type Scale = (at: string) => number;

function scaleOf({ from, to }: Picture): Scale {
  const start = Date.parse(from);
  const length = Math.max(1, Date.parse(to) - start);
  return (at) => LEFT + ((Date.parse(at) - start) / length) * (WIDTH - LEFT - RIGHT);
}

/** A bar in its own lane, and a pale band over all the others. */
function holdSvg(hold: Hold, { from, to }: { readonly from: number; readonly to: number }, scale: Scale): string {
  const start = scale(hold.from);
  const x = fixed(start);
  const width = fixed(Math.max(LEAST_BAR, scale(hold.to) - start));
  return (
    `<g><title>${escaped(`nothing was started ${holdText(hold)}: ${hold.reason}`)}</title>` +
    `<rect class="band" x="${x}" y="${from}" width="${width}" height="${to - from}"/>` +
    `<rect class="bar hold" x="${x}" y="${from}" width="${width}" height="${HOLDS - 8}" rx="3"/></g>`
  );
}

/** A line each; a name only where there is room for it. */
function marksSvg({ marks }: Picture, scale: Scale, height: number): string {
  let free = LEFT;
  return marks
    .map((mark) => {
      const x = scale(mark.at);
      const name = markText(mark);
      const width = name.length * LARGE_LETTER;
      // What would stand out on the right stands on the left of its line.
      const isLeft = x + width > WIDTH;
      const begins = isLeft ? x - width : x;
      const label =
        begins < free
          ? ''
          : `<text class="time" x="${fixed(isLeft ? x - 4 : x)}" y="13" text-anchor="${isLeft ? 'end' : 'start'}">${escaped(name)}</text>`;
      if (label !== '') free = begins + width + 8;
      return (
        `<g><title>${escaped(titleOfMark(mark))}</title>` +
        `<line class="mark" x1="${fixed(x)}" x2="${fixed(x)}" y1="${MARKS - 2}" y2="${height - AXIS}"/>${label}</g>`
      );
    })
    .join('');
}

function titleOfMark(mark: Mark): string {
  return `${clockText(mark.at)} ${markText(mark)}${mark.reason === null ? '' : `: ${mark.reason}`}`;
}

function laneSvg(lane: readonly Bar[], place: { readonly at: number; readonly top: number }, scale: Scale): string {
  const { at } = place;
  const top = place.top + at * LANE + 6;
  const bars = lane.map((bar) => barSvg(bar, top, scale)).join('');
  const line = `<line class="lane" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${top + BAR / 2}" y2="${top + BAR / 2}"/>`;
  return `<g role="group" aria-label="agent ${at + 1}"><text class="name" x="0" y="${top + BAR / 2 + 5}">agent ${at + 1}</text>${line}${bars}</g>`;
}

function barSvg(bar: Bar, top: number, scale: Scale): string {
  const from = scale(bar.from);
  const width = Math.max(LEAST_BAR, scale(bar.to) - from);
  const label = shortened(`${bar.n > 1 ? '↻ ' : ''}${bar.task}`, Math.floor((width - 10) / LETTER));
  const text =
    label === ''
      ? ''
      : `<text class="label" x="${fixed(from + 6)}" y="${top + BAR / 2 + 4.5}">${escaped(label)}</text>`;
  const pauses = bar.pauses.map((pause) => {
    const start = scale(pause.from);
    return `<rect class="pause" x="${fixed(start)}" y="${top}" width="${fixed(Math.max(2, scale(pause.to) - start))}" height="${BAR}"/>`;
  });
  return (
    `<g><title>${escaped(titleOf(bar))}</title>` +
    `<rect class="bar ${toneOf(bar)}" x="${fixed(from)}" y="${top}" width="${fixed(width)}" height="${BAR}" rx="3"/>` +
    `${pauses.join('')}${text}</g>`
  );
}

/** What of it fits into so many letters; nothing where that would say nothing. */
function shortened(label: string, letters: number): string {
  if (label.length <= letters) return label;
  return letters < LEAST_LETTERS ? '' : `${label.slice(0, letters - 1)}…`;
}

function titleOf(bar: Bar): string {
  const retry = bar.n > 1 ? `, retry ${bar.n - 1}` : '';
  const paused = bar.pauses.map((pause) => `, held still ${clockText(pause.from)} to ${clockText(pause.to)}`).join('');
  const fault = bar.fault === null ? '' : ` (${bar.fault})`;
  const where = bar.host === null ? '' : ` on ${bar.host}`;
  return `${bar.attempt}${where}: ${bar.outcome ?? 'under way'}${fault}${retry}, ${clockText(bar.from)} to ${clockText(bar.to)} (${lengthText(bar.from, bar.to)})${paused}`;
}

/** The class that colours it. */
function toneOf({ outcome }: Pick<Bar, 'outcome'>): string {
  if (outcome === null) return 'live';
  if (outcome === 'succeeded') return 'good';
  if (outcome === 'no-changes') return 'none';
  return outcome === 'killed' || outcome === 'lost' ? 'cut' : 'bad';
}

function ticksSvg(picture: Picture, scale: Scale, height: number): string {
  const start = Date.parse(picture.from);
  const end = Date.parse(picture.to);
  const minutes = (end - start) / 60_000;
  const step = (STEPS_MIN.find((each) => minutes / each <= MOST_TICKS) ?? Math.ceil(minutes / MOST_TICKS)) * 60_000;
  // On full hours of the clock on the wall, whose zone need not be a whole number of steps from UTC.
  const zone = new Date(start).getTimezoneOffset() * 60_000;
  const ticks: string[] = [];
  for (let at = Math.ceil((start - zone) / step) * step + zone; at <= end; at += step) {
    const time = new Date(at).toISOString();
    const x = fixed(scale(time));
    ticks.push(
      `<line class="tick" x1="${x}" x2="${x}" y1="0" y2="${height - AXIS + 4}"/>` +
        `<text class="time" x="${x}" y="${height - 8}" text-anchor="${scale(time) > WIDTH - RIGHT - 20 ? 'end' : 'middle'}">${clockText(time)}</text>`,
    );
  }
  return ticks.join('');
}

function fixed(n: number): string {
  return n.toFixed(1);
}
