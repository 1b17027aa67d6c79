// Which part of the screen has how many rows.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { layoutOf } from '../../cli/plan/layout.ts';
import { openSession } from '../../src/plan/session/kept.ts';
import { type Mode, VIEWS } from '../../src/plan/session/state.ts';
import { typingOf } from '../../src/plan/session/type.ts';
import type { StoredPlan } from '../../src/plan/stored.ts';
import { samplePlan } from '../support/plan-samples.ts';

const plan = samplePlan({ db: [], api: ['db'], ui: ['api'] });
const stored: StoredPlan = {
  ...{ plan, id: 'p', goal: plan.goal, createdAt: '', updatedAt: '', approvedAt: null, revision: 1 },
  ...{ view: null, undoes: null, redoes: null, tasks: [] },
};
const MODES: readonly Mode[] = [
  { kind: 'browsing' },
  { kind: 'moving', key: 'db' },
  { kind: 'approving' },
  { kind: 'judging', proposal: { ...plan, tasks: [] } },
  typingOf({ for: 'ask' }, 'word '.repeat(300)),
  { kind: 'choosing', choice: { of: 'role', key: 'db' }, index: 0, filter: '' },
];

it('uses every row and no more, in every mode, view and size', () => {
  const size = fc.record({ columns: fc.integer({ min: 10, max: 250 }), rows: fc.integer({ min: 3, max: 80 }) });
  const roles = Array.from({ length: 12 }, (_, n) => ({ name: `role-${n}`, description: '' }));
  fc.assert(
    fc.property(fc.constantFrom(...MODES), fc.constantFrom(...VIEWS), size, fc.nat(99), (mode, view, screen, words) => {
      const notice = { kind: 'told', text: 'word '.repeat(words) } as const;
      const layout = layoutOf({ ...openSession(stored, []), mode, view, notice }, screen, { roles });
      const body = layout.isBeside ? layout.list : layout.list + layout.pane;
      expect(layout.header + body + layout.notice + layout.input + layout.footer).toBe(screen.rows);
      expect(Math.min(layout.list, layout.pane, body)).toBeGreaterThanOrEqual(0);
      if (mode.kind !== 'browsing') expect(layout.input).toBeGreaterThanOrEqual(1);
      if (layout.isBeside) expect(layout.listWidth + layout.paneWidth).toBeLessThan(layout.width);
    }),
    { numRuns: 1000 },
  );
});
