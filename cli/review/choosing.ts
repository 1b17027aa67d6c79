/** What a person takes of a patch, hunk by hunk. Pure. */

import type { Choice, PatchFile, PatchHunk } from '../../src/review/parts.ts';

/** What is answered at once: a hunk, or a file that is taken as one. */
export interface Part {
  readonly file: PatchFile;
  /** From 0. */
  readonly fileAt: number;
  /** Null: all of the file. */
  readonly hunk: PatchHunk | null;
}

export class Choosing {
  readonly parts: readonly Part[];
  readonly #files: readonly PatchFile[];
  readonly #taken: (boolean | null)[];

  constructor(files: readonly PatchFile[]) {
    this.#files = files;
    this.parts = files.flatMap((file, fileAt): Part[] =>
      file.isWhole || file.hunks.length === 0
        ? [{ file, fileAt, hunk: null }]
        : file.hunks.map((hunk) => ({ file, fileAt, hunk })),
    );
    this.#taken = this.parts.map(() => null);
  }

  /** Null: not answered yet. */
  isTaken(at: number): boolean | null {
    return this.#taken[at] ?? null;
  }

  answer(at: number, isTaken: boolean): void {
    this.#taken[at] = isTaken;
  }

  /** This part and all behind it in its file. Gives the first part of the next file. */
  answerFile(at: number, isTaken: boolean): number {
    const fileAt = this.parts[at]?.fileAt;
    let next = at;
    for (; next < this.parts.length && this.parts[next]?.fileAt === fileAt; next += 1) this.#taken[next] = isTaken;
    return next;
  }

  /** This part and all behind it. */
  answerRest(at: number, isTaken: boolean): void {
    this.#taken.fill(isTaken, at);
  }

  get extent(): 'all' | 'some' | 'nothing' {
    if (this.#taken.every((isTaken) => isTaken === true)) return 'all';
    return this.#taken.some((isTaken) => isTaken === true) ? 'some' : 'nothing';
  }

  /** What is not answered is left out. */
  get choice(): Choice {
    const choice = new Map<string, 'all' | ReadonlySet<number>>();
    for (const { file, taken, all } of this.byFile()) {
      if (taken.length === 0) continue;
      const isAll = taken.length === all;
      choice.set(file.path, isAll ? 'all' : new Set(taken.flatMap(({ hunk }) => hunk?.n ?? [])));
    }
    return choice;
  }

  /** Each file with the parts of it that are taken, and how many there are. */
  byFile(): { readonly file: PatchFile; readonly taken: readonly Part[]; readonly all: number }[] {
    const found = this.#files.map((file) => ({ file, taken: [] as Part[], all: 0 }));
    for (const [at, part] of this.parts.entries()) {
      const one = found[part.fileAt];
      if (one === undefined) continue;
      one.all += 1;
      if (this.#taken[at] === true) one.taken.push(part);
    }
    return found;
  }
}
