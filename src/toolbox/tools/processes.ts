/** The processes below the sub-reaper, found and ended through /proc. */

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

/** Passes over a population that forks while it is being stopped. */
const MAX_PASSES = 200;
const PASS_MS = 5;

/** All that there are at this moment. */
export function processIds(): ReadonlySet<number> {
  return new Set(readdirSync('/proc').map(Number).filter(Number.isInteger));
}

/** All that descend from `ancestor`, itself not included. */
function descendants(ancestor: number): ReadonlySet<number> {
  const children = new Map<number, number[]>();
  for (const pid of processIds()) {
    const parent = parentOf(pid);
    if (parent === null) continue;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  }
  const found = new Set<number>();
  const open = [ancestor];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    for (const child of children.get(pid) ?? []) {
      if (found.has(child)) continue;
      found.add(child);
      open.push(child);
    }
  }
  return found;
}

/** Null where it is gone or only waits to be reaped. */
function parentOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold anything, parentheses too.
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ', 2);
    return state === 'Z' || state === 'X' ? null : Number(parent);
  } catch {
    return null;
  }
}

/**
 * Ends the descendants of `ancestor` that are not in `spared`. They are stopped first: what forks faster than it is killed
 * comes to rest at the limit of processes that way.
 * @returns false where some are left
 */
export async function endDescendants(ancestor: number, spared: ReadonlySet<number>): Promise<boolean> {
  const stopped = new Set<number>();
  for (let pass = 0; pass < MAX_PASSES; pass += 1) {
    const left = [...descendants(ancestor)].filter((pid) => !spared.has(pid));
    if (left.length === 0) return true;
    const fresh = left.filter((pid) => !stopped.has(pid));
    for (const pid of fresh) {
      signal(pid, 'SIGSTOP');
      stopped.add(pid);
    }
    if (fresh.length === 0) for (const pid of left) signal(pid, 'SIGKILL');
    if (fresh.length === 0) await wait(PASS_MS);
  }
  return false;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone already.
  }
}
