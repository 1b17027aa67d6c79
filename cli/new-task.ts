/** What a task must be like to be queued. */

import type { NewTask } from '../src/state/records.ts';

/** Of one description, in bytes of UTF-8. */
export const DESCRIPTION_LIMIT = 1024 ** 2;

/** Why a task cannot be queued, or null. */
export function problemOf(task: Pick<NewTask, 'title' | 'description'>): string | null {
  if (task.description.trim() === '') return 'the description is empty';
  if (Buffer.byteLength(task.description) > DESCRIPTION_LIMIT) return 'the description is larger than 1 MiB';
  if (task.title.length > 500) return 'the title is longer than 500 characters';
  return null;
}
