/** The tasks of a pattern, filled with what the goal says and where things are. Pure. */

import { slugOf } from '../../tasks/slug.ts';
import type { RepositoryMap } from '../map.ts';
import type { PlanTask } from '../plan.ts';
import { arranged, type Draft } from './arrange.ts';
import type { Pattern, Step } from './pattern.ts';
import { type Places, placesNamed, placesOf } from './places.ts';
import { type Reading, shortened } from './reading.ts';

export interface Source {
  readonly goal: string;
  readonly reading: Reading;
  readonly map: RepositoryMap;
}

/** With more, a plan has more tasks than anybody wants to read. */
const MOST_ITEMS = 4;
/** Of a longer goal an agent gets the beginning. */
const GOAL_SHOWN = 12_000;
const URGENT = /\b(?:urgent|emergency|outage|asap|hotfix)\b/i;

export function tasksOfPattern(pattern: Pattern, { goal, reading, map }: Source): PlanTask[] {
  const listed = reading.items.length > 0 ? reading.items : (pattern.items ?? []);
  // The last group takes what is over, so that nothing that was listed is lost.
  const items =
    listed.length <= MOST_ITEMS
      ? listed
      : [...listed.slice(0, MOST_ITEMS - 1), listed.slice(MOST_ITEMS - 1).join(' and ')];
  const places = placesOf(map);
  const named = placesNamed(map, goal);
  const drafts = pattern.steps.flatMap((step) => {
    const each = step.each === true ? items : [null];
    return each.map((item): Draft => {
      const names = { ...reading.names, items: shortened(items.join(', '), 120), item: shortened(item ?? '') };
      const say = (text: string) => filled(text, names);
      return {
        id: item === null ? step.id : `${step.id}:${item}`,
        title: say(step.title),
        description: describe(step, { say, goal, whole: item }),
        acceptance: step.acceptance.map(say),
        role: step.role,
        roleReason: `pattern: ${pattern.name}`,
        priority: pattern.priority ?? (URGENT.test(goal) ? 'high' : 'normal'),
        after: (step.after ?? []).flatMap((id) => idsOf(pattern, { id, item, items })),
        files: step.files.flatMap((file) => whereIs(file, { places, named, slug: slugOf(item ?? '') })),
        size: step.size,
      };
    });
  });
  return arranged(drafts);
}

/** A step that is there once for each item comes after its like of the same item. */
function idsOf(
  pattern: Pattern,
  of: { readonly id: string; readonly item: string | null; readonly items: readonly string[] },
): string[] {
  const { id, item, items } = of;
  if (pattern.steps.find((step) => step.id === id)?.each !== true) return [id];
  return (item === null ? items : [item]).map((one) => `${id}:${one}`);
}

interface Telling {
  readonly say: (text: string) => string;
  readonly goal: string;
  /** The item in full. */
  readonly whole: string | null;
}

function describe({ text, handOn }: Step, { say, goal, whole }: Telling): string {
  const parts = [say(text)];
  if (whole !== null && whole.length > 40) parts.push(`This task is about: ${whole}`);
  if (handOn !== undefined) parts.push(`Hand on in a shared note to those who come after: ${say(handOn)}.`);
  parts.push(
    'Before you start, read the shared notes of the tasks before this one. Run the tests of the repository before you say that you are done.',
  );
  return [...parts, partOf(goal)].join('\n\n');
}

export function partOf(goal: string, length = GOAL_SHOWN): string {
  return `The goal that this is a part of:\n${goal.length > length ? `${goal.slice(0, length)} …` : goal}`;
}

function filled(text: string, names: Readonly<Record<string, string>>): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => names[name] ?? '').replace(/ {2,}/g, ' ');
}

function whereIs(
  file: string,
  from: { readonly places: Places; readonly named: readonly string[]; readonly slug: string },
): string[] {
  if (file === '{named}') return [...from.named];
  if (file.includes('{slug}') && from.slug === '') return [];
  return [filled(file, { ...from.places, slug: from.slug })];
}
