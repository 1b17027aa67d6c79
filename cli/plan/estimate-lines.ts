/** What a plan will roughly take, in words. */

import type { Estimate } from '../../src/plan/estimate.ts';
import { count } from '../render/text.ts';

export function estimateLines({ tasks, phases, parallel, longest, usd }: Estimate): readonly string[] {
  const most = parallel === 1 ? 'one at a time' : `up to ${parallel} at once`;
  return [
    `${count(tasks, 'task')} in ${count(phases, 'phase')}, ${most}; the longest chain has ${count(longest.length, 'task')}.`,
    usd === null
      ? 'Cost: not known (no model, or one without a known price).'
      : `Cost: roughly $${usd.low.toFixed(2)} to $${usd.high.toFixed(2)}, if none has to be done again.`,
  ];
}
