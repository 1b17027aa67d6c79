/** Splits a task by what it lists, by its acceptance, or into design, implementation and tests. Pure. */

import { failure } from '../errors.ts';
import { slugOf } from '../tasks/slug.ts';
import { arranged, type Draft } from './patterns/arrange.ts';
import { bulletsOf, shortened, split } from './patterns/reading.ts';
import type { Plan, PlanTask } from './plan.ts';

const MOST_PIECES = 12;
const MAX_DESCRIPTION = 18_000;

/** Keys are new in the plan; pieces without another piece before them depend on what the task did. @throws failure CANNOT_SPLIT */
export function splitTask(plan: Plan, task: PlanTask): PlanTask[] {
  const taken = new Set(plan.tasks.map(({ key }) => key));
  const pieces = arranged(draftsOf(task), (key) => taken.has(key));
  return pieces.map((piece) => (piece.dependsOn.length === 0 ? { ...piece, dependsOn: task.dependsOn } : piece));
}

function draftsOf(task: PlanTask): Draft[] {
  const titles = titlesOf(task);
  if (titles.length > 1) return titles.map((title, at) => partNamed(task, { title, at }));
  if (task.acceptance.length > 1 && task.size !== 'small') {
    return task.acceptance.map((item, at) => ({
      ...partNamed(task, { title: `${shortened(task.title)}: ${shortened(item, 80)}`, at }),
      acceptance: [item],
    }));
  }
  if (task.size !== 'small') return stagesOf(task);
  throw failure('CANNOT_SPLIT', `no way is known to split “${task.title}”`, {
    hint: 'Add the parts as tasks of their own and remove this one, or describe it as a list and split it again.',
  });
}

/** `Build pages for login and sign-up` → `Build pages for login`, `Build pages for sign-up`. */
function titlesOf(task: PlanTask): string[] {
  const bullets = bulletsOf(task.description);
  if (bullets.length > 1 && bullets.length <= MOST_PIECES) return bullets.map((entry) => entry.split('\n')[0] ?? entry);
  const [, head = '', tail = ''] = /^(.*\b(?:for|of|with|:)\s+)(.+)$/i.exec(task.title) ?? [];
  const named = split(tail);
  if (named.length > 1 && named.length <= MOST_PIECES) return named.map((name) => `${head}${name}`);
  const verb = /^\S+\s+/.exec(task.title)?.[0] ?? '';
  const said = split(task.title.slice(verb.length));
  return said.length > 1 && said.length <= MOST_PIECES ? said.map((name) => `${verb}${name}`) : [];
}

function partNamed(task: PlanTask, { title, at }: { readonly title: string; readonly at: number }): Draft {
  const { key: _key, dependsOn: _dependsOn, ...rest } = task;
  const slug = slugOf(title);
  return {
    ...rest,
    id: String(at),
    title,
    description: partText(task, `Do only this part of “${task.title}”; others do the rest at the same time: ${title}.`),
    size: task.size === 'large' ? 'medium' : 'small',
    after: [],
    files: slug === '' ? [] : task.files.filter((file) => file.endsWith('/')).map((folder) => `${folder}${slug}/`),
  };
}

function stagesOf(task: PlanTask): Draft[] {
  const { key: _key, dependsOn: _dependsOn, ...rest } = task;
  const stage = (id: string, title: string, text: string): Draft => ({
    ...rest,
    ...{ id, title: `${title}: ${task.title}`, after: [], size: 'small' },
    description: partText(task, text),
  });
  return [
    {
      ...stage('design', 'Design', 'Only design it: interfaces, data, cases, in a shared note. No code.'),
      acceptance: ['A shared note has interfaces and cases with examples.'],
      files: [],
    },
    {
      ...stage('implement', 'Implement', 'Only implement it, as the shared note of its design says.'),
      after: ['design'],
      size: task.size === 'large' ? 'medium' : 'small',
    },
    {
      ...stage('test', 'Test', 'Only test it: the usual way, wrong input, limits. Fix only what is trivial.'),
      role: 'test-engineer',
      roleReason: 'pattern: split',
      acceptance: ['Usual way, wrong input and limits have a test each.', 'All tests pass.'],
      after: ['implement'],
    },
  ];
}

function partText(task: PlanTask, text: string): string {
  return `${text}\n\nThe whole task was:\n${task.description.slice(0, MAX_DESCRIPTION) || task.title}`;
}
