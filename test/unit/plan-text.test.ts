import { describe, expect, it } from 'vitest';
import { widthOf } from '../../cli/render/fit.ts';
import { planText } from '../../cli/render/plan.ts';
import { estimateOf } from '../../src/plan/estimate.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { planTask } from '../support/plans.ts';

const keys = Array.from({ length: 30 }, (_, index) => `task-${index + 1}`);
const plan: Plan = {
  goal: 'ログイン画面を作る '.repeat(20).trim(),
  planner: 'heuristic',
  approach: 'First this, then that. '.repeat(30).trim(),
  tasks: [
    ...keys.map((key) => planTask(key, { title: `${key}: 検索エンドポイントを追加する 🎉 and much more than fits` })),
    planTask('last', { title: 'After all others', dependsOn: keys, role: 'documentation-writer', priority: 'high' }),
  ],
};
const textIn = (width: number | null) => planText({ plan }, { problems: [], estimate: estimateOf(plan, null) }, width);

describe('a plan as text', () => {
  it.each([40, 80, 120])(
    'fits into %i columns, each task with as much of its title as there is room',
    async (width) => {
      const lines = (await textIn(width)).split('\n');
      expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(width);
      expect(lines.filter((line) => line.includes(': 検索エン'))).toHaveLength(30);
      expect(lines.join('\n')).toContain('After all others');
    },
  );

  it('is whole where nothing needs to fit', async () => {
    const text = await textIn(null);
    expect(text).toContain(plan.goal);
    expect(text).toContain('🎉 and much more than fits');
    expect(text).toContain(`after ${keys.map((_, index) => index + 1).join(', ')}\n`);
  });
});
