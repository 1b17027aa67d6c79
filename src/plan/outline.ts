/** A tree of any number of files in few lines: the top levels are listed, what lies below is counted. */

interface Folder {
  readonly path: string;
  readonly depth: number;
  /** All files below. */
  fileCount: number;
  /** Names of the first files that are in it itself. */
  readonly files: string[];
  ownFiles: number;
  readonly folders: Map<string, Folder>;
}

interface Bounds {
  readonly lines: number;
  readonly bytes: number;
}

const MOST_FOLDERS = 20_000;
const DEEPEST = 6;
/** Of one folder, as many of its files and of its folders are named. */
const MOST_NAMED = 40;
const LONGEST_LINE = 200;

/** What others made and what is only data: counted, never listed. */
const NOISE =
  /^(?:node_modules|vendor|third[_-]party|dist|build|out|target|__pycache__|__snapshots__|snapshots|fixtures|testdata|assets|static|public|locales?|i18n|\.git.*|\.idea|\.vscode)$/i;
/** Where a project's own code is. */
const CODE =
  /^(?:src|app|apps|lib|libs|cmd|cli|internal|pkg|packages|modules|services|server|backend|api|frontend|web|client|ui|core)$/i;

export class TreeOutline {
  readonly #root: Folder = newFolder('', 0);
  readonly #shown: (path: string) => string;
  #folders = 1;

  /** @param shown how a path is written in the lines */
  constructor(shown: (path: string) => string) {
    this.#shown = shown;
  }

  get fileCount(): number {
    return this.#root.fileCount;
  }

  /** @param path with `/` between names */
  add(path: string): void {
    const names = path.split('/');
    const file = names.pop() ?? '';
    let folder = this.#root;
    folder.fileCount += 1;
    for (const name of names) {
      const next = folder.folders.get(name) ?? this.#open(folder, name);
      if (next === null) return;
      folder = next;
      folder.fileCount += 1;
    }
    folder.ownFiles += 1;
    if (folder.files.length < MOST_NAMED) folder.files.push(file);
  }

  #open(parent: Folder, name: string): Folder | null {
    if (parent.depth >= DEEPEST || this.#folders >= MOST_FOLDERS) return null;
    const folder = newFolder(`${parent.path}${name}/`, parent.depth + 1);
    parent.folders.set(name, folder);
    this.#folders += 1;
    return folder;
  }

  /** Level by level, a folder is listed if that still fits, and stays one counted line otherwise. */
  lines(most: Bounds): string[] {
    const listed = new Set<Folder>([this.#root]);
    let left = costOf(this.#own(this.#root), this.#foldersOf(this.#root), most);
    let level = this.#namedFolders(this.#root);
    while (level.length > 0) {
      for (const folder of level.toSorted(byWorth)) {
        if (NOISE.test(nameOf(folder))) continue;
        const after = costOf(this.#own(folder), this.#foldersOf(folder), left);
        const gained = { lines: after.lines + 1, bytes: after.bytes + sizeOf(this.#summary(folder)) };
        if (gained.lines < 0 || gained.bytes < 0) continue;
        left = gained;
        listed.add(folder);
      }
      level = level.filter((folder) => listed.has(folder)).flatMap((folder) => this.#namedFolders(folder));
    }
    const lines = [...this.#written(this.#root, listed)];
    return fitted(lines, most);
  }

  *#written(folder: Folder, listed: ReadonlySet<Folder>): Generator<string> {
    for (const inner of this.#namedFolders(folder)) {
      if (listed.has(inner)) yield* this.#written(inner, listed);
      else yield this.#summary(inner);
    }
    yield* this.#own(folder);
  }

  /** Lines of what is in a folder itself but its named folders. */
  #own(folder: Folder): string[] {
    const named = this.#namedFolders(folder);
    const below = named.reduce((sum, inner) => sum + inner.fileCount, 0);
    const more = folder.fileCount - below - folder.files.length;
    const files = folder.files.map((file) => this.#line(`${folder.path}${file}`));
    return more > 0 ? [...files, `${this.#line(folder.path)} (${more} more files)`.trimStart()] : files;
  }

  #foldersOf(folder: Folder): string[] {
    return this.#namedFolders(folder).map((inner) => this.#summary(inner));
  }

  #namedFolders(folder: Folder): Folder[] {
    return [...folder.folders.values()].toSorted(byWorth).slice(0, MOST_NAMED).toSorted(byPath);
  }

  #summary(folder: Folder): string {
    return `${this.#line(folder.path)} (${folder.fileCount} ${folder.fileCount === 1 ? 'file' : 'files'})`;
  }

  #line(path: string): string {
    const shown = this.#shown(path);
    return shown.length <= LONGEST_LINE ? shown : `…${shown.slice(-LONGEST_LINE)}`;
  }
}

function newFolder(path: string, depth: number): Folder {
  return { path, depth, fileCount: 0, files: [], ownFiles: 0, folders: new Map() };
}

function nameOf({ path }: Folder): string {
  return path.slice(path.lastIndexOf('/', path.length - 2) + 1, -1);
}

/** Code first, what others made last, small folders before large ones: more of them fit. */
function byWorth(a: Folder, b: Folder): number {
  const rank = (folder: Folder) => (NOISE.test(nameOf(folder)) ? 2 : CODE.test(nameOf(folder)) ? 0 : 1);
  return rank(a) - rank(b) || entries(a) - entries(b) || byPath(a, b);
}

function entries({ ownFiles, folders }: Folder): number {
  return ownFiles + folders.size;
}

function byPath(a: Folder, b: Folder): number {
  return a.path < b.path ? -1 : 1;
}

/** UTF-8 with the newline. */
function sizeOf(line: string): number {
  return Buffer.byteLength(line) + 1;
}

function costOf(files: readonly string[], folders: readonly string[], left: Bounds): Bounds {
  const bytes = [...files, ...folders].reduce((sum, line) => sum + sizeOf(line), 0);
  return { lines: left.lines - files.length - folders.length, bytes: left.bytes - bytes };
}

/** The root alone may be more than is wanted, where names are long. */
function fitted(lines: readonly string[], most: Bounds): string[] {
  const kept: string[] = [];
  let bytes = 0;
  for (const line of lines) {
    bytes += sizeOf(line);
    if (kept.length === most.lines || bytes > most.bytes) break;
    kept.push(line);
  }
  return kept;
}
