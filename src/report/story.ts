/**
 * The report as sections of lines, the same for each output: what a person needs first stands first. Outputs only draw, and
 * escape, what is here.
 */

import type { BaseCheck } from '../events.ts';
import type { CheckAlarm } from '../state/history.ts';
import type { Failure } from './failures.ts';
import type { Before, Landed, Report, RunFigures } from './figures.ts';
import * as say from './phrases.ts';
import type { Bar } from './picture.ts';
import type { NamedSpend } from './spend.ts';
import type { Waiting } from './waiting.ts';
import type { Hold, Mark } from './whole-run.ts';
import { type Listed, listed } from './words.ts';

/** A piece of a line: our own words, text of others, or what is typed or an id. */
export type Span = string | { readonly others: string } | { readonly code: string };

export type Tone = 'good' | 'bad' | 'warning' | 'plain';

export interface Entry {
  readonly tone: Tone;
  readonly head: readonly Span[];
  readonly details: readonly (readonly Span[])[];
  /** What agents printed, line by line. */
  readonly output: readonly string[];
  /** What to type. */
  readonly commands: readonly string[];
}

export interface Section {
  /** For links within the page: `[a-z-]`. */
  readonly id: string;
  readonly title: string;
  /** What it says where it has no entries. */
  readonly empty: string;
  readonly entries: readonly Entry[];
  /** How many entries are not shown. */
  readonly leftOut: number;
  /** Drawn above the entries. */
  readonly drawing: 'picture' | 'spending' | null;
}

export interface Story {
  readonly title: string;
  readonly headline: string;
  readonly period: string;
  readonly sections: readonly Section[];
}

export function storyOf(report: Report): Story {
  const { spending } = report;
  return {
    title: 'Report of the agents’ work',
    headline: say.headline(report),
    period: say.periodText(report),
    sections: [
      section('waiting', 'What waits for you', 'Nothing waits for you.', report.waiting, waitingEntry),
      section('failed', 'What failed', 'Nothing failed.', report.failed, failureEntry),
      section('blocked', 'What is blocked', 'Nothing is blocked.', report.stuck, (stuck) =>
        entry('warning', [{ code: stuck.task }, ' ', { others: stuck.title }], {
          details: stuck.reason === null ? [] : [[{ others: stuck.reason }]],
          commands: [stuck.command],
        }),
      ),
      section('landed', 'What landed', 'Nothing landed.', report.landed, landedEntry),
      { ...section('night', 'The night', 'No agent worked.', nightEntries(report), asItIs), drawing: 'picture' },
      section('checks', 'Checks', checksSummary(report), checkEntries(report), asItIs),
      section('forecast', 'Results that will not merge with each other', 'None is known.', report.conflicts, (pair) =>
        entry('warning', [{ code: pair.left }, ' and ', { code: pair.right }], {
          details: [pathsOf(pair.paths)],
        }),
      ),
      section('network', 'Refused on the network', 'Nothing was refused.', report.denied, (denied) =>
        entry('warning', [{ others: denied.host }, `, ${say.count(denied.attempts, 'attempt')}`], {
          details: denied.reason === null ? [] : [['reason: ', { others: denied.reason }]],
          commands: denied.allowWith === null ? [] : [`orchestrate run ${denied.allowWith}`],
        }),
      ),
      {
        ...section('cost', 'Cost and tokens', 'No model was used, as far as is known.', costsOf(report), costEntry),
        drawing: spending.total.tokens > 0 || spending.total.usd > 0 ? 'spending' : null,
      },
      section('runs', 'Runs', 'No run was at work.', report.runs, runEntry),
      section('warnings', 'Warnings', 'There was none.', report.warnings, (text) => entry('plain', [{ others: text }])),
      section('disk', 'Disk', '', diskEntries(report), asItIs),
    ],
  };
}

function section<T>(id: string, title: string, empty: string, list: Listed<T>, draw: (item: T) => Entry): Section {
  return { id, title, empty, entries: list.items.map(draw), leftOut: list.leftOut, drawing: null };
}

function entry(tone: Tone, head: readonly Span[], more: Partial<Omit<Entry, 'tone' | 'head'>> = {}): Entry {
  return { tone, head, details: [], output: [], commands: [], ...more };
}

function asItIs(drawn: Entry): Entry {
  return drawn;
}

function waitingEntry(waiting: Waiting): Entry {
  const { flags, conflictsWith } = waiting;
  const facts = `${say.stateText(waiting)}; ${say.sizeText(waiting.size)}; ${say.checksText(waiting.checks)}`;
  const details: Span[][] = [[facts]];
  for (const { code, path, detail } of flags.items) {
    details.push(['look at: ', code, ' ', { others: path }, ', ', { others: detail }]);
  }
  const more = say.leftOutText(flags.leftOut, 'more to look at');
  if (more !== null) details.push([more]);
  if (waiting.reason !== null) details.push(['reason: ', { others: waiting.reason }]);
  if (conflictsWith.items.length > 0) details.push(['does not merge with ', ...namesOf(conflictsWith)]);
  return entry(toneOf(waiting), [{ code: waiting.patch }, ' ', { others: waiting.title }], {
    details,
    commands: [waiting.command],
  });
}

function toneOf({ state, flags, checks }: Waiting): Tone {
  if (state === 'conflict' || state === 'set-aside' || checks === 'failed') return 'bad';
  return flags.items.length > 0 || state === 'stale' || state === 'salvaged' ? 'warning' : 'plain';
}

function failureEntry(failure: Failure): Entry {
  const { open, hosts } = failure;
  const reason: Span[] = failure.reason === null ? [] : [': ', { others: failure.reason }];
  const details: Span[][] = [
    [say.failureText(failure), ...(hosts.items.length === 0 ? [] : [', on ', ...namesOf(hosts)])],
  ];
  if (open.items.length > 0) details.push(['still open: ', ...namesOf(open)]);
  if (failure.lastLines.length > 0) details.push(['the last lines of ', { code: failure.example }, ':']);
  const fault: Span[] = failure.fault === null ? [] : [' ', { code: failure.fault }];
  return entry(open.items.length > 0 ? 'bad' : 'plain', [failure.outcome, ...fault, ...reason], {
    details,
    output: failure.lastLines,
    commands: failure.commands,
  });
}

function landedEntry(landed: Landed): Entry {
  const as: Span[] = landed.commit === null ? ['merged'] : ['commit ', { code: landed.commit.slice(0, 12) }];
  const into: Span[] = landed.branch === null ? [' on a detached HEAD'] : [' on ', { others: landed.branch }];
  return entry('good', [{ code: landed.task }, ' ', { others: landed.title }], {
    details: [[...as, ...into, `; ${say.approvalText(landed)}; ${say.checksText(landed.checks)}`]],
  });
}

function checksSummary({ checks: { passed, red, flaky } }: Report): string {
  if (passed + red === 0) return 'No check was done.';
  return `${passed} passed${flaky === 0 ? '' : ` (${flaky} of them flaky)`}, ${red} red.`;
}

function alarmEntry(alarm: CheckAlarm): Entry {
  return entry(alarm.exitCode === 0 ? 'warning' : 'bad', [{ code: alarm.patch }, ' ', { others: alarm.command }], {
    details: [[say.alarmText(alarm)], ...(alarm.log === null ? [] : [['its output: ', { code: alarm.log }]])],
  });
}

/** The base's own red checks first: what is red on it is red on all that is made of it. */
function checkEntries({ checks: { alarms }, runs }: Report): Listed<Entry> {
  const ofBase = runs.items.flatMap(
    ({ before }) => before?.checks.items.filter(({ exitCode }) => exitCode !== 0) ?? [],
  );
  return {
    items: [...ofBase.map(redBaseEntry), ...alarms.items.map(alarmEntry)],
    leftOut: alarms.leftOut,
  };
}

function redBaseEntry({ command, exitCode, log }: BaseCheck): Entry {
  return entry('bad', ['RED on the base: ', { others: command }], {
    details: [
      [`red (exit ${exitCode}) before any agent began, which was allowed (--allow-red-base)`],
      ...(log === null ? [] : [['its output: ', { code: log }]]),
    ],
  });
}

/** What the picture shows, in words. */
function nightEntries({ attempts, picture }: Report): Listed<Entry> {
  const outcomes = Object.entries(attempts).map(([outcome, n]) => `${n} ${outcome}`);
  const bars = picture.lanes.flat();
  const retries = bars.filter(({ n }) => n > 1).length;
  const paused = bars.filter(({ pauses }) => pauses.length > 0).length;
  const notes = [
    outcomes.length === 0 ? [] : [`Attempts: ${outcomes.join(', ')}.`],
    retries === 0 ? [] : [`${say.count(retries, 'retry', 'retries')} shown.`],
    paused === 0
      ? []
      : [`${say.count(paused, 'attempt')} shown ${paused === 1 ? 'was' : 'were'} held still for a while.`],
    picture.neverStarted === 0 ? [] : [`${say.count(picture.neverStarted, 'attempt')} ended before the agent began.`],
    picture.leftOut === 0 ? [] : [`${say.count(picture.leftOut, 'attempt')} left out of the picture.`],
    picture.holdsLeftOut === 0 ? [] : [`Nothing was started ${picture.holdsLeftOut} times more, not shown.`],
  ].flat();
  const lost = lostEntry(bars);
  const where = hostsEntry(bars);
  const happened = [
    ...picture.holds.map((hold) => ({ at: hold.from, entry: holdEntry(hold) })),
    ...picture.marks.map((mark) => ({ at: mark.at, entry: markEntry(mark) })),
  ].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  return {
    items: [
      ...notes.map((note) => entry('plain', [note])),
      ...(where === null ? [] : [where]),
      ...(lost === null ? [] : [lost]),
      ...happened.map((one) => one.entry),
    ],
    leftOut: 0,
  };
}

const MOST_HOSTS = 12;

/** Null: all on one host. */
function hostsEntry(bars: readonly Bar[]): Entry | null {
  const counts = new Map<string, number>();
  for (const { host } of bars) if (host !== null) counts.set(host, (counts.get(host) ?? 0) + 1);
  if (counts.size === 0) return null;
  const { items, leftOut } = listed([...counts], MOST_HOSTS);
  const named = items.flatMap(([host, n], at): Span[] => [at === 0 ? '' : ', ', `${n} on `, { code: host }]);
  const more = say.leftOutText(leftOut, 'hosts more');
  return entry('plain', ['Shown attempts by host: ', ...named, more === null ? '.' : ` ${more}.`]);
}

/** Attempts that the agents are not to blame for. */
function lostEntry(bars: readonly Bar[]): Entry | null {
  const faults = new Map<string, number>();
  for (const { fault } of bars) if (fault !== null) faults.set(fault, (faults.get(fault) ?? 0) + 1);
  if (faults.size === 0) return null;
  const lost = bars.filter(({ fault }) => fault !== null);
  const again = lost.filter((bar) => bars.some(({ task, n }) => task === bar.task && n > bar.n)).length;
  const named = [...faults].flatMap(([fault, n], at): Span[] => [at === 0 ? ': ' : ', ', `${n} × `, { code: fault }]);
  return entry('warning', [
    `${say.count(lost.length, 'attempt')} shown ended by trouble around the agent`,
    ...named,
    `; ${again} of them tried again.`,
  ]);
}

function holdEntry(hold: Hold): Entry {
  return entry('warning', [`Nothing was started ${say.holdText(hold)}: `, { others: hold.reason }]);
}

function markEntry({ at, what, reason }: Mark): Entry {
  const why: Span[] = reason === null ? [] : [': ', { others: reason }];
  return entry(what === 'run' ? 'plain' : 'warning', [`${say.clockText(at)} ${say.markText({ what })}`, ...why]);
}

function diskEntries({ disk: { transcripts, checkLogs, state }, runs }: Report): Listed<Entry> {
  const [newest] = runs.items;
  const atEnd = newest?.diskAtEnd ?? null;
  const before = newest?.before?.freeBytes ?? null;
  const since = before === null ? '' : `, ${say.bytesText(before)} before its first agent`;
  const ofEngine =
    atEnd === null
      ? []
      : [
          entry(atEnd.freeBytes < atEnd.totalBytes / 10 ? 'warning' : 'plain', [
            `the Docker engine's disk: ${say.bytesText(atEnd.freeBytes)} free of ${say.bytesText(atEnd.totalBytes)} `,
            `when the newest run ended${since}; what of it is ours: `,
            { code: 'orchestrate cleanup --dry-run' },
          ]),
        ];
  const kept = entry('plain', [
    `kept in the repository's own folder: transcripts ${say.bytesText(transcripts)}, `,
    `output of checks ${say.bytesText(checkLogs)}, state ${say.bytesText(state)}`,
  ]);
  return { items: [...ofEngine, kept], leftOut: 0 };
}

type Cost = NamedSpend & { readonly of: string };

function costsOf({ spending }: Report): Listed<Cost> {
  const { byRole, byEngine, byTask } = spending;
  const of = (kind: string, { items }: Listed<NamedSpend>): Cost[] => items.map((one) => ({ ...one, of: kind }));
  return {
    items: [...of('engine', byEngine), ...of('role', byRole), ...of('task', byTask)],
    leftOut: byRole.leftOut + byEngine.leftOut + byTask.leftOut,
  };
}

function costEntry(cost: Cost): Entry {
  const name: Span = cost.of === 'task' ? { code: cost.name } : { others: cost.name };
  const what = `: ${say.spendText(cost)}, ${say.tokensText(cost.tokens)}, ${say.count(cost.attempts, 'attempt')}`;
  return entry('plain', [`${cost.of} `, name, what]);
}

function runEntry(run: RunFigures): Entry {
  const isolation: Span = run.isolation === null ? 'unknown' : { others: run.isolation };
  const end =
    run.endedAt === null ? '' : ` to ${say.timeText(run.endedAt)} (${say.lengthText(run.startedAt, run.endedAt)})`;
  return entry(run.state === 'cut-off' ? 'bad' : 'plain', [{ code: run.id }, ` ${say.timeText(run.startedAt)}${end}`], {
    details: [
      run.reason === null ? [say.runEndText(run)] : ['ended: ', { others: run.reason }],
      ['isolation ', isolation, ', base ', { code: run.base.slice(0, 12) }],
      [`${say.runBoundsText(run)}; spent in this time: ${say.spendText(run.spent)}`],
      ...(run.before === null ? [] : [beforeDetail(run.before)]),
    ],
  });
}

/** Which checks are red on the base is told with the checks. */
function beforeDetail({ checks, cost }: Before): Span[] {
  const of = (isOne: (check: BaseCheck) => boolean): number => checks.items.filter(isOne).length;
  const red = of(({ exitCode }) => exitCode !== 0);
  const flaky = of((check) => check.flaky);
  const passed = checks.items.length + checks.leftOut - red;
  const tried =
    passed + red === 0
      ? 'no check was tried on the base'
      : `${passed} of ${say.count(passed + red, 'check')} passed on the base${flaky === 0 ? '' : ` (${flaky} flaky)`}`;
  const expected = cost === null ? null : say.estimateText(cost);
  return [
    `before it started: ${tried}${red === 0 ? '' : `, ${red} RED and allowed`}${expected === null ? '' : `; ${expected}`}`,
  ];
}

function pathsOf(paths: Listed<string>): Span[] {
  const more = say.leftOutText(paths.leftOut);
  const spans = paths.items.flatMap((path, at): Span[] => [at === 0 ? '' : ', ', { others: path }]);
  return more === null ? spans : [...spans, ` ${more}`];
}

function namesOf(names: Listed<string>): Span[] {
  const more = say.leftOutText(names.leftOut);
  const spans = names.items.flatMap((name, at): Span[] => [at === 0 ? '' : ', ', { code: name }]);
  return more === null ? spans : [...spans, ` ${more}`];
}
