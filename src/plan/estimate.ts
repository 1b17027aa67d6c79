/** What a plan will roughly take. Pure. */

import type { Price, TaskSize } from '../types.ts';
import { criticalPath, planPhases } from './graph.ts';
import type { Plan } from './plan.ts';

export interface Estimate {
  readonly tasks: number;
  readonly phases: number;
  /** As many tasks can be at work at once. */
  readonly parallel: number;
  /** Keys of the tasks that the whole cannot be quicker than. */
  readonly longest: readonly string[];
  /** Null where no model is asked or its price is not known. */
  readonly usd: { readonly low: number; readonly high: number } | null;
}

interface Tokens {
  readonly input: number;
  readonly cacheRead: number;
  readonly output: number;
}

/**
 * Rough tokens of one task. An agent's conversation is read again with each of its turns, mostly from the cache: 10 to 30 turns
 * over 20,000 tokens for a small task, 150 over 100,000 for a large one that goes badly.
 */
const TOKENS: Readonly<Record<TaskSize, { readonly low: Tokens; readonly high: Tokens }>> = {
  small: {
    low: { input: 30_000, cacheRead: 200_000, output: 4_000 },
    high: { input: 90_000, cacheRead: 900_000, output: 16_000 },
  },
  medium: {
    low: { input: 80_000, cacheRead: 900_000, output: 12_000 },
    high: { input: 300_000, cacheRead: 5_000_000, output: 60_000 },
  },
  large: {
    low: { input: 200_000, cacheRead: 4_000_000, output: 40_000 },
    high: { input: 900_000, cacheRead: 15_000_000, output: 160_000 },
  },
};

/** @param price of the model that will do the work; null: unknown, or there is none */
export function estimateOf(plan: Plan, price: Price | null): Estimate {
  const phases = planPhases(plan);
  const widths = new Map<number, number>();
  for (const phase of phases.values()) widths.set(phase, (widths.get(phase) ?? 0) + 1);
  return {
    tasks: plan.tasks.length,
    phases: Math.max(0, ...widths.keys()),
    parallel: Math.max(0, ...widths.values()),
    longest: criticalPath(plan),
    usd: price === null ? null : roughCost(plan.tasks, price),
  };
}

/** Dollars of tasks of these sizes, if none has to be done again. */
export function roughCost(
  tasks: readonly { readonly size: TaskSize }[],
  price: Price,
): { readonly low: number; readonly high: number } {
  return { low: cost(tasks, price, 'low'), high: cost(tasks, price, 'high') };
}

function cost(tasks: readonly { readonly size: TaskSize }[], price: Price, end: 'low' | 'high'): number {
  const dollars = tasks.reduce((sum, { size }) => {
    const { input, cacheRead, output } = TOKENS[size][end];
    // What is new goes into the cache as well.
    return sum + input * price.cacheWrite + cacheRead * price.cacheRead + output * price.output;
  }, 0);
  return Math.round(dollars / 10_000) / 100;
}
