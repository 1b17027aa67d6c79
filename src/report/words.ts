/** Text of others made fit for a report: one line, printable, of bounded length. Each output escapes it for its own format. */

import { revealLine } from '../sanitise.ts';

const MOST = 300;

/** What cannot be seen is spelled out; what is too long is cut, and says so. */
export function oneLine(text: string, most: number = MOST): string {
  // Cut before as well: a reason may be megabytes long, and spelling out makes it longer.
  const shown = revealLine(text.slice(0, most * 2))
    .replace(/ {2,}/g, ' ')
    .trim();
  const isCut = text.length > most * 2 || shown.length > most;
  return isCut ? `${shown.slice(0, most).replace(/\p{Surrogate}$/u, '')}…` : shown;
}

/** The first so many, and how many there are beyond. */
export interface Listed<T> {
  readonly items: readonly T[];
  readonly leftOut: number;
}

export function listed<T>(items: readonly T[], most: number): Listed<T> {
  return { items: items.slice(0, most), leftOut: Math.max(0, items.length - most) };
}
