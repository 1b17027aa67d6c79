/** Nothing is being typed or chosen: what each key means. */

import { mergeTasks, removeTask, taskOf, turnPriority } from '../edits.ts';
import { choosing } from './choose.ts';
import type { Key } from './key.ts';
import { numbersOf } from './references.ts';
import type { Mode, SessionState, Setting, Step, View } from './state.ts';
import { edited, indexOf, just, PAGE, refused, scrolled, stopped, told } from './steps.ts';
import { asking, typingOf } from './type.ts';

/** A key of the foot of the screen, and what it is for. */
export const KEYS: readonly (readonly [key: string, what: string])[] = [
  ['a', 'add'],
  ['e', 'edit'],
  ['d', 'delete'],
  ['s', 'split'],
  ['m', 'merge'],
  ['r', 'reorder'],
  ['x', 'dependencies'],
  ['g', 'agent'],
  ['!', 'priority'],
  ['v', 'phases'],
  ['?', 'ask'],
  ['u', 'undo'],
  ['U', 'redo'],
  ['w', 'save and leave'],
  ['p', 'proceed'],
  ['h', 'help'],
];

export function browsed(state: SessionState, key: Key, setting: Setting): Step {
  if (key.kind === 'paste') return refused(state, 'Nothing is being typed: a adds a task, ? asks the planner.');
  const name = key.kind === 'press' ? key.name : key.text;
  const looked = lookedAround(state, key, name);
  if (looked !== null) return looked;
  if (!CHANGES.has(name)) return just(state);
  if (state.work !== null) return refused(state, 'The planner is at work. Esc stops it.');
  if (state.stored.approvedAt !== null) return refused(state, 'The plan is approved: it does not change any more.');
  return changed(state, name, setting);
}

/** Whatever changes nothing of the plan; null: none of these. */
function lookedAround(state: SessionState, key: Key, name: string): Step | null {
  switch (name) {
    case 'w':
    case 'q':
      return { state, effects: [{ type: 'leave', how: 'saved' }] };
    case 'ctrl-d':
      return { state, effects: [{ type: 'leave', how: 'interrupted' }] };
    case 'v':
      return show(state, state.view === 'phases' ? 'tasks' : 'phases');
    case 'h':
      return show(state, state.view === 'keys' ? 'tasks' : 'keys');
    case 'tab':
      return show(state, state.view === 'tasks' ? 'discussion' : 'tasks');
    case 'enter':
      return opened(state);
    case 'escape':
      return back(state);
    case ' ':
      return marked(state);
  }
  if (!MOVES.has(name)) return null;
  if (state.view === 'phases' || state.view === 'task' || state.view === 'keys') return scrolled(state, key);
  if (state.view === 'discussion' && (name === 'page-up' || name === 'page-down')) return talkScrolled(state, name);
  return selected(state, indexOf(state) + (MOVES.get(name) ?? 0));
}

const MOVES: ReadonlyMap<string, number> = new Map([
  ['up', -1],
  ['k', -1],
  ['down', 1],
  ['j', 1],
  ['page-up', -PAGE],
  ['page-down', PAGE],
  ['home', Number.NEGATIVE_INFINITY],
  ['end', Number.POSITIVE_INFINITY],
]);

const CHANGES = new Set(['a', 'e', 'd', 's', 'm', 'r', 'x', 'g', '!', '?', 'u', 'U', 'ctrl-r', 'p']);

function changed(state: SessionState, name: string, setting: Setting): Step {
  switch (name) {
    case 'a':
      return into(state, typingOf({ for: 'add' }));
    case '?':
      return into({ ...state, view: 'discussion', scroll: 0 }, typingOf({ for: 'ask' }));
    case 'u':
      return stepped(state, -1);
    case 'U':
    case 'ctrl-r':
      return stepped(state, 1);
    case 'p':
      return into({ ...state, scroll: 0 }, { kind: 'approving' });
  }
  const { selected: key } = state;
  if (key === null) return refused(state, 'There are no tasks yet: a adds one.');
  return changedTask(state, key, { name, setting });
}

function changedTask(
  state: SessionState,
  key: string,
  { name, setting }: { readonly name: string; readonly setting: Setting },
): Step {
  const { plan } = state.stored;
  const task = taskOf(plan, key);
  switch (name) {
    case 'e':
      return into(state, choosing({ of: 'field', key }));
    case 'd':
      return removed(state, key);
    case 's':
      return into(state, choosing({ of: 'splitter', key }));
    case 'm':
      return merged(state, key);
    case 'r':
      return into({ ...state, view: state.view === 'discussion' ? 'discussion' : 'tasks' }, { kind: 'moving', key });
    case 'x':
      return into(state, typingOf({ for: 'dependencies', key }, numbersOf(plan, task?.dependsOn ?? []).join(' ')));
    case 'g':
      return into(
        state,
        choosing(
          { of: 'role', key },
          setting.roles.findIndex((role) => role.name === task?.role),
        ),
      );
    default:
      return edited(state, turnPriority(plan, key));
  }
}

function into(state: SessionState, mode: Mode): Step {
  return just({ ...state, mode });
}

function show(state: SessionState, view: View): Step {
  return just({ ...state, view, scroll: 0 });
}

function opened(state: SessionState): Step {
  if (state.view === 'discussion' && isUnanswered(state)) {
    return { state: asking(state), effects: [{ type: 'ask' }] };
  }
  return show(state, state.view === 'task' ? 'tasks' : 'task');
}

/** Something was asked, and neither an answer is there nor anybody at work on it. */
export function isUnanswered({ messages, work, stored }: SessionState): boolean {
  return work === null && stored.approvedAt === null && messages.at(-1)?.from === 'you';
}

function back(state: SessionState): Step {
  if (state.work !== null) return stopped(state, state.work);
  if (state.view === 'tasks' || state.view === 'discussion') return just({ ...state, marked: [] });
  return show(state, 'tasks');
}

function marked(state: SessionState): Step {
  const { selected: key } = state;
  if (key === null) return just(state);
  const without = state.marked.filter((one) => one !== key);
  const now = without.length < state.marked.length ? without : [...state.marked, key];
  return selected({ ...state, marked: now }, indexOf(state) + 1);
}

function selected(state: SessionState, index: number): Step {
  const { tasks } = state.stored.plan;
  return just({ ...state, selected: tasks[Math.max(0, Math.min(tasks.length - 1, index))]?.key ?? null });
}

/** The discussion is read from its end. */
function talkScrolled(state: SessionState, name: string): Step {
  return just({ ...state, scroll: Math.max(0, state.scroll + (name === 'page-up' ? PAGE : -PAGE)) });
}

function stepped(state: SessionState, by: -1 | 1): Step {
  const change = by === -1 ? state.stored.undoes : state.stored.redoes;
  if (change === null) return refused(state, by === -1 ? 'There is nothing to undo.' : 'There is nothing to redo.');
  const { state: now } = told(state, 'told', `${by === -1 ? 'Undone' : 'Done again'}: ${change}`);
  return { state: now, effects: [{ type: 'step', by }] };
}

function removed(state: SessionState, key: string): Step {
  const step = edited(state, removeTask(state.stored.plan, key));
  if (step.effects.length === 0) return step;
  const title = taskOf(state.stored.plan, key)?.title ?? key;
  return { ...step, state: told(state, 'told', `Deleted: ${title}. u takes it back.`).state };
}

function merged(state: SessionState, key: string): Step {
  const keys = state.marked.length >= 2 ? state.marked : [...state.marked, key];
  if (new Set(keys).size < 2) return into(state, typingOf({ for: 'merge', key }));
  const step = edited(state, mergeTasks(state.stored.plan, keys));
  return step.effects.length === 0 ? step : { ...step, state: { ...step.state, marked: [] } };
}
