/** Ignore rules on the way down: the `.gitignore` files that hold in a folder, as the agent sees them. */

import type { Folder, UpperView, WholeView } from './changes.ts';
import type { FoundEntry, ReadRoot } from './files.ts';
import type { AskedPath, IgnoreRules } from './ignore.ts';
import type { MadeBySetUp } from './made.ts';
import { type BytePath, join, parentOf } from './names.ts';
import type { ObjectReader } from './objects.ts';

/** Rules of more bytes than this are not applied: the skeleton lies in memory. */
const LARGEST_RULES = 1 << 20;
const NAME = '.gitignore';

export interface RulesFile {
  readonly folder: BytePath;
  readonly content: Buffer;
}

interface Sources {
  readonly root: ReadRoot;
  readonly view: UpperView | WholeView;
  readonly objects: ObjectReader;
  readonly made: MadeBySetUp;
  readonly rules: IgnoreRules;
  onTooLarge(path: BytePath): void;
}

export class RulesOnTheWay {
  readonly #from: Sources;
  readonly #set = new Set<RulesFile>();

  constructor(from: Sources) {
    this.#from = from;
  }

  /** The rules that hold inside a folder, its own included. */
  async inside(folder: Folder, entries: readonly FoundEntry[]): Promise<readonly RulesFile[]> {
    const content = await this.#ownRules(folder, entries);
    return content === null ? folder.rules : [...folder.rules, { folder: folder.path, content }];
  }

  ignored(rules: readonly RulesFile[], asked: readonly AskedPath[]): Promise<boolean[]> {
    for (const one of rules) {
      if (this.#set.has(one)) continue;
      this.#from.rules.setRules(one.folder, one.content);
      this.#set.add(one);
    }
    return this.#from.rules.ignored(asked);
  }

  async #ownRules(folder: Folder, entries: readonly FoundEntry[]): Promise<Buffer | null> {
    const { root, objects } = this.#from;
    const path = join(folder.path, NAME);
    const own = entries.find(({ name }) => name === NAME);
    if (own !== undefined) {
      // git does not follow a `.gitignore` that is a symlink.
      if (!own.stat.isFile() || !root.reaches(path) || this.#isTooLarge(path, own.stat.size)) return null;
      const chunks: Buffer[] = [];
      await root.read(path, own.stat, (chunk) => {
        chunks.push(chunk);
      });
      return Buffer.concat(chunks);
    }
    const known = folder.opaque ? undefined : folder.base.get(NAME);
    if (known === undefined) return this.#madeRules(folder, path);
    if (!known.mode.startsWith('100')) return null;
    if (this.#isTooLarge(path, await objects.size(known.id))) return null;
    return objects.content(known.id);
  }

  /** Those that the set-up left (a Python environment has some that ignore all that is in it), where they are seen. */
  async #madeRules(folder: Folder, path: BytePath): Promise<Buffer | null> {
    const { view, made } = this.#from;
    const found = folder.made.get(NAME);
    if (view.kind === 'whole' || found?.isFile() !== true || this.#isTooLarge(path, found.size)) return null;
    const way: BytePath[] = [];
    for (let at = folder.path; at !== ''; at = parentOf(at)) way.push(at);
    return (await view.opaque(way)).size > 0 ? null : made.content(path, found);
  }

  #isTooLarge(path: BytePath, bytes: number): boolean {
    if (bytes <= LARGEST_RULES) return false;
    this.#from.onTooLarge(path);
    return true;
  }
}
