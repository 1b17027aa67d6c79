/** The tasks of a goal that is a list: each entry a branch of its own. Pure. */

import { routeTask } from '../../roles/router.ts';
import { titleOf } from '../../tasks/slug.ts';
import type { PlanTask } from '../plan.ts';
import type { RoleCard } from '../planner.ts';
import { arranged, type Draft } from './arrange.ts';
import { placesNamed, placesOf } from './places.ts';
import { shortened } from './reading.ts';
import { partOf, type Source } from './tasks.ts';

/** Longer lists become groups: every entry is in some task. */
const MOST_BRANCHES = 100;
/** Where there are few, each gets tests of its own. */
const MOST_TESTED = 4;
const GOAL_SHOWN = 600;
const BUG = /\b(?:fix|bug|crash|leak|urgent|hotfix)\b/i;

export function tasksOfList({ goal, reading, map }: Source, roles: readonly RoleCard[]): PlanTask[] {
  const groups = grouped(reading.list);
  const isTested = groups.length <= MOST_TESTED;
  const places = placesOf(map);
  const context = partOf(goal, GOAL_SHOWN);
  const branches = groups.flatMap((entries, at): Draft[] => {
    const whole = entries.join('\n');
    const title = titleOf(whole) || `Entry ${at + 1}`;
    const { role, reason } = routeTask({ title, description: whole }, roles);
    const common = { priority: BUG.test(whole) ? 'high' : 'normal' } as const;
    const work: Draft = {
      ...common,
      id: `work:${at}`,
      title,
      description: `${whole}\n\nDo this, and only this, of the list; others do the rest at the same time. Read how the present code does such things first, and write unit tests.\n\nHand on in a shared note: what you changed, and names and interfaces that others may use.\n\n${context}`,
      acceptance: [`“${shortened(title, 100)}” is done, shown by a test or a command.`, 'All tests of before pass.'],
      ...{ role, roleReason: reason },
      after: [],
      files: placesNamed(map, whole),
      size: 'medium',
    };
    if (!isTested) return [work];
    const test: Draft = {
      ...common,
      id: `test:${at}`,
      title: `Test with its error cases: ${shortened(title)}`,
      description: `Test what was done for this entry from the point of view of a user: the usual way, wrong input, limits. Report faults; fix only what is trivial. The shared note of the task before says what changed.\n\n${whole}\n\n${context}`,
      acceptance: ['Usual way, wrong input and limits have a test each.', 'All tests pass.'],
      ...{ role: 'test-engineer', roleReason: 'pattern: list' },
      after: [work.id],
      files: [],
      size: 'small',
    };
    return [work, test];
  });
  const all = branches.map(({ id }) => id);
  return arranged([
    ...branches,
    {
      id: 'together',
      title: `Check that all ${reading.list.length} entries work together`,
      description: `Run all tests, try the entries together and write tests of flows that touch several of them. Report what contradicts each other.\n\n${context}`,
      acceptance: ['All tests pass together.', 'Flows that touch several entries have a test.'],
      ...{ role: 'test-engineer', roleReason: 'pattern: list', priority: 'normal', size: 'medium' },
      after: all,
      files: [places.tests ?? 'tests/'],
    },
    {
      id: 'notes',
      title: 'Describe for users what is new',
      description: `Bring the documents up to date and add an entry for each change to the changelog, or the file that the repository has for it. The shared notes say what changed.\n\n${context}`,
      acceptance: ['Each change is described in words of its users.'],
      ...{ role: 'documentation-writer', roleReason: 'pattern: list', priority: 'normal', size: 'small' },
      after: all,
      files: [places.readme ?? 'README.md', places.docs ?? 'docs/', 'CHANGELOG.md'],
    },
  ]);
}

function grouped(list: readonly string[]): string[][] {
  const size = Math.ceil(list.length / MOST_BRANCHES);
  return Array.from({ length: Math.ceil(list.length / size) }, (_, at) => list.slice(at * size, (at + 1) * size));
}
