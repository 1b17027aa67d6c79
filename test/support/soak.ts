/** Agents of every kind that a night may bring, drawn by chance, and what each has to end as. */

import type { AttemptOutcome, PatchState } from '../../src/types.ts';

export interface Behaviour {
  /** How many of a hundred, about. */
  readonly weight: number;
  readonly outcome: AttemptOutcome;
  readonly patch: PatchState | null;
  /** For `sh`. */
  readonly script: string;
}

const WORK = 'echo work > "work-$ORCHESTRATE_TASK_ID.txt"';
/** Fills memory beyond any limit here. */
const HOG = `python3 -c 'held = [b"x" * 2**24 for _ in range(100)]'`;
/** Uses the CPU, says nothing. */
const BUSY = 'while :; do :; done';

export const BEHAVIOURS = {
  succeeds: { weight: 30, outcome: 'succeeded', patch: 'pending', script: WORK },
  'fails after work': { weight: 10, outcome: 'failed', patch: 'salvaged', script: `${WORK}; echo broken >&2; exit 3` },
  'ends before work': { weight: 6, outcome: 'no-changes', patch: null, script: 'exit 0' },
  'fails before work': { weight: 6, outcome: 'failed', patch: null, script: 'exit 1' },
  crashes: { weight: 8, outcome: 'failed', patch: 'salvaged', script: `${WORK}; kill -SEGV $$` },
  hangs: { weight: 8, outcome: 'idle', patch: 'salvaged', script: `${WORK}; exec sleep 600` },
  'never ends': {
    ...{ weight: 5, outcome: 'timeout', patch: 'salvaged' },
    script: `${WORK}; while :; do echo on; sleep 1; done`,
  },
  'does not listen': { weight: 2, outcome: 'timeout', patch: 'salvaged', script: `${WORK}; trap '' TERM; ${BUSY}` },
  'out of memory': { weight: 8, outcome: 'oom', patch: 'salvaged', script: `${WORK}; ${HOG}` },
  'endless output': {
    weight: 5,
    outcome: 'timeout',
    patch: 'salvaged',
    script: `${WORK}; exec yes "$ORCHESTRATE_TASK_ID"`,
  },
  'fork bomb': {
    ...{ weight: 5, outcome: 'timeout', patch: 'salvaged' },
    script: `${WORK}; (bomb() { bomb | bomb & }; bomb) 2>/dev/null & ${BUSY}`,
  },
  'fills the disk': {
    ...{ weight: 7, outcome: 'failed', patch: 'salvaged' },
    script: `${WORK}; head -c 48M /dev/zero > big; while :; do echo full; sleep 1; done`,
  },
} as const satisfies Record<string, Behaviour>;
export type Kind = keyof typeof BEHAVIOURS;
const KINDS = Object.keys(BEHAVIOURS) as Kind[];

/** Each kind as often as its weight says. */
const LOTS = KINDS.flatMap((kind) => Array<Kind>(BEHAVIOURS[kind].weight).fill(kind));

/** Kinds in a random order: each at least once, the rest by their weights. */
export function drawn(count: number, random: () => number): Kind[] {
  const kinds = [...KINDS];
  while (kinds.length < count) kinds.push(LOTS[Math.floor(random() * LOTS.length)] ?? 'succeeds');
  for (let at = kinds.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    const [one, two] = [kinds[at], kinds[other]];
    if (one !== undefined && two !== undefined) [kinds[at], kinds[other]] = [two, one];
  }
  return kinds;
}

/** What its task says: the script, after a moment of its own. */
export function descriptionOf(kind: Kind, random: () => number): string {
  return `\`\`\`sh\nsleep ${random().toFixed(2)}; ${BEHAVIOURS[kind].script}\n\`\`\`\n`;
}
