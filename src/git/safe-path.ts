/** Paths that git would refuse to check out (read-cache.c, verify_path), refused before they get into a tree. */

import type { Buffer } from 'node:buffer';

/** Code points that HFS+ ignores in names (utf8.c, next_hfs_char): `.g\u200cit` is `.git` there. */
const IGNORED_BY_HFS = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;
/** `.git` on file systems that fold case, drop trailing dots and spaces, or have streams and short names (is_ntfs_dotgit). */
const DOT_GIT = /^(?:\.git|git~1)[ .]*(?:$|[:\\])/i;

/** Relative, without empty, `.`, `..` or `.git` components under any file system's rules, and without NUL. */
export function isSafePath(path: Buffer, kind: 'file' | 'symlink' | 'delete'): boolean {
  if (path.includes(0)) return false;
  const components = path.toString('latin1').split('/');
  // A delete only ever takes something away that is in the base.
  if (components.some((component) => component === '')) return false;
  if (kind === 'delete') return true;
  const names = path.toString('utf8').split(/[/\\]/);
  if (components.some((component) => component === '.' || component === '..')) return false;
  if (names.some((name) => DOT_GIT.test(name.replace(IGNORED_BY_HFS, '')))) return false;
  return !(kind === 'symlink' && names.at(-1)?.replace(IGNORED_BY_HFS, '').toLowerCase() === '.gitmodules');
}
