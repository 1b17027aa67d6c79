/** What code can say of a plan: its phases, its longest chain, and what is wrong with it. Pure. */

import { overlapsOf } from '../tasks/overlap.ts';
import { phasesOf } from '../tasks/phases.ts';
import { SIZE_WEIGHTS } from '../types.ts';
import type { Plan, PlanTask } from './plan.ts';

/** An error keeps a plan from being approved; a warning is for a person to judge. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly code:
    | 'empty'
    | 'duplicate-key'
    | 'unknown-dependency'
    | 'cycle'
    | 'unknown-role'
    | 'duplicate'
    | 'same-files';
  /** The tasks it is about. */
  readonly keys: readonly string[];
  readonly text: string;
}

const MOST_WARNINGS = 50;
/** Titles that share as great a part of their words say the same. */
const NEARLY_THE_SAME = 0.8;

/** All that is wrong, errors in front. @param roles the names of those there are */
export function problemsOf(plan: Plan, roles: readonly string[]): readonly Problem[] {
  const { tasks } = plan;
  if (tasks.length === 0) return [{ severity: 'error', code: 'empty', keys: [], text: 'the plan has no task' }];
  const errors = [
    ...duplicateKeys(tasks),
    ...unknownDependencies(tasks),
    ...cycles(tasks),
    ...unknownRoles(tasks, roles),
  ];
  // Who comes after whom means nothing where keys or dependencies are wrong.
  const warnings = [...duplicates(tasks), ...(errors.length === 0 ? sameFiles(tasks) : [])];
  return [...errors, ...warnings.slice(0, MOST_WARNINGS)];
}

/** From 1; null where tasks wait for each other in a circle. Dependencies that do not exist count as none. */
function phasesOfPlan(plan: Plan): ReadonlyMap<string, number> | null {
  const found = phasesOf(plan.tasks.map(({ key, dependsOn }) => ({ id: key, dependsOn })));
  return 'cycle' in found ? null : found.phases;
}

/** The same for showing a plan: all in phase 1 where tasks wait for each other in a circle. */
export function planPhases(plan: Plan): ReadonlyMap<string, number> {
  return phasesOfPlan(plan) ?? new Map(plan.tasks.map(({ key }) => [key, 1]));
}

/** Keys of the longest chain of work by size, first task first; empty where there is a circle. */
export function criticalPath(plan: Plan): readonly string[] {
  const phases = phasesOfPlan(plan);
  if (phases === null) return [];
  const inOrder = plan.tasks.toSorted((a, b) => (phases.get(a.key) ?? 1) - (phases.get(b.key) ?? 1));
  const chains = new Map<string, { readonly weight: number; readonly after: string | null }>();
  let longest: string | null = null;
  for (const { key, size, dependsOn } of inOrder) {
    let weight = 0;
    let after: string | null = null;
    for (const below of dependsOn) {
      const chain = chains.get(below);
      if (chain !== undefined && chain.weight > weight) [weight, after] = [chain.weight, below];
    }
    chains.set(key, { weight: weight + SIZE_WEIGHTS[size], after });
    if (longest === null || weight + SIZE_WEIGHTS[size] > (chains.get(longest)?.weight ?? 0)) longest = key;
  }
  const path: string[] = [];
  for (let key = longest; key !== null; key = chains.get(key)?.after ?? null) path.unshift(key);
  return path;
}

function duplicateKeys(tasks: readonly PlanTask[]): Problem[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const { key } of tasks) {
    if (seen.has(key)) twice.add(key);
    seen.add(key);
  }
  return [...twice].map((key) => error('duplicate-key', [key], `two tasks have the key ${key}`));
}

function unknownDependencies(tasks: readonly PlanTask[]): Problem[] {
  const known = new Set(tasks.map(({ key }) => key));
  return tasks.flatMap(({ key, dependsOn }) =>
    dependsOn
      .filter((below) => !known.has(below))
      .map((below) => error('unknown-dependency', [key], `${key} depends on ${below}, which is not in the plan`)),
  );
}

function cycles(tasks: readonly PlanTask[]): Problem[] {
  const found = phasesOf(tasks.map(({ key, dependsOn }) => ({ id: key, dependsOn })));
  if (!('cycle' in found)) return [];
  const around = [...found.cycle, ...found.cycle.slice(0, 1)].join(' → ');
  return [error('cycle', found.cycle, `tasks depend on each other in a circle: ${around}`)];
}

function unknownRoles(tasks: readonly PlanTask[], roles: readonly string[]): Problem[] {
  const known = new Set(roles);
  return tasks
    .filter(({ role }) => !known.has(role))
    .map(({ key, role }) => error('unknown-role', [key], `${key} is for the role ${role}, which does not exist`));
}

function duplicates(tasks: readonly PlanTask[]): Problem[] {
  const words = tasks.map(({ title }) => new Set(title.toLowerCase().match(/[\p{L}\p{N}]+/gu)));
  const found: Problem[] = [];
  for (const [i, one] of tasks.entries()) {
    for (let j = i + 1; j < tasks.length && found.length < MOST_WARNINGS; j += 1) {
      const other = tasks[j];
      if (other === undefined || likeness(words[i], words[j]) < NEARLY_THE_SAME) continue;
      const text = `${one.key} and ${other.key} say nearly the same: “${one.title}”, “${other.title}”`;
      found.push(warning('duplicate', [one.key, other.key], text));
    }
  }
  return found;
}

/** The part of the words of both that both have. */
function likeness(a: ReadonlySet<string> = new Set(), b: ReadonlySet<string> = new Set()): number {
  let shared = 0;
  for (const word of a) if (b.has(word)) shared += 1;
  const all = a.size + b.size - shared;
  return all === 0 ? 0 : shared / all;
}

/** Tasks that could run at once and touch the same file: the scheduler will not let them. */
function sameFiles(tasks: readonly PlanTask[]): Problem[] {
  const overlaps = overlapsOf(tasks.map(({ files }) => files));
  if (overlaps.length === 0) return [];
  const below = allBelow(tasks);
  return overlaps.flatMap(({ lists: [i, j], file }) => {
    const [one, other] = [tasks[i], tasks[j]];
    if (one === undefined || other === undefined) return [];
    if (below.get(one.key)?.has(other.key) || below.get(other.key)?.has(one.key)) return [];
    const text = `${one.key} and ${other.key} could run at once but both touch ${file}; they will be kept apart`;
    return [warning('same-files', [one.key, other.key], text)];
  });
}

/** All that a task comes after, directly or not. The tasks must have no circle. */
function allBelow(tasks: readonly PlanTask[]): ReadonlyMap<string, ReadonlySet<string>> {
  const phases = phasesOf(tasks.map(({ key, dependsOn }) => ({ id: key, dependsOn })));
  if ('cycle' in phases) return new Map();
  const below = new Map<string, Set<string>>();
  for (const { key, dependsOn } of tasks.toSorted(
    (a, b) => (phases.phases.get(a.key) ?? 1) - (phases.phases.get(b.key) ?? 1),
  )) {
    const all = new Set(dependsOn);
    for (const one of dependsOn) for (const deeper of below.get(one) ?? []) all.add(deeper);
    below.set(key, all);
  }
  return below;
}

function error(code: Problem['code'], keys: readonly string[], text: string): Problem {
  return { severity: 'error', code, keys, text };
}

function warning(code: Problem['code'], keys: readonly string[], text: string): Problem {
  return { severity: 'warning', code, keys, text };
}
