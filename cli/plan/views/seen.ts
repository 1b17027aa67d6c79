/** What the views are given. */

import type { SessionState, Setting } from '../../../src/plan/session/state.ts';
import type { Figures } from '../figures.ts';

export interface Seen {
  readonly state: SessionState;
  readonly figures: Figures;
  /** Of what the planner proposes, while that is judged. */
  readonly proposed: Figures | null;
  readonly setting: Pick<Setting, 'roles'>;
  readonly plannerName: string;
  /** Turns while the planner is at work. */
  readonly spinner: string;
}

export interface Area {
  readonly width: number;
  readonly height: number;
}
