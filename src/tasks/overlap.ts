/**
 * Whether two tasks will probably touch the same files. Lists hold paths of the repository and globs: `*` and `?` within a
 * name, `**` over folders; brackets and braces count as `*`. `src/` stands for all below, and so does a last name without
 * a dot, which may well be a folder. Pure.
 */

/** What both lists cover, as one of them writes it (a path rather than a glob); null: nothing. */
export function filesOverlap(a: readonly string[], b: readonly string[]): string | null {
  if (a.length === 0 || b.length === 0) return null;
  const others = b.map(patternOf);
  for (const one of a.map(patternOf)) {
    const other = others.find((each) => each.written === one.written || meet(one.parts, each.parts));
    if (other !== undefined) return one.isGlob ? other.written : one.written;
  }
  return null;
}

export interface Overlap {
  /** Indexes of two lists, the lower first. */
  readonly lists: readonly [number, number];
  readonly file: string;
}

/** Globs are compared with everything; what a hostile plan holds must not make that endless. */
const MOST_COMPARED = 1_000_000;

/** Every two of many lists that overlap, each pair once. */
export function overlapsOf(lists: readonly (readonly string[])[]): Overlap[] {
  const found = new Map<string, Overlap>();
  const tell = (i: number, j: number, file: string): void => {
    const pair: [number, number] = i < j ? [i, j] : [j, i];
    const name = pair.join(' ');
    if (i !== j && !found.has(name)) found.set(name, { lists: pair, file });
  };
  const all = lists.flatMap((list, at) => list.map((file) => ({ at, ...patternOf(file) })));
  const paths = new Map<string, number[]>();
  const folders = new Map<string, number[]>();
  for (const { at, isGlob, isFolder, path } of all) {
    if (isGlob) continue;
    const known = isFolder ? folders : paths;
    known.set(path, [...(known.get(path) ?? []), at]);
  }
  for (const { at, written, isGlob, path } of all) {
    if (isGlob) continue;
    for (const other of paths.get(path) ?? []) tell(at, other, written);
    const names = path.split('/');
    for (let depth = 0; depth <= names.length; depth += 1) {
      for (const other of folders.get(names.slice(0, depth).join('/')) ?? []) tell(at, other, written);
    }
  }
  let compared = 0;
  for (const glob of all.filter(({ isGlob }) => isGlob)) {
    for (const other of all) {
      compared += 1;
      if (compared > MOST_COMPARED) return [...found.values()];
      if (glob.at !== other.at && meet(glob.parts, other.parts)) tell(glob.at, other.at, other.written);
    }
  }
  return [...found.values()];
}

interface Pattern {
  readonly written: string;
  readonly isGlob: boolean;
  readonly isFolder: boolean;
  /** Without what makes it a folder. */
  readonly path: string;
  /** Names and globs of names; `**` for any number of folders. */
  readonly parts: readonly string[];
}

function patternOf(written: string): Pattern {
  const plain = written.replace(/\[[^\]/]*\]|\{[^}/]*\}|[[{]/g, '*');
  const names = plain.split('/').filter((name) => name !== '' && name !== '.');
  const last = names.at(-1) ?? '';
  const isFolder = names.length === 0 || written.endsWith('/') || !/[.*?]/.test(last);
  return {
    written,
    isGlob: /[*?]/.test(plain),
    isFolder,
    path: names.join('/'),
    parts: isFolder ? [...names, '**'] : names,
  };
}

/** Whether some path is covered by both. */
function meet(a: readonly string[], b: readonly string[]): boolean {
  return sequencesMeet(a, b, { any: '**', same: namesMeet });
}

/** Whether some name fits both. */
function namesMeet(a: string, b: string): boolean {
  if (a === b) return true;
  if (!/[*?]/.test(a) && !/[*?]/.test(b)) return false;
  return sequencesMeet([...a], [...b], { any: '*', same: (x, y) => x === y || x === '?' || y === '?' });
}

interface Alphabet {
  /** The item that stands for any number of items. */
  readonly any: string;
  same(a: string, b: string): boolean;
}

/** Whether two sequences with wildcards have a member in common: by a table, since trying all ways takes for ever. */
function sequencesMeet(a: readonly string[], b: readonly string[], { any, same }: Alphabet): boolean {
  // row[j]: what is before `i` in one and before `j` in the other can be the same.
  let row: boolean[] = [true];
  for (const [j, other] of b.entries()) row.push(other === any && row[j] === true);
  for (const one of a) {
    const next: boolean[] = [one === any && row[0] === true];
    for (const [j, other] of b.entries()) {
      const isWild = one === any || other === any;
      // A wildcard stands for nothing, or for one item more.
      const reached = isWild ? row[j + 1] || next[j] : row[j] === true && same(one, other);
      next.push(reached === true);
    }
    row = next;
  }
  return row[b.length] === true;
}
