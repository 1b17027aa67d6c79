/** How much work waits for each task: the longest chain that begins with it, in the weights of sizes. */

import { SIZE_WEIGHTS, type TaskId, type TaskSize } from '../types.ts';
import type { Database } from './database.ts';
import type { tasks } from './schema.ts';

type Link = Pick<typeof tasks.$inferSelect, 'id' | 'phase' | 'size' | 'chain'>;

export interface Added {
  readonly id: TaskId;
  readonly dependsOn: readonly TaskId[];
  readonly size: TaskSize;
}

export interface Chains {
  /** Of each task that was added. */
  readonly chains: ReadonlyMap<TaskId, number>;
  /** The longest chain that comes after each task, added or earlier, on which one of these depends. */
  readonly after: ReadonlyMap<TaskId, number>;
}

/** Of new tasks with their phases; no earlier one can depend on them. */
export function chainsOf(added: readonly Added[], phases: ReadonlyMap<TaskId, number>): Chains {
  const chains = new Map<TaskId, number>();
  const after = new Map<TaskId, number>();
  const phaseOf = ({ id }: Added): number => phases.get(id) ?? 1;
  // What depends on a task is of a later phase: its chain is known by then.
  for (const { id, dependsOn, size } of added.toSorted((a, b) => phaseOf(b) - phaseOf(a))) {
    const chain = SIZE_WEIGHTS[size] + (after.get(id) ?? 0);
    chains.set(id, chain);
    for (const below of dependsOn) after.set(below, Math.max(after.get(below) ?? 0, chain));
  }
  return { chains, after };
}

/** Raises the chains of `earlier` tasks that have new ones after them now, and of all that these depend on. */
export function raiseChains(database: Database, earlier: readonly Link[], after: Chains['after']): void {
  const longest = new Map(after);
  const byPhase: Map<TaskId, Link>[] = [];
  const visit = (link: Link): void => {
    byPhase[link.phase] ??= new Map();
    byPhase[link.phase]?.set(link.id, link);
  };
  earlier.forEach(visit);
  for (let phase = byPhase.length - 1; phase > 0; phase -= 1) {
    for (const { id, size, chain } of byPhase[phase]?.values() ?? []) {
      const risen = SIZE_WEIGHTS[size] + (longest.get(id) ?? 0);
      if (risen <= chain) continue;
      database.run('UPDATE tasks SET chain = ? WHERE id = ?', risen, id);
      for (const below of dependenciesOf(database, id)) {
        longest.set(below.id, Math.max(longest.get(below.id) ?? 0, risen));
        visit(below);
      }
    }
  }
}

function dependenciesOf(database: Database, id: TaskId): Link[] {
  const sql = `SELECT id, phase, size, chain FROM dependencies JOIN tasks ON id = dependencies.dependsOn WHERE task = ?`;
  return database.all<Link>(sql, id);
}
