/** From what was kept of a screen to the screen again. */

import type { PlanMessage } from '../../state/records.ts';
import { taskOf } from '../edits.ts';
import type { StoredPlan } from '../stored.ts';
import { type Kept, keptSchema, type Mode, type SessionState } from './state.ts';

/** The screen as it was when the process ended, however it ended; the beginning where there was none or it cannot be read. */
export function openSession(stored: StoredPlan, messages: readonly PlanMessage[]): SessionState {
  const kept = keptSchema.safeParse(stored.view);
  const fresh: SessionState = {
    ...{ stored, messages, selected: stored.plan.tasks[0]?.key ?? null, marked: [], view: 'discussion', scroll: 0 },
    ...{ mode: { kind: 'browsing' }, work: null, notice: null },
  };
  if (!kept.success) return fresh;
  const { work, ...screen } = kept.data;
  const notice =
    work?.of === 'split'
      ? ({ kind: 'refused', text: 'The planner had not split the task when this ended: s, p asks again.' } as const)
      : null;
  return settled({ ...fresh, ...screen, notice });
}

export function keptOf(state: SessionState): Kept {
  const { selected, marked, view, scroll, mode, work } = state;
  return { selected, marked, view, scroll, mode, work };
}

/** Without what refers to tasks that are gone; `near`: where the selected one was before. */
export function settled(state: SessionState, near = 0): SessionState {
  const { plan } = state.stored;
  const isThere = (key: string) => taskOf(plan, key) !== undefined;
  const selected =
    state.selected !== null && isThere(state.selected)
      ? state.selected
      : (plan.tasks[Math.min(near, plan.tasks.length - 1)]?.key ?? null);
  const key = keyOf(state.mode);
  return {
    ...state,
    selected,
    marked: state.marked.filter(isThere),
    mode: key === null || isThere(key) ? state.mode : { kind: 'browsing' },
  };
}

/** The task that a mode cannot go on without; what somebody typed stays, whatever became of the task. */
function keyOf(mode: Mode): string | null {
  if (mode.kind === 'moving') return mode.key;
  return mode.kind === 'choosing' ? mode.choice.key : null;
}
