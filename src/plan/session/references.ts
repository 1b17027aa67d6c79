/** Tasks as people name them: by their numbers in the list. */

import type { Plan } from '../plan.ts';

/** `1 3 5-7` or keys, as keys; or what of it names no task. */
export function keysOf(plan: Plan, text: string): { readonly keys: readonly string[] } | { readonly refused: string } {
  const keys: string[] = [];
  for (const word of text.split(/[\s,]+/).filter((part) => part !== '')) {
    const named = plan.tasks.find((task) => task.key === word && !/^\d+$/.test(word));
    const [, from, to] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(word) ?? [];
    const range = from === undefined ? [] : plan.tasks.slice(Math.max(0, Number(from) - 1), Number(to ?? from));
    const found = named === undefined ? range : [named];
    if (found.length === 0 || from === '0') {
      return { refused: `There is no task ${word}: type numbers of the list, such as 1 3 5-7.` };
    }
    keys.push(...found.map((task) => task.key));
  }
  return { keys: [...new Set(keys)] };
}

/** The numbers of these tasks in the list, in its order. */
export function numbersOf(plan: Plan, keys: readonly string[]): readonly number[] {
  const wanted = new Set(keys);
  return plan.tasks.flatMap((task, index) => (wanted.has(task.key) ? [index + 1] : []));
}
