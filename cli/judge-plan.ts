/** What there is to say of a plan beside itself: its problems, and what it will roughly take. */

import type { Settings } from '../src/config/settings.ts';
import type { Plan } from '../src/plan/plan.ts';
import type { Price } from '../src/types.ts';
import type { Context } from './context.ts';
import type { Judgement } from './render/plan.ts';

export async function judge(context: Context, plan: Plan, settings: Settings): Promise<Judgement> {
  const [{ problemsOf }, { estimateOf }, roles, price] = await Promise.all([
    import('../src/plan/graph.ts'),
    import('../src/plan/estimate.ts'),
    context.roles(settings.base ?? 'HEAD'),
    priceFor(context, settings),
  ]);
  return { problems: problemsOf(plan, [...roles.byName.keys()]), estimate: estimateOf(plan, price) };
}

/** Of the model that would do the work; null: there is none, or its price is not known. */
export async function priceFor(context: Context, { engine, model }: Settings): Promise<Price | null> {
  const [{ priceOf }, { engineByKeys }, { API_MODEL }] = await Promise.all([
    import('../src/engine/prices.ts'),
    import('./keys.ts'),
    import('../src/engine/api/api-engine.ts'),
  ]);
  if (model !== null) return priceOf(model);
  const name = engine === null ? await engineByKeys(context) : engine.name;
  return name === 'api' ? priceOf(API_MODEL) : null;
}
