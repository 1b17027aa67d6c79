/** Which tasks can only come after which: phase numbers and cycles of a dependency graph. Pure. */

export interface Dependent<Id extends string> {
  readonly id: Id;
  readonly dependsOn: readonly Id[];
}

export type Phases<Id extends string> =
  | { readonly phases: ReadonlyMap<Id, number> }
  /** Each id depends on the one after it, the last on the first. */
  | { readonly cycle: readonly Id[] };

/**
 * The phase of each task: 1 + the longest chain of dependencies below it (1 where it depends on nothing).
 * `known` holds the phases of tasks outside `tasks` that some depend on; ids found in neither count as nothing.
 */
export function phasesOf<Id extends string>(
  tasks: readonly Dependent<Id>[],
  known: ReadonlyMap<Id, number> = new Map(),
): Phases<Id> {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const phases = new Map<Id, number>();
  const open = new Set<Id>();
  for (const root of tasks) {
    // Depth first with a stack of our own: a chain of 10,000 tasks would overflow the call stack.
    const stack: { task: Dependent<Id>; at: number; phase: number }[] = [];
    const enter = (task: Dependent<Id>) => {
      open.add(task.id);
      stack.push({ task, at: 0, phase: 1 });
    };
    if (!phases.has(root.id)) enter(root);
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      const id = frame.task.dependsOn[frame.at];
      if (id === undefined) {
        phases.set(frame.task.id, frame.phase);
        open.delete(frame.task.id);
        stack.pop();
        continue;
      }
      const below = phases.get(id) ?? known.get(id);
      const task = byId.get(id);
      if (below === undefined && task !== undefined) {
        if (open.has(id)) return { cycle: [...open].slice([...open].indexOf(id)) };
        enter(task);
        continue;
      }
      frame.phase = Math.max(frame.phase, (below ?? 0) + 1);
      frame.at += 1;
    }
  }
  return { phases };
}
