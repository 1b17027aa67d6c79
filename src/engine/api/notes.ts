/** What agents of a run tell each other, as this engine needs it. */

export interface SharedNote {
  /** The same for the same note, told twice because a coordinator was killed. */
  readonly id: string;
  readonly text: string;
}

export interface Notes {
  /** Keeps a note; one whose id is known already is not kept again. */
  share(note: SharedNote): Promise<void>;
  /** What others shared, oldest first. */
  read(): Promise<readonly string[]>;
}

export const NO_NOTES: Notes = { share: async () => {}, read: async () => [] };
