/**
 * What an overlay's upper folder (or a whole copy) says was changed against a base tree: listed with lstat alone, nothing
 * but ignore rules is read. With an overlay the cost follows the change: of the base only the folders on the way are read.
 */

import type { Stats } from 'node:fs';
import { CallFault } from '../session/protocol.ts';
import type { Flag } from '../types.ts';
import { type FoundEntry, ReadRoot } from './files.ts';
import type { IgnoreRules } from './ignore.ts';
import { isAsMade, type Made, MadeBySetUp, NOTHING_MADE } from './made.ts';
import { type BytePath, gitRefuses, isDotGit, join, printable } from './names.ts';
import type { ObjectReader } from './objects.ts';
import { type RulesFile, RulesOnTheWay } from './rules.ts';
import { GITLINK_MODE, isFolder, NO_ENTRIES, type Tree, type TreeEntry } from './tree.ts';

/** A file or symlink that may differ from what the base has at its path. */
export interface Candidate {
  readonly path: BytePath;
  readonly kind: 'file' | 'symlink';
  readonly stat: Stats;
  readonly known: TreeEntry | undefined;
}

export interface Listing {
  readonly deletes: readonly BytePath[];
  /** What the base has at the deleted paths. */
  readonly deleted: readonly TreeEntry[];
  readonly candidates: readonly Candidate[];
  readonly flags: readonly Flag[];
  /** Ignored files and folders, a folder counting once. */
  readonly ignored: number;
}

/** An overlay's upper holds what was changed, and whiteouts. */
export interface UpperView {
  readonly kind: 'upper';
  /** Which of these folders are opaque. */
  opaque(folders: readonly BytePath[]): Promise<ReadonlySet<BytePath>>;
}

/** A copy holds all: what is missing was deleted. A whiteout is a device there like any other. */
export interface WholeView {
  readonly kind: 'whole';
  /** Whether the file at a path is surely still the base's entry, by what was remembered of it. */
  unchanged(path: BytePath, stat: Stats, known: TreeEntry): boolean;
}

export interface ListOptions {
  readonly tree: string;
  readonly objects: ObjectReader;
  /** How to read the folder: as an overlay's upper, or as a whole copy of the tree. */
  readonly view: UpperView | WholeView;
  /** The layer of the set-up that the agent started from: what it left at a path is nobody's change, whatever became of it. */
  readonly made: ReadRoot | null;
  readonly rules: IgnoreRules;
  /** Most entries to list, those of a whole copy that the base has too aside; more is a CallFault COLLECT_TOO_LARGE. */
  readonly maxEntries: number;
}

/** Folders listed between two looks at other requests. */
const FOLDERS_AT_ONCE = 50;

export interface Folder {
  readonly path: BytePath;
  /** What the base tree has there, seen or not. */
  readonly base: Tree;
  /** What the set-up left there, seen or not. */
  readonly made: Made;
  /** The topmost folder on the way that the base does not have. */
  readonly top: BytePath | null;
  /** The base's entries are hidden unless the upper repeats them. */
  readonly opaque: boolean;
  /** The `.gitignore` files that hold for it, from the root down, its own not included. */
  readonly rules: readonly RulesFile[];
}

/** @throws CallFault COLLECT_TOO_LARGE, KEEPER_CHANGED_WHILE_READ, KEEPER_UNREADABLE */
export async function listChanges(upper: string, options: ListOptions): Promise<Listing> {
  const walk = new Walk(new ReadRoot(upper), options);
  await walk.run();
  return walk;
}

class Walk implements Listing {
  readonly deletes: BytePath[] = [];
  readonly deleted: TreeEntry[] = [];
  readonly candidates: Candidate[] = [];
  readonly flags: Flag[] = [];
  ignored = 0;
  readonly #root: ReadRoot;
  readonly #options: ListOptions;
  readonly #made: MadeBySetUp;
  readonly #rules: RulesOnTheWay;
  readonly #changedOfMade = new Set<BytePath>();
  readonly #waiting: Folder[] = [];
  /** Listings of the upper folders that the base has as well. */
  readonly #shared = new Map<BytePath, readonly FoundEntry[]>();
  #opaque: ReadonlySet<BytePath> = new Set();
  #entries = 0;

  constructor(root: ReadRoot, options: ListOptions) {
    this.#root = root;
    this.#options = options;
    this.#made = new MadeBySetUp(options.made);
    const onTooLarge = (path: BytePath) =>
      this.#flag('ignore-rules', path, 'more than 1 MiB of ignore rules: not applied');
    this.#rules = new RulesOnTheWay({ ...options, root, made: this.#made, onTooLarge });
  }

  async run(): Promise<void> {
    const { objects, tree, view } = this.#options;
    const base = await objects.tree(tree);
    if (view.kind === 'upper') {
      await this.#findShared(base);
      const asked = [...this.#shared.keys()].filter((folder) => folder !== '');
      if (asked.length > 0) this.#opaque = await view.opaque(asked);
    }
    this.#waiting.push({
      path: '',
      base,
      made: this.#made.inRoot(),
      top: null,
      opaque: view.kind === 'whole',
      rules: [],
    });
    let visited = 0;
    for (let folder = this.#waiting.pop(); folder !== undefined; folder = this.#waiting.pop()) {
      await this.#visit(folder);
      visited += 1;
      if (visited % FOLDERS_AT_ONCE === 0) await breathe();
    }
    for (const path of this.#changedOfMade) this.#flag('set-up', path, 'made by the set-up, changed: left out');
  }

  /** Opaqueness is asked for with one program, so the folders that can have it are found first. */
  async #findShared(base: Tree): Promise<void> {
    const found: { readonly path: BytePath; readonly base: Tree }[] = [{ path: '', base }];
    for (const folder of found) {
      const entries = this.#list({ ...folder, made: NOTHING_MADE });
      this.#shared.set(folder.path, entries);
      for (const { name, stat } of entries) {
        const known = folder.base.get(name);
        if (known === undefined || !isFolder(known) || !stat.isDirectory()) continue;
        const path = join(folder.path, name);
        if (this.#root.reaches(path)) found.push({ path, base: await this.#options.objects.tree(known.id) });
      }
    }
  }

  async #visit(folder: Folder): Promise<void> {
    const entries = this.#shared.get(folder.path) ?? this.#list(folder);
    const rules = await this.#rules.inside(folder, entries);
    const inside: Folder = { ...folder, rules };
    const seen = new Set<BytePath>();
    const added: FoundEntry[] = [];
    for (const entry of entries) {
      const known = folder.base.get(entry.name);
      if (isDotGit(entry.name)) this.#leaveOutDotGit(folder, entry);
      else if (this.#isWhiteout(entry.stat)) this.#delete(known, join(folder.path, entry.name));
      // What comes in a folder's place is new to git: ignored like anything else.
      else if (known === undefined || (isFolder(known) && !entry.stat.isDirectory())) added.push(entry);
      else await this.#take(inside, entry, known);
      seen.add(entry.name);
    }
    await this.#takeAdded(inside, added);
    if (!folder.opaque) return;
    for (const [name, known] of folder.base) if (!seen.has(name)) this.#delete(known, join(folder.path, name));
  }

  async #takeAdded(folder: Folder, added: readonly FoundEntry[]): Promise<void> {
    const asked = added.map(({ name, stat }) => ({ path: join(folder.path, name), folder: stat.isDirectory() }));
    const ignored = folder.rules.length > 0 && asked.length > 0 ? await this.#rules.ignored(folder.rules, asked) : [];
    for (const [at, entry] of added.entries()) {
      const known = folder.base.get(entry.name);
      if (ignored[at] === true) {
        this.ignored += 1;
        this.#delete(known, join(folder.path, entry.name));
      } else if (known === undefined && this.#isOfSetUp(folder, entry)) this.#leaveOutMade(folder, entry);
      else await this.#take(folder, entry, known);
    }
  }

  async #take(folder: Folder, { name, stat }: FoundEntry, known: TreeEntry | undefined): Promise<void> {
    const path = join(folder.path, name);
    if (!this.#root.reaches(path)) return this.#flag('unsupported-path', path, 'the path is too long: left out');
    if (gitRefuses(name, stat.isSymbolicLink())) {
      return this.#flag('unsupported-path', path, 'git refuses this name: left out');
    }
    if (stat.isDirectory()) {
      return this.#takeFolder({ ...folder, made: this.#made.inside(folder.made, folder.path, name) }, path, known);
    }
    const { view } = this.#options;
    if (view.kind === 'whole' && known !== undefined && view.unchanged(path, stat, known)) return;
    if (stat.isFile() || stat.isSymbolicLink()) {
      if (isFolder(known)) this.#delete(known, path);
      this.candidates.push({ path, kind: stat.isFile() ? 'file' : 'symlink', stat, known });
      return;
    }
    this.#flag('special-file', path, `${specialKind(stat)}: left out`);
    this.#delete(known, path);
  }

  /** @param folder the one that it lies in, with what the set-up left in it itself */
  async #takeFolder(folder: Folder, path: BytePath, known: TreeEntry | undefined): Promise<void> {
    const { made, rules } = folder;
    if (known?.mode === GITLINK_MODE) {
      const inside = this.#list({ path, base: NO_ENTRIES, made }).filter(({ name }) => !made.has(name));
      if (inside.some(({ name, stat }) => !isDotGit(name) && !this.#isWhiteout(stat)))
        this.#flag('submodule', path, 'files inside a submodule are left out');
      return;
    }
    if (known !== undefined && isFolder(known)) {
      const base = await this.#options.objects.tree(known.id);
      const opaque = folder.opaque || this.#opaque.has(path);
      this.#waiting.push({ path, base, made, top: null, opaque, rules });
      return;
    }
    this.#delete(known, path);
    this.#waiting.push({ path, base: NO_ENTRIES, made, top: folder.top ?? path, opaque: false, rules });
  }

  /** Folders are nobody's: what an agent puts into one of the set-up's is its own. */
  #isOfSetUp(folder: Folder, { name, stat }: FoundEntry): boolean {
    return !stat.isDirectory() && folder.made.has(name);
  }

  /** Told once for each of the topmost paths that the base does not have. */
  #leaveOutMade(folder: Folder, { name, stat }: FoundEntry): void {
    const made = folder.made.get(name);
    if (this.#options.view.kind === 'whole' && made !== undefined && isAsMade(stat, made)) return;
    this.#changedOfMade.add(folder.top ?? join(folder.path, name));
  }

  #delete(known: TreeEntry | undefined, path: BytePath): void {
    if (known === undefined) return;
    this.deletes.push(path);
    this.deleted.push(known);
  }

  #leaveOutDotGit(folder: Folder, { name, stat }: FoundEntry): void {
    if (this.#isWhiteout(stat) || folder.made.has(name)) return;
    if (name !== '.git') this.#flag('unsupported-path', join(folder.path, name), 'git refuses this name: left out');
    else if (folder.path !== '') {
      this.#flag('nested-repository', folder.path, 'taken as ordinary files, without its own history');
    }
  }

  #isWhiteout(stat: Stats): boolean {
    return this.#options.view.kind === 'upper' && isWhiteout(stat);
  }

  #list({ path, base, made }: Pick<Folder, 'path' | 'base' | 'made'>): readonly FoundEntry[] {
    const isWhole = this.#options.view.kind === 'whole';
    return this.#root.list(path, (name) => {
      if (isWhole && (base.has(name) || made.has(name))) return;
      this.#entries += 1;
      if (this.#entries <= this.#options.maxEntries) return;
      const limit = this.#options.maxEntries;
      throw new CallFault('COLLECT_TOO_LARGE', `more than ${limit} files and folders were changed`, { limit });
    });
  }

  #flag(code: string, path: BytePath, detail: string): void {
    this.flags.push({ code, path: printable(path), detail });
  }
}

/** Lets other requests of the session have their turn. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Overlay marks a deleted path by a character device 0:0, which no agent can make in one. */
export function isWhiteout(stat: Stats): boolean {
  return stat.isCharacterDevice() && stat.rdev === 0;
}

function specialKind(stat: Stats): string {
  if (stat.isFIFO()) return 'a named pipe';
  return stat.isSocket() ? 'a socket' : 'a device';
}
