/** The notes of a repository, for the engine whose thinking is done on this side. */

import type { Notes } from '../engine/api/notes.ts';
import type { State } from '../state/state.ts';
import { leaveNote } from './leave.ts';
import { fitting, IN_CONTEXT, notesMarkdown } from './render.ts';

export function notesIn(state: State): Notes {
  return {
    share: async ({ id, attempt, text }) => {
      const leaving = leaveNote(state, { attempt, source: `api:${id}`, text });
      return 'refused' in leaving ? leaving.refused : null;
    },
    read: async (attempt) => {
      const notes = fitting(state.notesFor(attempt, IN_CONTEXT.notes), IN_CONTEXT);
      return notes.length === 0 ? null : notesMarkdown(notes);
    },
  };
}
