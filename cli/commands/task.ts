/** `task`: everything about one task, and what to type next. */

import { revealLine, sanitise, sanitiseLine } from '../../src/sanitise.ts';
import type { AttemptRecord, PatchRecord, TaskRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import { conflictLine } from '../conflicts.ts';
import type { Context } from '../context.ts';
import { someState } from '../find.ts';
import { liveRun } from '../live-run.ts';
import { checkLinesWithOutput, verdictText } from '../render/checks.ts';
import { eventLine } from '../render/event-line.ts';
import { attemptJson, taskJsonOf } from '../render/json.ts';
import { age, clock, colourOfTask, coloursOf, cost, flagLines, patchReason, sizeOf, tableOf } from '../render/text.ts';
import { roleText } from '../role-of.ts';

export async function task(context: Context, typed: string): Promise<number> {
  const state = someState(await context.readState(), typed);
  const record = state.task(state.resolveTask(typed));
  const { description, files, size } = record;
  const attempts = state.attemptsOf(record.id);
  const json = taskJsonOf(state, record, liveRun(state) !== null);
  if (context.json) {
    context.printJson({ ...json, description, files, size, attempts: attempts.map(attemptJson) });
    return 0;
  }
  const colours = coloursOf(context.colour);
  const patch = state.patchOf(record.id);
  const facts = [
    [
      'state',
      colourOfTask(colours, record.state)(record.state) + (json.reason === null ? '' : ` (${revealLine(json.reason)})`),
    ],
    ['agent', roleText(record)],
    ['priority', record.priority],
    ['phase', String(record.phase)],
    ['size', size],
    ['files', files.map(revealLine).join(', ') || '-'],
    ['depends on', record.dependsOn.join(', ') || '-'],
    ['cost', cost(json.usage)],
    ['denied', deniedText(attempts)],
    ['notes', notesText(state, attempts)],
    ['conflicts', conflictsText(state, attempts)],
  ];
  const timeline = state
    .eventsOf(record.id)
    .map((event) => {
      const line = eventLine(event);
      return line === null ? '' : `  ${event.at.slice(0, 10)} ${clock(event.at)} ${line}\n`;
    })
    .join('');
  const sections = [
    `${colours.bold(record.id)}  ${sanitiseLine(record.title)}\n`,
    await tableOf(facts.map(([name = '', value = '']) => [`  ${name}`, value])),
    section('Description', indent(sanitise(description))),
    section('Attempts', attempts.map(attemptLine).join('')),
    section('Timeline', timeline),
    section('Patch', patch === null ? '' : patchText(patch)),
    section('Checks', patch === null ? '' : await checkLinesWithOutput(patch.checks, state.directory)),
    section(
      'Next',
      nextCommands(record, patch)
        .map((command) => `  ${command}\n`)
        .join(''),
    ),
  ];
  context.print(sections.filter((text) => text !== '').join('\n'));
  return 0;
}

/** Hosts that were refused, and the flags that would have let the agent reach them. */
function deniedText(attempts: readonly AttemptRecord[]): string {
  const hosts = [...new Set(attempts.flatMap((attempt) => attempt.egressDenied))];
  if (hosts.length === 0) return '-';
  const flags = hosts.map((host) => `--allow ${host.replace(/:443$/, '')}`).join(' ');
  return revealLine(`${hosts.join(', ')} (to let it: --network allowlist ${flags})`);
}

/** How many it left for others, and how to see them. */
function notesText(state: State, attempts: readonly AttemptRecord[]): string {
  const count = attempts.reduce((sum, { id }) => sum + state.countNotes(id), 0);
  return count === 0 ? '-' : `${count} (orchestrate note list --task ${attempts[0]?.task})`;
}

/** What the patch, or what its agent at work has so far, will not merge with. */
function conflictsText(state: State, attempts: readonly AttemptRecord[]): string {
  const own = new Set(attempts.map(({ id }) => id));
  const found = state.conflicts().filter(({ left, right }) => own.has(left) || own.has(right));
  return found.map(conflictLine).join('; ') || '-';
}

function section(title: string, body: string): string {
  return body === '' ? '' : `${title}:\n${body}`;
}

function indent(text: string): string {
  return `${text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`.trimEnd())
    .join('\n')}\n`;
}

function attemptLine(attempt: AttemptRecord): string {
  const length =
    attempt.startedAt === null || attempt.endedAt === null
      ? null
      : Date.parse(attempt.endedAt) - Date.parse(attempt.startedAt);
  const parts = [
    attempt.id,
    attempt.outcome ?? attempt.state,
    `on ${sanitiseLine(attempt.host)}`,
    `engine ${sanitiseLine(attempt.engine)}`,
    attempt.exitCode === null ? null : `exit ${attempt.exitCode}`,
    length === null ? null : age(length),
    attempt.reason === null ? null : revealLine(attempt.reason),
  ];
  const summary = attempt.summary === null ? '' : indent(indent(sanitise(attempt.summary)));
  return `  ${parts.filter((part) => part !== null).join(', ')}\n${summary}`;
}

function patchText(patch: PatchRecord): string {
  const reason = patch.reason === null ? '' : ` (${patchReason(patch)})`;
  const merged =
    patch.mergedAs === null
      ? ''
      : `  merged as ${patch.mergedAs.slice(0, 12)} into ${revealLine(patch.mergedInto ?? 'a detached HEAD')}\n`;
  const amended = patch.original === null ? '' : ', amended';
  return `  ${patch.id}, ${patch.state}${reason}, ${sizeOf(patch.size)}, checks ${verdictText(patch)}${amended}\n${merged}${flagLines(patch.flags)}`;
}

/** What a person would most likely type next; empty where nothing is left to do. */
export function nextCommands(record: TaskRecord, patch: PatchRecord | null): string[] {
  if (record.state === 'queued') return ['orchestrate run'];
  if (record.state === 'running') return [`orchestrate logs -f ${record.id}`];
  if (record.state === 'blocked') return record.dependsOn.map((id) => `orchestrate task ${id}`);
  const retry = `orchestrate retry ${record.id}`;
  if (record.state === 'failed' || record.state === 'cancelled') {
    const logs = record.attempts === 0 ? [] : [`orchestrate logs ${record.id}`];
    const salvaged =
      patch?.state === 'salvaged' ? [`orchestrate patch show ${patch.id}`, `${retry} --from-salvage`] : [];
    return [...logs, ...salvaged, retry];
  }
  if (patch === null) return record.attempts === 0 ? [] : [`orchestrate logs ${record.id}`];
  if (patch.state === 'pending') return [`orchestrate review ${patch.id}`, `orchestrate patch approve ${patch.id}`];
  if (patch.state === 'approved') return ['orchestrate merge'];
  if (patch.state === 'stale' || patch.state === 'rejected') return [retry];
  return [];
}
