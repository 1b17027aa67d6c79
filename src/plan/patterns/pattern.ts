/** How a kind of work is written down: the words that speak for it, and the steps that it takes. */

import type { RoleName } from '../../roles/catalogue.ts';
import type { Priority, TaskSize } from '../../types.ts';

/**
 * Texts may name what was read from the goal: `{subject}`, `{whole}` (with what `with`, commas and the like add to it), `{items}`, `{item}` (only with `each`), `{frontend}`, `{backend}`,
 * `{database}`, `{source}`, `{target}`. Files may name places of the repository: `{src}`, `{frontendDir}`, `{backendDir}`,
 * `{tests}`, `{docs}`, `{infra}`, `{readme}`, `{slug}` (of the item), and `{named}`: folders and files that the goal names.
 */
export interface Step {
  /** Others name it in `after`. */
  readonly id: string;
  readonly title: string;
  readonly role: RoleName;
  /** What to do. */
  readonly text: string;
  /** What those who come after need to know. */
  readonly handOn?: string;
  readonly acceptance: readonly string[];
  readonly files: readonly string[];
  readonly size: TaskSize;
  /** Ids of steps; of a step that is there several times: those of the same item, or all. */
  readonly after?: readonly string[];
  /** Once for each thing that the goal lists. */
  readonly each?: true;
}

export interface Pattern {
  readonly name: string;
  /** Points for the words of a goal, each counted once. */
  readonly words: readonly (readonly [RegExp, number])[];
  /** How the goal is reached, in a sentence or two. */
  readonly approach: string;
  readonly priority?: Priority;
  /** What stands in for things where the goal lists none. */
  readonly items?: readonly string[];
  readonly steps: readonly Step[];
}
