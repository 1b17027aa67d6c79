/** What a run takes over from the one that it goes on for, which was cut off: what that spent of the budget, and its deadline. */

import type { RunRecord } from '../state/records.ts';
import type { Caps, Spent } from '../types.ts';
import type { Deadline } from './deadline.ts';

export const NOTHING_SPENT: Spent = { usd: 0, tokens: 0 };

/** Why nothing more can be asked of a model; null: it can, or nothing is capped. */
export function capReached(caps: Caps | undefined, spent: Spent): string | null {
  const unit = (['usd', 'tokens'] as const).find((each) => spent[each] >= (caps?.[each] ?? Number.POSITIVE_INFINITY));
  return unit === undefined ? null : `the budget of the run is used up (--budget-${unit})`;
}

interface CarriedOver {
  readonly continued: RunRecord;
  readonly run: RunRecord;
  readonly spent: Spent;
  readonly deadline: Deadline | null;
}

/** Said in one line. */
export function carriedOver({ continued, run, spent, deadline }: CarriedOver): string {
  const { budgetUsd, budgetTokens } = run;
  const parts = [
    ...(spent.usd > 0
      ? [`$${spent.usd.toFixed(2)}${budgetUsd === null ? '' : ` of $${budgetUsd.toFixed(2)}`} is spent`]
      : []),
    ...(spent.tokens > 0 && (budgetTokens !== null || spent.usd === 0)
      ? [
          `${spent.tokens.toLocaleString('en')}${budgetTokens === null ? '' : ` of ${budgetTokens.toLocaleString('en')}`} tokens are used`,
        ]
      : []),
    ...(deadline === null ? [] : [`it ends at ${deadline.text}`]),
  ];
  const what = parts.length === 0 ? '' : `: ${parts.join(', ')}`;
  return `goes on for run ${continued.id}, which was cut off${what}`;
}
