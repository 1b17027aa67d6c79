/** Plans as YAML files that a person may edit, and back, with every problem and its line. */

import { type Document, isMap, isScalar, isSeq, LineCounter, parseDocument, stringify } from 'yaml';
import type { z } from 'zod';
import { usageError } from '../errors.ts';
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
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number) => `${name}:${lines.linePos(offset).line}`;
  if (document.errors.length > 0) {
    throw badPlan(document.errors.map((error) => `${at(error.pos[0])}: ${error.message}`));
  }
  const result = planSchema.safeParse(contentOf(document, name));
  if (!result.success) {
    throw badPlan(result.error.issues.map((issue) => `${at(offsetOf(document, issue.path))}: ${said(issue)}`));
  }
  const plan = result.data;
  return { ...plan, planner: 'import', tasks: plan.tasks.map((task) => ({ ...task, roleReason: 'chosen by you' })) };
}

function contentOf(document: Document.Parsed, name: string): unknown {
  try {
    // Aliases would let a small file stand for a huge one.
    return document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    throw badPlan([`${name}: ${error instanceof Error ? error.message : 'not readable as YAML'}`]);
  }
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

/** Where the deepest node of a path that is really there begins. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0] ?? 0;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
      if (pair === undefined) break;
      if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      if (isMap(node) || isScalar(node) || isSeq(node)) offset = node.range?.[0] ?? offset;
    } else break;
  }
  return offset;
}
