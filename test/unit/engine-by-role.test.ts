import { describe, expect, it } from 'vitest';
import { engineByRole } from '../../src/engine/by-role.ts';
import { demoEngine } from '../../src/engine/demo.ts';
import type { Engine } from '../../src/engine/engine.ts';
import type { TaskId } from '../../src/types.ts';

describe('an engine with models by role', () => {
  const made: (string | null)[] = [];
  const begun: (string | null)[] = [];
  const make = (model: string | null): Engine => {
    made.push(model);
    const begin: Engine['begin'] = (assignment, access) => {
      begun.push(model);
      return demoEngine.begin(assignment, access);
    };
    return { ...demoEngine, name: 'some', begin };
  };
  const engine = engineByRole(
    { model: 'common', byRole: { 'test-engineer': 'dear', 'security-engineer': 'dear' } },
    make,
  );

  it('gives each role its own, the others the common one, and makes one engine for each model', () => {
    for (const role of ['test-engineer', 'constructor', 'security-engineer', 'documentation-writer']) {
      engine.begin({ task: 'x' as TaskId, attempt: 1, role, title: 'X', description: 'X' }, null);
    }
    expect(begun).toEqual(['dear', 'common', 'dear', 'common']);
    expect(made).toEqual(['common', 'dear']);
    expect(engine.name).toBe('some');
  });
});
