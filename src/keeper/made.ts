/** What a set-up left in the workspace, as a collection sees it: paths that never are the agent's work. */

import type { Stats } from 'node:fs';
import type { ReadRoot } from './files.ts';
import { type BytePath, join } from './names.ts';

/** What it left in one folder. */
export type Made = ReadonlyMap<BytePath, Stats>;

export const NOTHING_MADE: Made = new Map();

export class MadeBySetUp {
  readonly #root: ReadRoot | null;

  /** @param root its layer; null where there was no set-up */
  constructor(root: ReadRoot | null) {
    this.#root = root;
  }

  inRoot(): Made {
    return this.#list('');
  }

  /** In the folder `name` of `parent`, of which `made` is known. */
  inside(made: Made, parent: BytePath, name: BytePath): Made {
    return made.get(name)?.isDirectory() === true ? this.#list(join(parent, name)) : NOTHING_MADE;
  }

  async content(path: BytePath, stat: Stats): Promise<Buffer> {
    const chunks: Buffer[] = [];
    await this.#root?.read(path, stat, (chunk) => {
      chunks.push(chunk);
    });
    return Buffer.concat(chunks);
  }

  #list(folder: BytePath): Made {
    if (this.#root?.reaches(folder) !== true) return NOTHING_MADE;
    return new Map(this.#root.list(folder, () => {}).map(({ name, stat }) => [name, stat]));
  }
}

/** Whether a copy of it was left alone. */
export function isAsMade(stat: Stats, made: Stats): boolean {
  return stat.mode === made.mode && stat.size === made.size && stat.mtimeMs === made.mtimeMs;
}
