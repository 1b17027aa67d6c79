/** A text is being typed: what the keys do, and what becomes of it. */

import { addTask, type Edited, type Fields, mergeTasks, setDependencies, setField } from '../edits.ts';
import type { Key } from './key.ts';
import { lineOf, typed } from './line-editor.ts';
import { keysOf } from './references.ts';
import type { Mode, Purpose, SessionState, Setting, Step, TextField } from './state.ts';
import { edited, just, refused } from './steps.ts';

type Typing = Extract<Mode, { readonly kind: 'typing' }>;

export function typingOf(purpose: Purpose, text = ''): Typing {
  return { kind: 'typing', purpose, line: lineOf(text) };
}

export function isMultiline(purpose: Purpose): boolean {
  if (purpose.for === 'field') return purpose.field !== 'title';
  return purpose.for === 'ask' || purpose.for === 'pieces';
}

export function entered(state: SessionState, mode: Typing, key: Key, setting: Setting): Step {
  if (key.kind === 'press') {
    if (key.name === 'escape') return just({ ...state, mode: { kind: 'browsing' } });
    if (key.name === 'enter') return submitted(state, mode, setting);
    if (key.name === 'ctrl-o') return { state, effects: [{ type: 'edit', text: mode.line.text }] };
    if (key.name === 'ctrl-d' && mode.line.text === '') {
      return { state, effects: [{ type: 'leave', how: 'interrupted' }] };
    }
  }
  const line = typed(mode.line, key, { multiline: isMultiline(mode.purpose) });
  return just(line === null ? state : { ...state, mode: { ...mode, line } });
}

function submitted(state: SessionState, { purpose, line }: Typing, setting: Setting): Step {
  const text = line.text.trim();
  const { plan } = state.stored;
  switch (purpose.for) {
    case 'add': {
      if (text === '') return just({ ...state, mode: { kind: 'browsing' } });
      const { role, reason } = setting.roleFor(text);
      return edited(state, addTask(plan, { title: text, role, roleReason: reason }, state.selected));
    }
    case 'field':
      return edited(state, setField(plan, purpose.key, fieldsOf(purpose.field, text)));
    case 'pieces':
      return piecesNamed(state, purpose.key, linesOf(text));
    case 'merge': {
      const named = keysOf(plan, text);
      if ('refused' in named) return refused(state, named.refused);
      return edited(state, mergeTasks(plan, [purpose.key, ...named.keys]));
    }
    case 'dependencies':
      return edited(
        state,
        withKeys(keysOf(plan, text), (keys) => setDependencies(plan, purpose.key, keys)),
      );
    case 'ask':
      if (text === '') return just({ ...state, mode: { kind: 'browsing' } });
      return {
        state: { ...asking(state), mode: { kind: 'browsing' } },
        effects: [{ type: 'say', from: 'you', text }, { type: 'ask' }],
      };
  }
}

export function asking(state: SessionState): SessionState {
  return { ...state, work: { of: 'question', key: null, isStopping: false }, view: 'discussion', scroll: 0 };
}

function withKeys(named: ReturnType<typeof keysOf>, edit: (keys: readonly string[]) => Edited): Edited {
  return 'refused' in named ? named : edit(named.keys);
}

function piecesNamed(state: SessionState, key: string, titles: readonly string[]): Step {
  if (titles.length < 2)
    return refused(state, 'A task is split into two or more: one line for each (Ctrl-J: a new line).');
  return just({ ...state, mode: { kind: 'choosing', choice: { of: 'order', key, titles }, index: 0, filter: '' } });
}

function fieldsOf(field: TextField, text: string): Fields {
  if (field === 'title' || field === 'description') return { [field]: text };
  return { [field]: linesOf(text) };
}

/** One item for each line that says something; the dash of a list is no part of it. */
function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/^\s*[-*•]\s+/, '').trim())
    .filter((line) => line !== '');
}
