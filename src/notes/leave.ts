/** How a note gets in, whoever leaves it: made fit to be shown, cut to size, and not too many of one attempt. */

import { sanitise } from '../sanitise.ts';
import type { NoteRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import type { AttemptId } from '../types.ts';

/** In characters. */
export const LONGEST_NOTE = 4_000;
/** Of one attempt, its summary not counted. */
export const MOST_NOTES = 50;

export interface LeftNote {
  /** Null: a person. */
  readonly attempt: AttemptId | null;
  /** See NewNote. */
  readonly source: string | null;
  readonly text: string;
  /** Of the whole text in bytes, where only its beginning is given. */
  readonly size?: number;
}

export type Leaving =
  /** `note` is null where it was there already. */
  | { readonly note: NoteRecord | null }
  /** For whoever wrote it: `is empty`. */
  | { readonly refused: string };

export function leaveNote(state: State, { attempt, source, text, size }: LeftNote): Leaving {
  const fit = noteText(text, size);
  if (fit === null) return { refused: 'is empty' };
  if (source !== null && state.knowsNote(source)) return { note: null };
  if (attempt !== null && state.countNotes(attempt, 'note') >= MOST_NOTES) {
    return { refused: `is one too many: an attempt may leave ${MOST_NOTES} notes` };
  }
  return { note: state.addNote({ attempt, kind: 'note', source, text: fit }) };
}

/**
 * A text as a note holds it; null where nothing of it can be seen.
 * @param size bytes of the whole text, where `text` is only its beginning
 */
export function noteText(text: string, size: number = Buffer.byteLength(text)): string | null {
  const clean = sanitise(text).trim();
  if (clean === '') return null;
  if (clean.length <= LONGEST_NOTE && size <= Buffer.byteLength(text)) return clean;
  // Half a character would be left of one that is two units long.
  const kept = sanitise(clean.slice(0, LONGEST_NOTE)).replace(/\ufffd$/, '');
  return `${kept}\n[cut: the whole is ${size} bytes]`;
}
