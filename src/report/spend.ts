/** What was spent: by task, role, engine and over time. What has no known price is never counted as free. Pure. */

import type { AttemptRecord, TaskSummary } from '../state/records.ts';
import { type TaskId, tokensOf, type Usage } from '../types.ts';
import { type Listed, listed, oneLine } from './words.ts';

export interface Spend {
  readonly tokens: number;
  /** Dollars of what has a known price. */
  readonly usd: number;
  /** Tokens whose price is not known: `usd` is too little by theirs. */
  readonly unpricedTokens: number;
}

export interface NamedSpend extends Spend {
  readonly name: string;
  readonly attempts: number;
}

export interface SpentInTime extends Spend {
  /** ISO 8601, UTC: from here for `stepMs`. */
  readonly from: string;
}

export interface Spending {
  readonly total: Spend;
  /** The most expensive first; tasks that used nothing are left out. */
  readonly byTask: Listed<NamedSpend>;
  readonly byRole: Listed<NamedSpend>;
  readonly byEngine: Listed<NamedSpend>;
  /** By when the attempts ended (those under way: now), because more is not known. */
  readonly overTime: readonly SpentInTime[];
  readonly stepMs: number;
}

const NOTHING: Spend = { tokens: 0, usd: 0, unpricedTokens: 0 };
const MOST_TASKS = 30;
const MOST_NAMES = 12;
const MOST_STEPS = 24;
const MINUTE_MS = 60_000;
const STEPS_MS = [1, 5, 15, 30, 60, 120, 360, 720, 1440, 10_080].map((minutes) => minutes * MINUTE_MS);

/** `span`: of the night, milliseconds since the epoch. */
export function spendingOf(
  attempts: readonly AttemptRecord[],
  tasks: ReadonlyMap<TaskId, TaskSummary>,
  span: { readonly from: number; readonly to: number },
): Spending {
  const length = Math.max(1, span.to - span.from);
  const stepMs = STEPS_MS.find((step) => length / step <= MOST_STEPS) ?? Math.ceil(length / MOST_STEPS);
  const steps: Spend[] = Array.from({ length: Math.max(1, Math.ceil(length / stepMs)) }, () => NOTHING);
  for (const attempt of attempts) {
    const at = attempt.endedAt === null ? span.to : Date.parse(attempt.endedAt);
    const step = Math.min(steps.length - 1, Math.max(0, Math.floor((at - span.from) / stepMs)));
    steps[step] = plus(steps[step] ?? NOTHING, spendOf(attempt.usage));
  }
  const by = (nameOf: (attempt: AttemptRecord) => string, most: number): Listed<NamedSpend> =>
    listed(grouped(attempts, nameOf), most);
  return {
    total: attempts.map(({ usage }) => spendOf(usage)).reduce(plus, NOTHING),
    byTask: by(({ task }) => task, MOST_TASKS),
    byRole: by(({ task }) => oneLine(tasks.get(task)?.agent ?? 'unknown', 60), MOST_NAMES),
    byEngine: by(({ engine }) => oneLine(engine, 60), MOST_NAMES),
    overTime: steps.map((spend, step) => ({ from: new Date(span.from + step * stepMs).toISOString(), ...spend })),
    stepMs,
  };
}

export function spendOf(usage: Usage): Spend {
  const tokens = tokensOf(usage);
  return { tokens, usd: usage.usd ?? 0, unpricedTokens: usage.usd === null ? tokens : 0 };
}

export function plus(a: Spend, b: Spend): Spend {
  return {
    tokens: a.tokens + b.tokens,
    usd: a.usd + b.usd,
    unpricedTokens: a.unpricedTokens + b.unpricedTokens,
  };
}

function grouped(attempts: readonly AttemptRecord[], nameOf: (attempt: AttemptRecord) => string): NamedSpend[] {
  const groups = new Map<string, NamedSpend>();
  for (const attempt of attempts) {
    const name = nameOf(attempt);
    const group = groups.get(name) ?? { name, attempts: 0, ...NOTHING };
    groups.set(name, { name, attempts: group.attempts + 1, ...plus(group, spendOf(attempt.usage)) });
  }
  const used = [...groups.values()].filter(({ tokens, usd }) => tokens > 0 || usd > 0);
  return used.sort((a, b) => b.usd - a.usd || b.tokens - a.tokens);
}
