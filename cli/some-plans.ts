/** The state of commands that look at a plan in it. */

import { usageError } from '../src/errors.ts';
import type { State } from '../src/state/state.ts';
import type { Context } from './context.ts';

/** @throws usage UNKNOWN_PLAN where there never was any */
export async function somePlans(context: Context, typed: string): Promise<State> {
  const state = await context.readState();
  if (state !== null) return state;
  throw usageError('UNKNOWN_PLAN', `There is no plan ${typed}.`, { hint: 'Nothing was planned here yet.' });
}
