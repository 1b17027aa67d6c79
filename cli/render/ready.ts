/** What a run that is left alone found before its first agent, as a block of lines. */

import type { Readiness } from '../../src/events.ts';
import { bytesText, timeText } from '../../src/report/phrases.ts';
import { revealLine, sanitiseLine } from '../../src/sanitise.ts';
import { count } from './text.ts';

const NAME_WIDTH = 11;

/** The first line is a heading; those below are indented. */
export function readyLines(ready: Readiness): readonly string[] {
  const { freeBytes } = ready;
  const rows: readonly (readonly [name: string, text: string])[] = [
    ['isolation', sanitiseLine(ready.isolation)],
    ['key', ready.keys.length === 0 ? 'no model is asked through the gateway' : `taken by ${ready.keys.join(', ')}`],
    ['base', baseText(ready)],
    ['disk', `${bytesText(freeBytes.engine)} free on the engine, ${bytesText(freeBytes.state)} for the state`],
    ['memory', memoryText(ready)],
    ['cost', costText(ready)],
    ['until', ready.deadline === null ? 'the queue is empty' : timeText(ready.deadline)],
    ['results', resultsText(ready)],
  ];
  return ['ready, agents start', ...rows.map(([name, text]) => `    ${name.padEnd(NAME_WIDTH)}${text}`)];
}

function baseText({ checks }: Readiness): string {
  if (checks.length === 0) return 'no check to try on it (--check)';
  return checks
    .map(({ command, exitCode, flaky }) => {
      const verdict = exitCode !== 0 ? `RED (${exitCode}), allowed` : flaky ? 'passes, flaky' : 'passes';
      return `${verdict}: ${shortened(command)}`;
    })
    .join('; ');
}

function shortened(command: string): string {
  const line = revealLine(command.trim());
  return line.length <= 80 ? line : `${line.slice(0, 80)}…`;
}

function memoryText({ memoryBytes: { agents, engine } }: Readiness): string {
  const has = engine === null ? '' : `, the engine has ${bytesText(engine)}`;
  return `at most ${bytesText(agents)} for agents${has}`;
}

function costText({ cost }: Readiness): string {
  if (cost === null) return 'no model is asked through the gateway';
  const { usd, tokens, attemptUsd, estimate } = cost;
  const caps = [
    usd === null ? [] : [`at most $${usd.toFixed(2)}`],
    tokens === null ? [] : [`at most ${tokens.toLocaleString('en')} tokens`],
    attemptUsd === null ? [] : [`at most $${attemptUsd.toFixed(2)} for each attempt`],
  ].flat();
  const ceiling = usd === null && tokens === null ? ['NO CEILING (--budget-usd)'] : [];
  const roughly =
    estimate === null
      ? []
      : [`roughly $${estimate.low.toFixed(2)} to $${estimate.high.toFixed(2)} by size of the tasks`];
  return [...ceiling, ...caps, ...roughly].join(', ');
}

function resultsText({ results: { checks, autoApprove, autoMerge } }: Readiness): string {
  const checked = checks === 0 ? 'not checked' : `${count(checks, 'check')} on each patch`;
  const approved = autoApprove === 'passing' && checks > 0 ? 'what passes is approved by itself' : 'each waits for you';
  const merged = autoMerge === null ? '' : `, what is approved is merged into ${revealLine(autoMerge)}`;
  return `${checked}; ${approved}${merged}`;
}
