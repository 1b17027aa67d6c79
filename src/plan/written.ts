/** Plans as YAML files that a person may edit, and back, with every problem and its line. */

import { stringify } from 'yaml';
import type { z } from 'zod';
import { usageError } from '../errors.ts';
import { readYaml } from '../written-yaml.ts';
import { type Plan, planSchema } from './plan.ts';

const HEAD = `# A plan. Edit it, then: orchestrate plan import <this file>
# Of each task: key and dependsOn (keys of this plan) say what comes after what; role is one of \`orchestrate role list\`;
# priority: high, normal, low; size: small, medium, large; acceptance: what must be true in the end;
# files: what it will probably touch (paths, folder/, *.ext), so that two tasks with the same file do not run at once.
`;
const MAX_BYTES = 16 * 1024 ** 2;
const MAX_PROBLEMS = 50;

export function planToYaml({ goal, approach, tasks }: Plan): string {
  const document = {
    goal,
    approach,
    tasks: tasks.map(({ key, title, description, acceptance, role, priority, dependsOn, files, size }) => ({
      ...{ key, title, role, priority, size, dependsOn, files, description, acceptance },
    })),
  };
  return `${HEAD}${stringify(document, { lineWidth: 100, aliasDuplicateObjects: false })}`;
}

/**
 * The plan that a file says; whoever imports it chose its roles.
 * @param name of the file, for messages
 * @throws usage BAD_PLAN with all problems, each with its line
 */
export function planFromYaml(name: string, text: string): Plan {
  if (text.length > MAX_BYTES) throw usageError('BAD_PLAN', `${name} is larger than ${MAX_BYTES / 1024 ** 2} MiB`);
  // Nobody needs aliases in a plan.
  const read = readYaml(text, { maxAliasCount: 0 });
  if ('problems' in read) throw badPlan(read.problems.map(({ line, message }) => `${name}:${line}: ${message}`));
  const result = planSchema.safeParse(read.value);
  if (!result.success) {
    throw badPlan(
      result.error.issues.map((issue) => {
        const [unknown] = issue.code === 'unrecognized_keys' ? issue.keys : [];
        const path = unknown === undefined ? issue.path : [...issue.path, unknown];
        return `${name}:${read.lineOf(path)}: ${said(issue)}`;
      }),
    );
  }
  const plan = result.data;
  return { ...plan, planner: 'import', tasks: plan.tasks.map((task) => ({ ...task, roleReason: 'chosen by you' })) };
}

function said(issue: z.core.$ZodIssue): string {
  const place = issue.path.map(String).join('.');
  return place === '' ? issue.message : `${place}: ${issue.message}`;
}

function badPlan(problems: readonly string[]): Error {
  const more = problems.length - MAX_PROBLEMS;
  const told = [...problems.slice(0, MAX_PROBLEMS), ...(more > 0 ? [`and ${more} more`] : [])];
  return usageError('BAD_PLAN', told.join('\n'), { hint: 'orchestrate plan export shows what a plan looks like' });
}
