/** What follows from a plan, worked out once for each of its revisions. */

import { type Estimate, estimateOf } from '../../src/plan/estimate.ts';
import { problemsOf } from '../../src/plan/graph.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { sanitiseLine } from '../../src/sanitise.ts';
import type { Price } from '../../src/types.ts';
import { estimateLines } from './estimate-lines.ts';
import { phasesInOrder } from './phases-text.ts';

type Problem = ReturnType<typeof problemsOf>[number];
export type Severity = Problem['severity'];

export class Figures {
  readonly problems: readonly Problem[];
  readonly errors: readonly string[];
  readonly phases: readonly (readonly string[])[];
  readonly #plan: Plan;
  readonly #price: Price | null;
  readonly #places: ReadonlyMap<string, number>;
  readonly #severities = new Map<string, Severity>();
  #estimate: Estimate | null = null;

  constructor(plan: Plan, roles: readonly string[], price: Price | null) {
    this.#plan = plan;
    this.#price = price;
    this.#places = new Map(plan.tasks.map((task, index) => [task.key, index]));
    this.problems = problemsOf(plan, roles);
    this.errors = this.problems.filter((one) => one.severity === 'error').map(({ text }) => text);
    this.phases = phasesInOrder(plan);
    for (const { keys, severity } of this.problems) {
      for (const key of keys) if (this.#severities.get(key) !== 'error') this.#severities.set(key, severity);
    }
  }

  get estimate(): readonly string[] {
    this.#estimate ??= estimateOf(this.#plan, this.#price);
    return estimateLines(this.#estimate);
  }

  /** Its number in the list, from 1; null: it is none of the plan's tasks. */
  numberOf(key: string): number | null {
    const place = this.#places.get(key);
    return place === undefined ? null : place + 1;
  }

  titleOf(key: string): string {
    return sanitiseLine(this.#plan.tasks[this.#places.get(key) ?? -1]?.title ?? key);
  }

  /** The worst that is said of a task. */
  severityOf(key: string): Severity | null {
    return this.#severities.get(key) ?? null;
  }

  problemsWith(key: string): readonly Problem[] {
    return this.problems.filter(({ keys }) => keys.includes(key));
  }
}
