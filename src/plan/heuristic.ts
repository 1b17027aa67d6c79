/** The planner without a model: plans by kind of work, from the words of the goal and the folders of the repository. */

import { failure } from '../errors.ts';
import { DEFAULT_ROLE } from '../roles/catalogue.ts';
import { sanitise } from '../sanitise.ts';
import { choosePattern } from './patterns/choose.ts';
import { tasksOfList } from './patterns/list.ts';
import { readGoal } from './patterns/reading.ts';
import { tasksOfPattern } from './patterns/tasks.ts';
import { MAX_GOAL, type Plan, type PlanTask, planSchema } from './plan.ts';
import type { Ground, Planner, RoleCard } from './planner.ts';
import { splitTask } from './split.ts';

const ORIGIN =
  'This plan comes from built-in patterns by kind of work, not from a model: it knows the words of the goal and the folders of the repository, not the code. Edit, add, split and remove tasks until it fits, or plan again with a model service (API key) or an agent CLI for a plan that has read the repository.';

/** Deterministic: the same goal and map give the same plan. It never asks anything of the network. */
export const heuristicPlanner: Planner = {
  name: 'heuristic',
  plan: async (ground, signal) => {
    signal.throwIfAborted();
    return planOf(ground);
  },
  discuss: async (_ground, _plan, _messages, signal) => {
    signal.throwIfAborted();
    return {
      text: 'The built-in patterns cannot talk. Change the plan with the keys instead: add, remove, edit, split and reorder tasks, set their role, priority and dependencies, then go on to approval. With a model service or an agent CLI as planner you can discuss it.',
      plan: null,
    };
  },
  split: async (ground, plan, task, signal) => {
    signal.throwIfAborted();
    return splitTask(plan, task).map((piece) => withKnownRole(piece, ground.roles));
  },
};

function planOf(ground: Ground): Plan {
  const goal = sanitise(ground.goal).trim();
  if (!/\S/.test(goal)) throw failure('PLAN_REFUSED', 'the goal says nothing');
  if (goal.length > MAX_GOAL) throw failure('PLAN_REFUSED', `the goal is longer than ${MAX_GOAL} characters`);
  const reading = readGoal(goal);
  const from = { goal, reading, map: ground.map };
  if (reading.list.length > 1) {
    const approach = `Pattern “list”: each entry of the goal is a branch of its own; what they have in common is checked at the end. ${ORIGIN}`;
    return finished(ground, { goal, planner: 'heuristic', approach, tasks: tasksOfList(from, ground.roles) });
  }
  const pattern = choosePattern(goal);
  const approach = `Pattern “${pattern.name}”: ${pattern.approach} ${ORIGIN}`;
  return finished(ground, { goal, planner: 'heuristic', approach, tasks: tasksOfPattern(pattern, from) });
}

function finished({ roles }: Ground, plan: Plan): Plan {
  return planSchema.parse({ ...plan, tasks: plan.tasks.map((task) => withKnownRole(task, roles)) });
}

/** Roles may be fewer than the built-in ones. */
function withKnownRole(task: PlanTask, roles: readonly RoleCard[]): PlanTask {
  if (roles.length === 0 || roles.some(({ name }) => name === task.role)) return task;
  const role = roles.find(({ name }) => name === DEFAULT_ROLE) ?? roles[0];
  return role === undefined ? task : { ...task, role: role.name, roleReason: `there is no role ${task.role}` };
}
