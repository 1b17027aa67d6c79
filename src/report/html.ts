/**
 * The report as one page that needs nothing else: no script, no font, no image from anywhere. Its policy allows this very
 * style sheet alone, so that even text which slipped through escaping could load and run nothing.
 */

import { createHash } from 'node:crypto';
import { escaped } from './escape-html.ts';
import type { Report } from './figures.ts';
import { STYLE } from './html-style.ts';
import { clockText, count, lengthText, spendText, tokensText } from './phrases.ts';
import type { Bar } from './picture.ts';
import { pictureSvg } from './picture-svg.ts';
import type { NamedSpend, Spending } from './spend.ts';
import { spendingSvg } from './spending-svg.ts';
import { type Entry, type Section, type Span, storyOf } from './story.ts';
import type { Listed } from './words.ts';

export function htmlOf(report: Report): string {
  const story = storyOf(report);
  const hash = createHash('sha256').update(STYLE).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>${escaped(story.title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${escaped(story.title)}</h1>
<p class="lead">${escaped(story.headline)}</p>
<p class="soft">${escaped(story.period)}</p>
${tiles(report)}
</header>
<main>
${story.sections.map((section) => sectionHtml(section, report)).join('\n')}
</main>
<footer><p>Made by orchestrate from what it wrote down. All times are those of the machine that made this page.</p></footer>
</body>
</html>
`;
}

function tiles({ waiting, undone, landed, spending, checks }: Report): string {
  const flagged = waiting.items.filter(({ flags }) => flags.items.length > 0).length;
  const tile = (to: string, figure: string, what: string): string =>
    `<li><a href="#${to}"><b${figure.length > 9 ? ' class="long"' : ''}>${escaped(figure)}</b><span>${escaped(what)}</span></a></li>`;
  const costTile = (): string => {
    const { tokens, unpricedTokens, usd } = spending.total;
    if (unpricedTokens === 0 || usd === 0) return tile('cost', spendText(spending.total), 'cost');
    return tile(
      'cost',
      `$${usd.toFixed(2)}`,
      `cost, and ${tokensText(unpricedTokens)} (of ${tokensText(tokens)}) of unknown cost`,
    );
  };
  return `<ul class="tiles">${[
    tile('waiting', sizeOf(waiting), flagged === 0 ? 'wait for you' : `wait for you, ${flagged} flagged`),
    tile('failed', String(undone.failed), undone.failed === 1 ? 'task failed' : 'tasks failed'),
    tile('landed', sizeOf(landed), 'landed'),
    tile('checks', String(checks.red), checks.red === 1 ? 'red check' : 'red checks'),
    costTile(),
  ].join('')}</ul>`;
}

function sizeOf({ items, leftOut }: Listed<unknown>): string {
  return String(items.length + leftOut);
}

function sectionHtml(section: Section, report: Report): string {
  const { id, title, empty, entries, leftOut } = section;
  const opening = `<section id="${id}" aria-labelledby="${id}-title"`;
  const heading = `<h2 id="${id}-title">${escaped(title)}`;
  if (entries.length === 0) return `${opening} class="quiet">${heading}</h2> <p>${escaped(empty)}</p></section>`;
  const counted =
    section.drawing === null && id !== 'disk' ? `<span class="count">${entries.length + leftOut}</span>` : '';
  const parts = [`${opening}>${heading}${counted}</h2>`];
  if (id === 'checks') parts.push(`<p>${escaped(empty)}</p>`);
  if (section.drawing === 'picture') parts.push(pictureHtml(report));
  if (section.drawing === 'spending') parts.push(spendingHtml(report));
  else parts.push(`<ul class="entries">${entries.map(entryHtml).join('')}</ul>`);
  if (leftOut > 0) parts.push(`<p class="soft">${escaped(`${leftOut} more, not shown.`)}</p>`);
  return `${parts.join('\n')}</section>`;
}

function entryHtml({ tone, head, details, output, commands }: Entry): string {
  const isShort = details.length + output.length + commands.length === 0;
  const below = details.map((detail) => {
    const isFlag = detail[0] === 'look at: ';
    return `<p class="detail${isFlag ? ' flag' : ''}">${spans(detail)}</p>`;
  });
  const printed = output.length === 0 ? '' : `<pre>${escaped(output.join('\n'))}</pre>`;
  const typed = commands.map((command) => `<p class="command"><code>${escaped(command)}</code></p>`);
  return `<li class="${tone}${isShort ? ' short' : ''}"><p class="head">${spans(head)}</p>${below.join('')}${printed}${typed.join('')}</li>`;
}

function spans(parts: readonly Span[]): string {
  return parts
    .map((part) => {
      if (typeof part === 'string') return escaped(part);
      // Text of others in a script that runs the other way must not reorder ours.
      return 'code' in part ? `<code>${escaped(part.code)}</code>` : `<bdi>${escaped(part.others)}</bdi>`;
    })
    .join('');
}

const LEGEND: readonly (readonly [tone: string, text: string])[] = [
  ['bar good', 'succeeded'],
  ['bar none', 'no changes'],
  ['bar bad', 'failed, out of time, memory or budget'],
  ['bar cut', 'killed or lost'],
  ['bar live', 'under way'],
  ['pause', 'held still'],
];

function pictureHtml({ picture }: Report): string {
  if (picture.lanes.length === 0 && picture.holds.length === 0) return '';
  const held: typeof LEGEND = picture.holds.length === 0 ? [] : [['bar hold', 'nothing was started']];
  const legend = [...LEGEND, ...held]
    .map(
      ([tone, text]) =>
        `<li><svg viewBox="0 0 14 14" aria-hidden="true"><rect class="${tone}" x="1" y="1" width="12" height="12" rx="2"/></svg>${text}</li>`,
    )
    .join('');
  const rows = picture.lanes.flatMap((lane, at) => lane.map((bar) => barRow(bar, at))).join('');
  const host = picture.lanes.flat().some((bar) => bar.host !== null) ? '<th scope="col">host</th>' : '';
  return (
    `<div class="scroll" role="region" aria-label="the night as a picture" tabindex="0">${pictureSvg(picture)}</div>` +
    `<ul class="legend">${legend}<li>↻ a retry</li></ul>` +
    `<details><summary>The same as a table</summary><div class="scroll"><table><thead><tr><th scope="col">agent</th><th scope="col">attempt</th>` +
    `${host}<th scope="col">from</th><th scope="col">to</th><th scope="col">took</th><th scope="col">end</th><th scope="col">held still</th></tr></thead>` +
    `<tbody>${rows}</tbody></table></div></details>`
  );
}

function barRow(bar: Bar, lane: number): string {
  const held = bar.pauses.map(({ from, to }) => `${clockText(from)}–${clockText(to)}`).join(', ');
  const times = [clockText(bar.from), bar.outcome === null ? 'now' : clockText(bar.to), lengthText(bar.from, bar.to)];
  const cells = bar.host === null ? times : [bar.host, ...times];
  return (
    `<tr><td>${lane + 1}</td><th scope="row"><code>${escaped(bar.attempt)}</code></th>` +
    `${[...cells, endOf(bar), held].map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`
  );
}

function endOf({ outcome, fault }: Bar): string {
  return `${outcome ?? 'under way'}${fault === null ? '' : ` (${fault})`}`;
}

function spendingHtml({ spending }: Report): string {
  const tables = [
    costTable('By engine', 'engine', spending.byEngine),
    costTable('By role', 'role', spending.byRole),
    costTable('By task', 'task', spending.byTask),
  ];
  return (
    `<p>${escaped(`${spendText(spending.total)}; tokens by when the attempts ended, one column for each ${lengthText(new Date(0).toISOString(), new Date(spending.stepMs).toISOString())}:`)}</p>` +
    `<div class="scroll" role="region" aria-label="tokens over time" tabindex="0">${spendingSvg(spending)}</div>` +
    `<details><summary>The same as a table</summary>${overTimeTable(spending)}</details>${tables.join('')}`
  );
}

function overTimeTable({ overTime }: Spending): string {
  const rows = overTime
    .filter(({ tokens, usd }) => tokens > 0 || usd > 0)
    .map(
      (step) =>
        `<tr><th scope="row">${clockText(step.from)}</th><td class="cost">${escaped(spendText(step))}</td>` +
        `<td class="number">${step.tokens.toLocaleString('en')}</td></tr>`,
    );
  return (
    `<div class="scroll"><table><thead><tr><th scope="col">attempts that ended from</th><th scope="col" class="cost">cost</th>` +
    `<th scope="col" class="number">tokens</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
  );
}

function costTable(title: string, what: string, list: Listed<NamedSpend>): string {
  const rows = list.items.map(
    (one) =>
      `<tr><th scope="row"><bdi>${escaped(one.name)}</bdi></th><td class="cost">${escaped(spendText(one))}</td>` +
      `<td class="number">${one.tokens.toLocaleString('en')}</td><td class="number">${one.attempts}</td></tr>`,
  );
  const more =
    list.leftOut > 0 ? `<p class="soft">${escaped(`${count(list.leftOut, what)} more, not shown.`)}</p>` : '';
  return (
    `<div class="scroll"><table><caption class="soft">${escaped(title)}</caption><thead><tr><th scope="col">${escaped(what)}</th><th scope="col" class="cost">cost</th>` +
    `<th scope="col" class="number">tokens</th><th scope="col" class="number">attempts</th></tr></thead>` +
    `<tbody>${rows.join('')}</tbody></table></div>${more}`
  );
}
