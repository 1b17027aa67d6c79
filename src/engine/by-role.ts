/** One engine whose agents have models of their own by role. */

import type { Engine } from './engine.ts';

export interface ModelChoice {
  /** Of every other role; null: the engine's own choice. */
  readonly model: string | null;
  readonly byRole: Readonly<Record<string, string>>;
}

/** @param make an engine with that model; agents of one model share it, and with it the beginning of their prompts */
export function engineByRole({ model, byRole }: ModelChoice, make: (model: string | null) => Engine): Engine {
  const engines = new Map<string | null, Engine>();
  const of = (wanted: string | null): Engine => {
    const engine = engines.get(wanted) ?? make(wanted);
    engines.set(wanted, engine);
    return engine;
  };
  return {
    ...of(model),
    begin: (assignment, access) => {
      const own = Object.hasOwn(byRole, assignment.role) ? byRole[assignment.role] : undefined;
      return of(own ?? model).begin(assignment, access);
    },
  };
}
