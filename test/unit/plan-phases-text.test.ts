// The phases of a plan as text.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { phasesText } from '../../cli/plan/phases-text.ts';
import { widthOf } from '../../cli/render/fit.ts';
import { samplePlan } from '../support/plan-samples.ts';
import { anyGraph } from '../support/plans.ts';

const PLAN = samplePlan({ db: [], spec: [], api: ['db', 'spec'], ui: ['api'], docs: ['spec'] });

it('puts what can be done at once into one column, with arrows to what comes after', () => {
  expect(phasesText(PLAN, 80)).toBe(
    [
      'Phase 1 (2 tasks)       ──▶ Phase 2 (2 tasks)       ──▶ Phase 3 (1 task)',
      '◆ 1 Do db                   ◆ 3 Do api                  ◆ 4 Do ui',
      '  2 Do spec                     ← 1 2                       ← 3',
      '                              5 Do docs',
      '                                ← 2',
      '',
      '◆ critical path (3 tasks): 1 → 3 → 4',
      '',
    ].join('\n'),
  );
});

it('goes on below where there is no room beside', () => {
  const lines = phasesText(PLAN, 40).split('\n');
  expect(lines.filter((line) => line.startsWith('Phase'))).toHaveLength(3);
  expect(lines.filter((line) => line === ' ▼')).toHaveLength(2);
});

it('says what there is to say of no plan, of a circle and of a long chain', () => {
  expect(phasesText(samplePlan({}), 80)).toBe('No tasks yet.\n');
  expect(phasesText(samplePlan({ a: ['b'], b: ['a'] }), 80)).not.toContain('critical');
  const chain = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`t${n}`, n === 0 ? [] : [`t${n - 1}`]]));
  const [path = ''] = phasesText(samplePlan(chain), 80).split('◆ critical path ').slice(-1);
  expect(path.replaceAll('\n', ' ')).toMatch(/^\(60 tasks\): 1 → 2 .* 12 → … → 55 .*→ 60 $/);
});

it('shows every task once, in any width', () => {
  fc.assert(
    fc.property(anyGraph, fc.integer({ min: 30, max: 200 }), (plan, width) => {
      const text = phasesText(plan, width);
      for (const line of text.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(width);
      for (const task of plan.tasks) expect(text.split(` Do ${task.key}`)).toHaveLength(2);
    }),
  );
});
