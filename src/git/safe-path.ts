/** Paths that git would refuse to check out (read-cache.c, verify_path), refused before they get into a tree. */

import type { Buffer } from 'node:buffer';
import { gitRefuses } from '../keeper/names.ts';

/** Nothing that git refuses lacks all of these: most paths need no closer look. */
const WORTH_A_LOOK = /git|~|[\x80-\xff]|(?:^|\/)\.{0,2}(?:\/|$)/i;

/** Relative, without empty, `.`, `..` or `.git` components under any file system's rules, and without NUL. */
export function isSafePath(path: Buffer, kind: 'file' | 'symlink' | 'delete'): boolean {
  if (path.includes(0)) return false;
  const whole = path.toString('latin1');
  if (!WORTH_A_LOOK.test(whole)) return true;
  const components = whole.split('/');
  // A delete only ever takes something away that is in the base.
  if (kind === 'delete') return !components.includes('');
  const last = components.length - 1;
  return !components.some((name, at) => gitRefuses(name, kind === 'symlink' && at === last));
}
