/** What agents of a run tell each other, as this engine needs it. */

import type { AttemptId } from '../../types.ts';

export interface SharedNote {
  /** The same for the same note, told twice because a coordinator was killed. */
  readonly id: string;
  readonly attempt: AttemptId;
  readonly text: string;
}

export interface Notes {
  /** Keeps a note; one whose id is known already is not kept again. Why it was not taken, for the model; null: it was. */
  share(note: SharedNote): Promise<string | null>;
  /** What others left that concerns this attempt, as Markdown that says whose words these are; null: nothing. */
  read(attempt: AttemptId): Promise<string | null>;
}

export const NO_NOTES: Notes = { share: async () => null, read: async () => null };
