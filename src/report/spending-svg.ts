/** Tokens over time as an SVG of columns. No style attribute: the page's policy allows none. */

import { escaped } from './escape-html.ts';
import { clockText, spendText, tokensText } from './phrases.ts';
import type { Spending } from './spend.ts';

const WIDTH = 1000;
const HEIGHT = 150;
const AXIS = 24;
const TOP = 20;
/** Only every so many columns have a time below them. */
const MOST_LABELS = 10;

export function spendingSvg({ overTime }: Spending): string {
  const most = Math.max(1, ...overTime.map(({ tokens }) => tokens));
  const width = WIDTH / overTime.length;
  const every = Math.ceil(overTime.length / MOST_LABELS);
  const columns = overTime.map((step, at) => {
    const height = (step.tokens / most) * (HEIGHT - AXIS - TOP);
    const x = at * width;
    const time =
      at % every === 0
        ? `<text class="time" x="${(x + 2).toFixed(1)}" y="${HEIGHT - 6}">${clockText(step.from)}</text>`
        : '';
    const column =
      step.tokens === 0
        ? ''
        : `<g><title>${escaped(`from ${clockText(step.from)}: ${tokensText(step.tokens)}, ${spendText(step)}`)}</title>` +
          `<rect class="column" x="${(x + 2).toFixed(1)}" y="${(HEIGHT - AXIS - height).toFixed(1)}" width="${Math.max(1, width - 4).toFixed(1)}" height="${height.toFixed(1)}" rx="2"/></g>`;
    return column + time;
  });
  return (
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="spending-title">` +
    `<title id="spending-title">Tokens by when attempts ended, at most ${escaped(tokensText(most))} in a step</title>` +
    `<text class="time" x="2" y="12">at most ${escaped(tokensText(most))}</text>` +
    `<line class="lane" x1="0" x2="${WIDTH}" y1="${HEIGHT - AXIS}" y2="${HEIGHT - AXIS}"/>${columns.join('')}</svg>`
  );
}
