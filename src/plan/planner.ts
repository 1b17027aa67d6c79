/**
 * PORT: who turns a goal into a plan, talks about it and splits its tasks. A planner only gives data; whoever calls it checks
 * that with graph.ts, since a model may say anything. Calls of one planner do not overlap. Aborted, they reject with the
 * signal's reason.
 */

import type { RepositoryMap } from './map.ts';
import type { Plan, PlanTask } from './plan.ts';

/** A role that tasks may be given. */
export interface RoleCard {
  readonly name: string;
  readonly description: string;
}

/** What every answer rests on. */
export interface Ground {
  readonly goal: string;
  readonly map: RepositoryMap;
  readonly roles: readonly RoleCard[];
}

/** What was said about a plan so far. */
export interface Message {
  readonly from: 'you' | 'planner';
  readonly text: string;
}

export interface Reply {
  readonly text: string;
  /** The plan as the planner would change it; null: it only answers. */
  readonly plan: Plan | null;
}

export interface Planner {
  /** `heuristic`, `api`, `claude`, `codex`. */
  readonly name: string;
  /** @throws OrchestrateError failure PLAN_REFUSED with the reason, environment errors of the way to a model */
  plan(ground: Ground, signal: AbortSignal): Promise<Plan>;
  /** Answers what was said last. @throws as `plan` */
  discuss(ground: Ground, plan: Plan, messages: readonly Message[], signal: AbortSignal): Promise<Reply>;
  /**
   * What takes the place of a task. Keys are new within the plan; dependencies are among the pieces or those of the task.
   * @throws as `plan`; failure CANNOT_SPLIT where it has no idea how
   */
  split(ground: Ground, plan: Plan, task: PlanTask, signal: AbortSignal): Promise<readonly PlanTask[]>;
}
