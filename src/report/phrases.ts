/** How figures are written for people, the same in each output. Plain text, still to be escaped where others' text is in it. */

import { formatDuration } from '../config/sizes.ts';
import type { ExpectedCost } from '../events.ts';
import { dayText, minuteText } from '../local-time.ts';
import type { CheckAlarm } from '../state/history.ts';
import type { PatchSize } from '../types.ts';
import type { Failure } from './failures.ts';
import type { Landed, Report, RunFigures } from './figures.ts';
import type { Spend } from './spend.ts';
import type { Waiting } from './waiting.ts';
import type { Hold, Mark } from './whole-run.ts';

/** `$1.20`, `unknown (12.3k tokens)`, `$1.20 and 12.3k tokens of unknown cost`, `nothing`. */
export function spendText({ tokens, usd, unpricedTokens }: Spend): string {
  if (tokens === 0 && usd === 0) return 'nothing';
  if (unpricedTokens === 0) return `$${usd.toFixed(2)}`;
  if (unpricedTokens === tokens) return `unknown (${tokensText(tokens)})`;
  return `$${usd.toFixed(2)} and ${tokensText(unpricedTokens)} of unknown cost`;
}

export function tokensText(tokens: number): string {
  if (tokens < 1000) return count(tokens, 'token');
  if (tokens < 999_950) return `${(tokens / 1000).toFixed(1)}k tokens`;
  return `${(tokens / 1_000_000).toFixed(1)}M tokens`;
}

export function count(n: number, noun: string, plural = `${noun}s`): string {
  return `${n} ${n === 1 ? noun : plural}`;
}

/** Local time, `2026-03-01 18:02`. */
export function timeText(at: string): string {
  const time = new Date(at);
  return `${dayText(time)} ${minuteText(time)}`;
}

/** `18:02`, local time. */
export function clockText(at: string): string {
  return minuteText(new Date(at));
}

/** Between two moments, to the minute where it is long. */
export function lengthText(from: string, to: string): string {
  const length = Math.max(0, Date.parse(to) - Date.parse(from));
  const unit = length < 60_000 ? 1000 : 60_000;
  return formatDuration(Math.floor(length / unit) * unit);
}

/** `18:02 to 18:40 (38m)`, `since 18:02` for what lasts. */
export function holdText({ from, to, isOpen }: Hold): string {
  return isOpen ? `since ${clockText(from)}` : `${clockText(from)} to ${clockText(to)} (${lengthText(from, to)})`;
}

export function markText({ what }: Pick<Mark, 'what'>): string {
  switch (what) {
    case 'deadline':
      return 'deadline';
    case 'budget':
      return 'budget used up';
    case 'key':
      return 'key refused';
    case 'stop':
      return 'stopped';
    case 'cut-off':
      return 'cut off, taken over';
    case 'run':
      return 'next run';
  }
}

export function sizeText({ files, insertions, deletions }: PatchSize): string {
  return `${count(files, 'file')}, +${insertions} −${deletions}`;
}

/** Zero: `0 B`. */
export function bytesText(bytes: number | null): string {
  if (bytes === null) return 'unknown';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(1)} ${units[power]}`;
}

/** The night in one sentence: what a person reads who reads nothing else. */
export function headline(report: Report): string {
  const { landed, waiting, undone, stuck } = report;
  const size = (list: { readonly items: readonly unknown[]; readonly leftOut: number }): number =>
    list.items.length + list.leftOut;
  const parts = [
    `${count(size(landed), 'patch', 'patches')} landed`,
    `${size(waiting)} ${size(waiting) === 1 ? 'waits' : 'wait'} for you`,
    `${count(undone.failed, 'task')} failed`,
  ];
  if (undone.failedEarlier > 0) parts.push(`${undone.failedEarlier} failed earlier`);
  if (undone.cancelled > 0) parts.push(`${undone.cancelled} cancelled`);
  if (size(stuck) > 0) parts.push(`${size(stuck)} blocked`);
  if (report.tasks.running + report.tasks.paused > 0) {
    parts.push(`${report.tasks.running + report.tasks.paused} at work`);
  }
  if (report.tasks.queued > 0) parts.push(`${report.tasks.queued} queued`);
  return `${parts.join(', ')}. Cost: ${spendText(report.spending.total)}.`;
}

export function periodText({ period }: Report): string {
  const times = `${timeText(period.since)} to ${timeText(period.until)}`;
  return period.by === 'run'
    ? `Since the newest run began: ${times}, and what is still open.`
    : `Since the time you asked for: ${times}, and what is still open.`;
}

/** `ended` with why, and what bounded it. */
export function runEndText(run: RunFigures): string {
  if (run.state === 'under-way') return 'under way';
  if (run.state === 'cut-off')
    return 'cut off: its process ended without a word; the next `orchestrate run` takes its tasks up';
  return run.reason === null ? 'ended' : `ended: ${run.reason}`;
}

export function runBoundsText(run: RunFigures): string {
  const bounds = [
    run.deadline === null ? [] : [`deadline ${timeText(run.deadline)}`],
    run.budget.usd === null ? [] : [`budget $${run.budget.usd.toFixed(2)}`],
    run.budget.tokens === null ? [] : [`budget ${tokensText(run.budget.tokens)}`],
  ].flat();
  return bounds.length === 0 ? 'no deadline, no budget' : bounds.join(', ');
}

/** What bounded the cost, as it was said before the first agent; null: there is nothing to add to the budget. */
export function estimateText({ usd, tokens, attemptUsd, estimate }: ExpectedCost): string | null {
  const parts = [
    usd === null && tokens === null ? ['no ceiling'] : [],
    attemptUsd === null ? [] : [`at most $${attemptUsd.toFixed(2)} for each attempt`],
    estimate === null ? [] : [`expected roughly $${estimate.low.toFixed(2)} to $${estimate.high.toFixed(2)}`],
  ].flat();
  return parts.length === 0 ? null : parts.join(', ');
}

export function approvalText({ approvedBy }: Landed): string {
  if (approvedBy === null) return 'approved by nobody on record';
  return approvedBy === 'person' ? 'approved by a person' : 'approved by policy (--auto-approve)';
}

export function checksText(verdict: Landed['checks']): string {
  return verdict === 'none' ? 'no checks' : `checks ${verdict}`;
}

export function stateText({ state }: Waiting): string {
  switch (state) {
    case 'set-aside':
      return 'set aside: red in the merge';
    case 'conflict':
      return 'in conflict';
    case 'changes-requested':
      return 'changes requested, not yet worked on';
    case 'stale':
      return 'stale: what it stands on has changed';
    case 'approved':
      return 'approved, not yet merged';
    case 'salvaged':
      return 'salvaged from an attempt that failed';
    default:
      return 'to review';
  }
}

export function alarmText(alarm: CheckAlarm): string {
  const end = alarm.exitCode === 0 ? 'flaky: failed, then passed' : `red (exit ${alarm.exitCode})`;
  return alarm.isElsewhere ? `${end}, in a merge or on an earlier result` : end;
}

export function failureText(failure: Failure): string {
  const open = failure.open.items.length + failure.open.leftOut;
  const tasks = [
    open === 0 ? [] : [`${count(open, 'task')} still open`],
    failure.settled === 0 ? [] : [`${count(failure.settled, 'task')} done since, or queued again`],
  ].flat();
  return [count(failure.attempts, 'attempt'), ...tasks].join(', ');
}

export function leftOutText(leftOut: number, noun = 'more'): string | null {
  return leftOut === 0 ? null : `and ${leftOut} ${noun}, not shown`;
}
