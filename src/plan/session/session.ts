/** The interactive editing of a plan: from what is there and what happens to what is there then, and what is to be done. Pure. */

import { sanitise } from '../../sanitise.ts';
import { replaceTask } from '../edits.ts';
import { type Plan, type PlanTask, planSchema } from '../plan.ts';
import { browsed } from './browse.ts';
import { chosen } from './choose.ts';
import { settled } from './kept.ts';
import type { Key } from './key.ts';
import { lineOf } from './line-editor.ts';
import type { Action, Effect, Mode, SessionState, Setting, Step } from './state.ts';
import { edited, indexOf, just, moved, refused, scrolled, stopped, told } from './steps.ts';
import { entered } from './type.ts';

export function reduce(state: SessionState, action: Action, setting: Setting): Step {
  switch (action.type) {
    case 'key':
      return pressed({ ...state, notice: null }, action.key, setting);
    case 'stored':
      return just(settled({ ...afterChange(state, action.select), stored: action.stored }, indexOf(state)));
    case 'elsewhere':
      return told(settled({ ...state, stored: action.stored }, indexOf(state)), 'refused', elsewhere(action));
    case 'said':
      return just({ ...state, messages: action.messages });
    case 'replied':
      return replied({ ...state, work: null }, action.reply.text, action.reply.plan);
    case 'pieces':
      return split({ ...state, work: null }, action.key, action.pieces);
    case 'unanswered':
      return action.reason === null
        ? told({ ...state, work: null }, 'told', 'Stopped.')
        : told({ ...state, work: null }, 'refused', action.reason);
    case 'refused':
      return refused(state, action.reason);
    case 'edited':
      return just(state.mode.kind === 'typing' ? withText(state, state.mode, action.text) : state);
    case 'scrolled':
      return just({ ...state, scroll: action.to });
  }
}

function pressed(state: SessionState, key: Key, setting: Setting): Step {
  if (key.kind === 'press') {
    if (key.name === 'ctrl-c') {
      if (state.work !== null && !state.work.isStopping) return stopped(state, state.work);
      return { state, effects: [{ type: 'leave', how: 'interrupted' }] };
    }
    if (key.name === 'ctrl-z') return { state, effects: [{ type: 'suspend' }] };
  }
  switch (state.mode.kind) {
    case 'browsing':
      return browsed(state, key, setting);
    case 'typing':
      return entered(state, state.mode, key, setting);
    case 'choosing':
      return chosen(state, state.mode, key, setting);
    case 'moving':
      return reordered(state, key);
    case 'approving':
      return approved(state, key, setting);
    case 'judging':
      return judged(state, state.mode.proposal, key);
  }
}

function reordered(state: SessionState, key: Key): Step {
  const name = key.kind === 'press' ? key.name : key.text;
  const by = name === 'up' || name === 'k' ? -1 : name === 'down' || name === 'j' ? 1 : 0;
  if (by !== 0) return moved(state, by);
  if (name === 'page-up' || name === 'page-down') return moved(state, name === 'page-up' ? -10 : 10);
  if (name === 'home' || name === 'end') return moved(state, name === 'home' ? -Infinity : Infinity);
  const isDone = name === 'enter' || name === 'escape' || name === 'r';
  return just(isDone ? { ...state, mode: { kind: 'browsing' } } : state);
}

function approved(state: SessionState, key: Key, setting: Setting): Step {
  const answer = answerOf(key);
  if (answer === null) return scrolled(state, key);
  if (answer === 'no') return told({ ...state, mode: { kind: 'browsing' }, scroll: 0 }, 'told', 'Not approved yet.');
  const [error] = setting.errorsOf(state.stored.plan);
  return error === undefined ? { state, effects: [{ type: 'approve' }] } : refused(state, `Not yet: ${error}`);
}

function judged(state: SessionState, proposal: Plan, key: Key): Step {
  const answer = answerOf(key);
  if (answer === null) return scrolled(state, key);
  if (answer === 'no') {
    return told({ ...state, mode: { kind: 'browsing' }, scroll: 0 }, 'told', 'The plan stays as it was.');
  }
  return { state, effects: [{ type: 'change', plan: proposal, change: 'what the planner proposed', select: null }] };
}

function answerOf(key: Key): 'yes' | 'no' | null {
  if (key.kind === 'text' && key.text.toLowerCase() === 'y') return 'yes';
  if (key.kind === 'text' && key.text.toLowerCase() === 'n') return 'no';
  return key.kind === 'press' && key.name === 'escape' ? 'no' : null;
}

/** What was typed or chosen is done; moving goes on. */
function afterChange(state: SessionState, select: string | null): SessionState {
  const mode: Mode = state.mode.kind === 'moving' ? state.mode : { kind: 'browsing' };
  return { ...state, mode, selected: select ?? state.selected };
}

function elsewhere({ stored }: Extract<Action, { readonly type: 'elsewhere' }>): string {
  return stored.approvedAt === null
    ? 'The plan was changed elsewhere: here it is as it is now. Your change was not made.'
    : 'The plan was approved elsewhere: it does not change any more.';
}

/** What a model gives is parsed before anybody sees it as a plan. */
function replied(state: SessionState, text: string, plan: Plan | null): Step {
  const effects: Effect[] = [{ type: 'say', from: 'planner', text: sanitise(text) }];
  if (plan === null) return { state: { ...state, scroll: 0 }, effects };
  const { goal } = state.stored.plan;
  const parsed = planSchema.safeParse({ ...plan, goal });
  if (!parsed.success) {
    return { ...refused(state, 'The planner proposed a plan that cannot be read; the plan stays as it was.'), effects };
  }
  if (JSON.stringify(parsed.data) === JSON.stringify(state.stored.plan)) return { state, effects };
  return { state: { ...state, mode: { kind: 'judging', proposal: parsed.data }, scroll: 0 }, effects };
}

function split(state: SessionState, key: string, pieces: readonly PlanTask[]): Step {
  const step = edited(state, replaceTask(state.stored.plan, key, pieces));
  if (step.effects.length === 0) return step;
  return { ...step, state: told(state, 'told', `Split into ${pieces.length}. u takes it back.`).state };
}

function withText(state: SessionState, mode: Extract<Mode, { readonly kind: 'typing' }>, text: string): SessionState {
  return { ...state, mode: { ...mode, line: lineOf(sanitise(text).trimEnd()) } };
}
