/** Hosts that somebody removes from the own settings while a run is at work on them. */

import { readFileSync, statSync } from 'node:fs';
import { hasHost } from '../src/config/hosts-file.ts';

const LOOK_EVERY_MS = 1_000;

/**
 * Whether a host that the file had at first was taken out of it since; one that it never had never is.
 * @param lookEveryMs the file is not looked at more often
 */
export function drainedFrom(file: string, lookEveryMs = LOOK_EVERY_MS): (name: string) => boolean {
  const atFirst = textOf(file);
  let text = atFirst;
  let changedMs = changeOf(file);
  let lookedAt = performance.now();
  return (name) => {
    if (performance.now() - lookedAt >= lookEveryMs) {
      lookedAt = performance.now();
      const now = changeOf(file);
      if (now !== changedMs) text = textOf(file);
      changedMs = now;
    }
    return atFirst !== null && hasHost(atFirst, name) && (text === null || !hasHost(text, name));
  };
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

function changeOf(file: string): number | null {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? null;
}
