/** What there is to say of a plan beside itself: its problems, and what it will roughly take. */

import type { Settings } from '../src/config/settings.ts';
import { OrchestrateError } from '../src/errors.ts';
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
  const [{ priceOf }, { chooseEngine }, { keysOf }, { API_MODEL }] = await Promise.all([
    import('../src/engine/prices.ts'),
    import('../src/engine/choose.ts'),
    import('./keys.ts'),
    import('../src/engine/api/api-engine.ts'),
  ]);
  if (model !== null) return priceOf(model);
  if (engine !== null) return engine.name === 'api' ? priceOf(API_MODEL) : null;
  try {
    return chooseEngine((await keysOf(context, await context.repository())).found) === 'api'
      ? priceOf(API_MODEL)
      : null;
  } catch (error) {
    if (error instanceof OrchestrateError && error.code === 'NO_ENGINE') return null;
    throw error;
  }
}
