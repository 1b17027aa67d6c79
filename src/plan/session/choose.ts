/** Something is being chosen from a list: what the keys do, and what the choice does. */

import { TASK_SIZES } from '../../types.ts';
import { setField, splitTask, taskOf } from '../edits.ts';
import type { Key } from './key.ts';
import { optionsOf } from './options.ts';
import { type Choice, type Mode, type SessionState, type Setting, type Step, TEXT_FIELDS } from './state.ts';
import { edited, just } from './steps.ts';
import { typingOf } from './type.ts';

type Choosing = Extract<Mode, { readonly kind: 'choosing' }>;

export function choosing(choice: Choice, index = 0): Choosing {
  return { kind: 'choosing', choice, index: Math.max(0, index), filter: '' };
}

export function chosen(state: SessionState, mode: Choosing, key: Key, setting: Setting): Step {
  const options = optionsOf(mode.choice, mode.filter, setting);
  const at = (index: number): Step =>
    just({ ...state, mode: { ...mode, index: Math.max(0, Math.min(options.length - 1, index)) } });
  const filtered = (filter: string): Step => just({ ...state, mode: { ...mode, filter, index: 0 } });
  if (key.kind === 'paste') return just(state);
  if (key.kind === 'text') {
    const hot = options.find(({ hotkey }) => hotkey === key.text);
    if (hot !== undefined) return decided(state, mode.choice, hot.value);
    return mode.choice.of === 'role' && mode.filter.length < 100 ? filtered(mode.filter + key.text) : just(state);
  }
  if (key.name === 'up' || key.name === 'down') return at(mode.index + (key.name === 'up' ? -1 : 1));
  if (key.name === 'home' || key.name === 'end') return at(key.name === 'home' ? 0 : options.length - 1);
  if (key.name === 'backspace') return filtered(mode.filter.slice(0, -1));
  if (key.name === 'escape') return just({ ...state, mode: modeBefore(mode.choice) });
  const option = key.name === 'enter' ? options[mode.index] : undefined;
  return option === undefined ? just(state) : decided(state, mode.choice, option.value);
}

/** Titles that were typed are not lost by a look at how they could follow each other. */
function modeBefore(choice: Choice): Mode {
  if (choice.of !== 'order') return { kind: 'browsing' };
  return typingOf({ for: 'pieces', key: choice.key }, choice.titles.join('\n'));
}

function decided(state: SessionState, choice: Choice, value: string): Step {
  const { plan } = state.stored;
  const { key } = choice;
  switch (choice.of) {
    case 'field':
      return fieldChosen(state, key, value);
    case 'size': {
      const size = TASK_SIZES.find((one) => one === value);
      return size === undefined ? just(state) : edited(state, setField(plan, key, { size }));
    }
    case 'role':
      return edited(state, setField(plan, key, { role: value, roleReason: 'chosen by you' }));
    case 'splitter':
      if (value === 'hand') return just({ ...state, mode: typingOf({ for: 'pieces', key }) });
      return {
        state: { ...state, mode: { kind: 'browsing' }, work: { of: 'split', key, isStopping: false } },
        effects: [{ type: 'split', key }],
      };
    case 'order':
      return edited(state, splitTask(plan, key, choice.titles, value === 'sequence' ? 'sequence' : 'parallel'));
  }
}

function fieldChosen(state: SessionState, key: string, value: string): Step {
  const task = taskOf(state.stored.plan, key);
  if (task === undefined) return just(state);
  const field = TEXT_FIELDS.find((one) => one === value);
  if (field === undefined) {
    return just({ ...state, mode: choosing({ of: 'size', key }, TASK_SIZES.indexOf(task.size)) });
  }
  const now = task[field];
  return just({
    ...state,
    mode: typingOf({ for: 'field', key, field }, typeof now === 'string' ? now : now.join('\n')),
  });
}
