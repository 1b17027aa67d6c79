/**
 * What set-ups made, in the store: `s/<id>/f` lies below every tree, `s/<id>/h` below every home, and `s/<id>/meta.json`
 * says that it is finished. It holds only paths that the tree it was made on does not have.
 */

import { chmodSync, lchownSync, lstatSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CallFault } from '../session/protocol.ts';
import type { AttemptWork } from './attempts.ts';
import { AGENT_UID, isMissing } from './layers.ts';
import type { BytePath } from './names.ts';
import { removeAll } from './remove.ts';
import { run } from './spawn.ts';
import { type TakeOptions, takeUntracked } from './take.ts';

/** What `meta.json` holds. */
export interface SetUp {
  readonly id: string;
  /** Of what it was made: a later run with the same key takes it over. */
  readonly key: string;
  /** The image that its root file system became. */
  readonly image: string;
}

export interface FoundSetUp extends SetUp {
  /** When it was made or last taken over, milliseconds. */
  readonly usedAt: number;
}

/** Everything is the agents', and their own to read: what set-up made as root with a strict umask would be lost to them. */
const GIVE = `chown -hR ${AGENT_UID}:${AGENT_UID} -- "$@" && chmod -R u+rX -- "$@"`;

export class SetUps {
  readonly #store: string;

  constructor(store: string) {
    this.#store = store;
  }

  /** Absolute path of what it left in the workspace. */
  folder(id: string): string {
    return path.join(this.#home(id), 'f');
  }

  /** Absolute path of what it left in the home. */
  homeFolder(id: string): string {
    return path.join(this.#home(id), 'h');
  }

  /** Finished ones. */
  async all(): Promise<FoundSetUp[]> {
    const found = await Promise.all((await readdir(path.join(this.#store, 's'))).map((id) => this.#find(id)));
    return found.filter((one) => one !== null);
  }

  /** Says that it was used now. @throws CallFault KEEPER_NO_SET_UP */
  async touch(id: string): Promise<void> {
    await this.require(id);
    const now = new Date();
    await utimes(this.#meta(id), now, now);
  }

  /** @throws CallFault KEEPER_NO_SET_UP unless it is finished */
  async require(id: string): Promise<void> {
    if ((await this.#find(id)) === null) throw new CallFault('KEEPER_NO_SET_UP', `the store has no set-up ${id}`);
  }

  /**
   * Makes a set-up of what an attempt left, whose container must have ended. Its workspace and home are used up.
   * @returns paths of the tree that it had changed
   */
  async keep(
    setUp: SetUp,
    work: AttemptWork & { readonly home: string },
    options: TakeOptions,
  ): Promise<readonly BytePath[]> {
    const { id, key, image } = setUp;
    await this.#sweep();
    await mkdir(this.folder(id), { recursive: true, mode: 0o755 });
    const changed = await takeUntracked(work.folder, this.folder(id), options);
    // Who moves a folder has to be able to write to it.
    lchownSync(work.home, 0, 0);
    chmodSync(work.home, 0o755);
    await rename(work.home, this.homeFolder(id));
    await run(['sh', '-c', GIVE, 'sh', this.folder(id), this.homeFolder(id)], { cwd: '/', signal: options.signal });
    const unfinished = `${this.#meta(id)}.new`;
    await writeFile(unfinished, `${JSON.stringify({ id, key, image } satisfies SetUp)}\n`, { mode: 0o644 });
    await rename(unfinished, this.#meta(id));
    return changed;
  }

  /** Removes it; one that is not there is fine. No attempt may stand on it. */
  async remove(id: string): Promise<void> {
    // From here on it is unfinished, whatever happens.
    await rm(this.#meta(id), { force: true });
    await removeAll(this.#home(id));
  }

  /** Removes what an interrupted keeper left unfinished: one coordinator at a time makes set-ups, one after the other. */
  async #sweep(): Promise<void> {
    for (const id of await readdir(path.join(this.#store, 's'))) {
      if ((await this.#find(id)) === null) await removeAll(this.#home(id));
    }
  }

  async #find(id: string): Promise<FoundSetUp | null> {
    try {
      const { key, image }: SetUp = JSON.parse(await readFile(this.#meta(id), 'utf8'));
      return { id, key, image, usedAt: lstatSync(this.#meta(id)).mtimeMs };
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  #home(id: string): string {
    return path.join(this.#store, 's', id);
  }

  #meta(id: string): string {
    return path.join(this.#home(id), 'meta.json');
  }
}
