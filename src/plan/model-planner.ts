/** A planner that thinks with a model: how questions become plans, whichever way the model is asked. */

import { failure } from '../errors.ts';
import type { Usage } from '../types.ts';
import {
  type Answer,
  type Expected,
  type Form,
  formOf,
  type Repair,
  readPieces,
  readPlan,
  readReply,
  repairedOnce,
} from './answers.ts';
import type { Ground, Planner } from './planner.ts';
import { discussRequest, groundText, PLAN_REQUEST, type Prompt, splitRequest, systemPrompt } from './prompts.ts';

export interface Question extends Prompt {
  /** JSON Schema of the answer. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** The answer before and what was wrong with it; null: it was not asked yet. */
  readonly repair: Repair | null;
}

/** PORT: a way to ask a model. Aborted, it rejects with the signal's reason. Calls do not overlap. */
export interface Mind {
  readonly name: string;
  /** Whether the model has the repository before it. */
  readonly canLook: boolean;
  /** All that was used so far. */
  readonly used: Usage;
  /** @throws environment errors of the way to the model; failure PLAN_REFUSED where it refuses; limit OVER_BUDGET */
  ask(question: Question, signal: AbortSignal): Promise<Answer>;
}

export function modelPlanner(mind: Mind): Planner {
  const expectedOf = ({ goal, roles }: Ground): Expected => ({ goal, roles, planner: mind.name });
  const asking = (ground: Ground, form: Form, request: string, signal: AbortSignal) => {
    const prompt = { system: systemPrompt(mind.canLook), ground: groundText(ground), request };
    const names = ground.roles.map(({ name }) => name);
    return (repair: Repair | null) => mind.ask({ ...prompt, schema: formOf(form, names), repair }, signal);
  };
  return {
    name: mind.name,
    get used() {
      return mind.used;
    },
    plan: (ground, signal) =>
      repairedOnce(asking(ground, 'plan', PLAN_REQUEST, signal), (text) => readPlan(text, expectedOf(ground))),
    discuss: (ground, plan, messages, signal) =>
      repairedOnce(asking(ground, 'reply', discussRequest(plan, messages), signal), (text) =>
        readReply(text, expectedOf(ground), plan),
      ),
    async split(ground, plan, task, signal) {
      const { tasks, reason } = await repairedOnce(asking(ground, 'pieces', splitRequest(plan, task), signal), (text) =>
        readPieces(text, expectedOf(ground), { plan, task }),
      );
      if (tasks.length > 0) return tasks;
      const why = reason === '' ? '' : `: ${reason}`;
      throw failure('CANNOT_SPLIT', `the planner does not know how to split ${task.key}${why}`);
    },
  };
}
