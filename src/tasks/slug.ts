/** Ids for people: a task's title, and the slug of it that becomes its id and a part of git ref names. */

import type { TaskId } from '../types.ts';

const MAX_SLUG = 40;
const MAX_TITLE = 72;

/**
 * `title` in `[a-z0-9-]`, at most 40 characters, cut between words where that leaves enough; never starts or ends with
 * `-`. Accents are dropped (`Café` → `cafe`). Empty where nothing is left.
 */
export function slugOf(title: string): string {
  const words = title
    .normalize('NFKD')
    .replace(/[\p{Mark}'’]/gu, '')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
  return cut(words.join('-'), MAX_SLUG, '-');
}

/**
 * A function that gives one new id after another: the slug of the title, `-2`, `-3` … appended where `isTaken` says so
 * (never longer than 40 characters), `task-<seq>` where the title leaves nothing. What it gave counts as taken.
 */
export function idMaker(isTaken: (id: string) => boolean): (title: string, seq: number) => TaskId {
  const given = new Set<string>();
  const lastNumber = new Map<string, number>();
  const taken = (id: string) => given.has(id) || isTaken(id);
  return (title, seq) => {
    const slug = slugOf(title) || `task-${seq}`;
    let id = slug;
    let n = lastNumber.get(slug) ?? 1;
    while (taken(id)) {
      n += 1;
      id = `${cut(slug, MAX_SLUG - `-${n}`.length, '-')}-${n}`;
    }
    lastNumber.set(slug, n);
    given.add(id);
    return id as TaskId;
  };
}

/** A title for a task without one: the first line of its description that says something, at most 72 characters, cut between words. */
export function titleOf(description: string): string {
  const line = description.split(/[\r\n\u2028\u2029]+/).find((text) => text.trim() !== '') ?? '';
  return cut(line.trim().replace(/\s+/g, ' '), MAX_TITLE, ' ');
}

/** At most `length` characters of `text`, up to the last `separator` if that keeps at least half of them. */
function cut(text: string, length: number, separator: string): string {
  if (text.length <= length) return text;
  const end = text.lastIndexOf(separator, length);
  // A character outside the basic plane is two code units: never keep the first alone.
  const hard = text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '');
  const kept = end >= length / 2 ? text.slice(0, end) : hard;
  return kept.endsWith(separator) ? kept.slice(0, -separator.length) : kept;
}
