/** The phases of a plan as text: what can be done at the same time stands in one column, what comes after it further right. */

import { criticalPath, planPhases } from '../../src/plan/graph.ts';
import type { Plan, PlanTask } from '../../src/plan/plan.ts';
import { sanitiseLine } from '../../src/sanitise.ts';
import { cut, fitted, widthOf, wrap } from '../render/fit.ts';
import { count } from '../render/text.ts';

const ARROW = ' ──▶ ';
/** What a column needs so that a title says something. */
const COLUMN = 22;
const MARK = '◆';
const MOST_ON_PATH = 24;

/** Keys of the tasks of each phase, in the order of the plan. */
export function phasesInOrder(plan: Plan): readonly (readonly string[])[] {
  const phaseOf = planPhases(plan);
  const phases: string[][] = Array.from({ length: Math.max(0, ...phaseOf.values()) }, () => []);
  for (const { key } of plan.tasks) phases[(phaseOf.get(key) ?? 1) - 1]?.push(key);
  return phases;
}

/**
 * Columns of at most `width` in all, as many as fit beside each other, the next ones below. Each task has its number in
 * the list, what it waits for and, on the path that decides how long everything takes, a mark.
 */
export function phasesText(plan: Plan, width: number): string {
  const phases = phasesInOrder(plan);
  if (phases.length === 0) return 'No tasks yet.\n';
  const path = criticalPath(plan);
  const drawing = new Drawing(plan, new Set(path));
  const beside = Math.max(1, Math.floor((width + ARROW.length) / (COLUMN + ARROW.length)));
  const columns = Math.min(beside, phases.length);
  const wide = Math.min(46, Math.floor((width - ARROW.length * (columns - 1)) / columns));
  const lines: string[] = [];
  for (let first = 0; first < phases.length; first += columns) {
    const band = phases.slice(first, first + columns);
    lines.push(...drawing.band(band, first, wide), first + columns < phases.length ? ' ▼' : '');
  }
  if (path.length === 0) return text(lines, width);
  const chain = path.map((key) => drawing.numberOf(key));
  // Nobody follows a longer one by its numbers: the marks show it.
  const shown = chain.length <= MOST_ON_PATH ? chain : [...chain.slice(0, 12), '…', ...chain.slice(-6)];
  lines.push(...wrap(`${MARK} critical path (${count(chain.length, 'task')}): ${shown.join(' → ')}`, width));
  return text(lines, width);
}

function text(lines: readonly string[], width: number): string {
  return lines.map((line) => `${cut(line, width).trimEnd()}\n`).join('');
}

class Drawing {
  readonly #tasks: ReadonlyMap<string, PlanTask>;
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #path: ReadonlySet<string>;

  constructor(plan: Plan, path: ReadonlySet<string>) {
    this.#tasks = new Map(plan.tasks.map((task) => [task.key, task]));
    this.#numbers = new Map(plan.tasks.map((task, index) => [task.key, index + 1]));
    this.#path = path;
  }

  numberOf(key: string): string {
    return String(this.#numbers.get(key) ?? '?');
  }

  /** Columns of `wide` each; `first`: the index of the first phase. */
  band(phases: readonly (readonly string[])[], first: number, wide: number): string[] {
    const columns = phases.map((keys) => keys.flatMap((key) => this.#cell(key, wide)));
    const height = Math.max(...columns.map((column) => column.length));
    const heads = phases.map((keys, index) => {
      return fitted(`Phase ${first + index + 1} (${count(keys.length, 'task')})`, wide);
    });
    const lines = [heads.join(ARROW)];
    for (let row = 0; row < height; row += 1) {
      lines.push(columns.map((column) => fitted(column[row] ?? '', wide)).join(' '.repeat(ARROW.length)));
    }
    return lines;
  }

  /** `◆ 3 Build the API`, and below what it waits for. */
  #cell(key: string, wide: number): string[] {
    const task = this.#tasks.get(key);
    if (task === undefined) return [];
    const mark = this.#path.has(key) ? MARK : ' ';
    const title = cut(`${mark} ${this.numberOf(key)} ${sanitiseLine(task.title)}`, wide);
    const after = task.dependsOn.map((on) => this.numberOf(on)).join(' ');
    return after === '' ? [title] : [title, cut(`    ← ${after}`, wide)];
  }
}

/** Whether a line is on the critical path, for those who colour it. */
export function isOnPath(line: string): boolean {
  return widthOf(line) > 0 && line.includes(MARK);
}
