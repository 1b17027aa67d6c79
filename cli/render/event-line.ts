/** An event of a run as one line for people, without the time. */

import type { OrchestrateEvent } from '../../src/events.ts';
import { revealLine, sanitiseLine } from '../../src/sanitise.ts';
import { changesReason } from '../../src/state/changes-reason.ts';
import { readyLines } from './ready.ts';
import { age, count, sizeOf } from './text.ts';

/** Null for events that are no news to a person (usage, output, tool calls). What has more to say has lines below, indented. */
export function eventLine(event: OrchestrateEvent): string | null {
  switch (event.type) {
    case 'run.started':
      return `run ${event.run}  ${count(event.tasks, 'task')}, isolation ${event.isolation}, base ${event.base.slice(0, 12)}`;
    case 'run.ready':
      return readyLines(event).join('\n');
    case 'task.started':
      return `${event.task}  started (attempt ${numberOf(event.attempt)}, ${sanitiseLine(event.agent)}, ${sanitiseLine(event.host)}): ${sanitiseLine(event.title)}`;
    case 'task.paused':
      return `${event.task}  paused: ${sanitiseLine(event.reason)}`;
    case 'task.resumed':
      return `${event.task}  goes on`;
    case 'task.blocked':
      return `${event.task}  blocked: ${revealLine(event.reason)}`;
    case 'task.ended':
      return `${event.task}  ${endOf(event)} after ${age(event.durationMs)}${event.reason === null ? '' : `: ${revealLine(event.reason)}`}`;
    case 'patch.created':
      return `${event.task}  patch ${event.patch}: ${sizeOf(event)}${event.salvaged ? ', salvaged' : ''}${flagsOf(event.flags)}`;
    case 'changes.requested':
      return `${event.task}  of ${event.attempt}, ${revealLine(changesReason(event.message))}`;
    case 'check.ended':
      return `${event.task}  check ${event.exitCode === 0 ? `passed${event.flaky ? ' the second time (flaky)' : ''}` : `failed (${event.exitCode})`} after ${age(event.durationMs)}: ${revealLine(event.command)}`;
    case 'patch.approved':
      return `${event.task}  patch ${event.patch} approved by policy`;
    case 'merge.ended':
      return mergeOf(event);
    case 'egress.denied':
      return `${event.task}  refused to reach ${revealLine(event.host)}: ${sanitiseLine(event.reason)}`;
    case 'run.paused':
      return event.cause === 'reviews'
        ? `nothing goes on meanwhile, ${revealLine(event.reason)}: orchestrate review (in another terminal)`
        : `starts nothing more meanwhile: ${revealLine(event.reason)}`;
    case 'run.resumed':
      return 'starts tasks again';
    case 'run.stopping':
      return `starts nothing more: ${revealLine(event.reason)}`;
    case 'warning':
      return `${event.task === undefined ? '' : `${event.task}  `}warning: ${revealLine(event.message)}`;
    case 'run.ended':
      return `run ${event.run}  ended: ${event.succeeded} succeeded, ${event.failed} failed, ${event.blocked} blocked${event.reason === null ? '' : ` (${sanitiseLine(event.reason)})`}`;
    case 'agent.output':
    case 'agent.tool':
    case 'usage':
      return null;
  }
}

function endOf(event: OrchestrateEvent & { readonly type: 'task.ended' }): string {
  const name = event.outcome === 'no-changes' ? 'succeeded without changes' : event.outcome;
  return event.status === 'queued' ? `${name}, queued again` : name;
}

function mergeOf(event: OrchestrateEvent & { readonly type: 'merge.ended' }): string {
  const parts = [
    ...(event.merged.length === 0 ? [] : [`merged into ${revealLine(event.target)}: ${event.merged.join(', ')}`]),
    ...event.setAside.map(({ id, reason }) => `set aside: ${id} (${revealLine(reason)})`),
    ...event.conflicts.map(({ id, with: other }) => `in conflict: ${id} with ${revealLine(other)}`),
  ];
  return parts.join('; ');
}

function numberOf(attempt: string): string {
  return attempt.slice(attempt.lastIndexOf('.') + 1);
}

function flagsOf(flags: readonly { readonly code: string }[]): string {
  return flags.length === 0 ? '' : `, look at: ${[...new Set(flags.map((flag) => flag.code))].join(', ')}`;
}
