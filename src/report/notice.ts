/**
 * What a webhook is told, as JSON that Slack's incoming webhooks and their like take as it is: they show `text`, and people's
 * programs read the rest. Nothing of what agents or checks wrote is in it. Pure.
 */

import type { RunId } from '../types.ts';
import { count } from './phrases.ts';
import { oneLine } from './words.ts';

export interface Notice {
  readonly event: 'run.ended' | 'needs-you';
  /** Name of the repository's folder. */
  readonly repository: string;
  /** Null: none could begin. */
  readonly run: RunId | null;
  readonly counts: NoticeCounts;
  /** Why it ended before its queue did, or what it needs; null: the queue is empty. */
  readonly reason: string | null;
  /** What to type. */
  readonly next: string;
}

/** Tasks by state, and patches that wait for a person. */
export interface NoticeCounts {
  readonly queued: number;
  readonly blocked: number;
  readonly running: number;
  readonly paused: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly patchesPending: number;
}

const LONGEST = { repository: 80, reason: 400 } as const;

export function noticeBody(notice: Notice): string {
  const { event, run, counts, next } = notice;
  const repository = oneLine(notice.repository, LONGEST.repository);
  const reason = notice.reason === null ? null : oneLine(notice.reason, LONGEST.reason);
  const text = forSlack(textOf({ ...notice, repository, reason }));
  return JSON.stringify({ text, event, repository, run, counts, reason, next });
}

function textOf({ event, repository, counts, reason, next }: Notice): string {
  const what = event === 'run.ended' ? 'the run has ended' : 'the run needs you';
  const why = reason === null ? '' : `: ${reason}`;
  return `${repository}: ${what}${why}. ${countsText(counts)}. Next: ${next}`;
}

function countsText({ queued, running, paused, blocked, succeeded, failed, patchesPending }: NoticeCounts): string {
  const tasks = [`${count(succeeded, 'task')} succeeded`, `${failed} failed`];
  if (blocked > 0) tasks.push(`${blocked} blocked`);
  if (running + paused > 0) tasks.push(`${running + paused} at work`);
  if (queued > 0) tasks.push(`${queued} queued`);
  return `${tasks.join(', ')}; ${count(patchesPending, 'patch', 'patches')} to review`;
}

/** In Slack's text these three alone begin something: a link, a mention, an entity. */
function forSlack(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
