/** What can be chosen from, for each choice. */

import { TASK_SIZES } from '../../types.ts';
import type { Choice, Setting } from './state.ts';

export interface Option {
  readonly value: string;
  readonly label: string;
  /** The key that chooses it at once; null: letters narrow the list instead. */
  readonly hotkey: string | null;
}

const FIELDS: readonly Option[] = [
  { value: 'title', label: 'title', hotkey: 't' },
  { value: 'description', label: 'description', hotkey: 'd' },
  { value: 'acceptance', label: 'acceptance: what must be true in the end', hotkey: 'a' },
  { value: 'files', label: 'files that it will touch', hotkey: 'f' },
  { value: 'size', label: 'size', hotkey: 's' },
];
const SIZES: readonly Option[] = TASK_SIZES.map((size) => ({ value: size, label: size, hotkey: size.slice(0, 1) }));
const SPLITTERS: readonly Option[] = [
  { value: 'planner', label: 'by the planner', hotkey: 'p' },
  { value: 'hand', label: 'by hand', hotkey: 'h' },
];
const ORDERS: readonly Option[] = [
  { value: 'sequence', label: 'one after the other', hotkey: 'o' },
  { value: 'parallel', label: 'at the same time', hotkey: 't' },
];

/** Those that the filter leaves. */
export function optionsOf(choice: Choice, filter: string, setting: Pick<Setting, 'roles'>): readonly Option[] {
  if (choice.of === 'field') return FIELDS;
  if (choice.of === 'size') return SIZES;
  if (choice.of === 'splitter') return SPLITTERS;
  if (choice.of === 'order') return ORDERS;
  const roles = setting.roles.map(({ name, description }) => ({
    ...{ value: name, hotkey: null },
    label: description === '' ? name : `${name}  ${description}`,
  }));
  return roles.filter(({ label }) => label.toLowerCase().includes(filter.toLowerCase()));
}
