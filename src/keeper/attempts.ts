/** The writable folders of attempts: `a/<id>/{u,w,h,hw}`, workspace upper and work, home upper and work. */

import { chmod, lchown, mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { AGENT_UID, isMissing } from './layers.ts';
import { KeeperFault } from './protocol.ts';
import { removeAll } from './remove.ts';

export interface HomeFile {
  /** Relative to the home. */
  readonly path: string;
  readonly mode: number;
  readonly content: Buffer;
}

/** Paths relative to the store. */
export interface AttemptFolders {
  readonly upper: string;
  readonly work: string;
  readonly homeUpper: string;
  readonly homeWork: string;
}

export class Attempts {
  readonly #store: string;

  constructor(store: string) {
    this.#store = store;
  }

  /** Absolute path of the workspace's upper folder; @throws KeeperFault KEEPER_NO_ATTEMPT */
  async upper(id: string): Promise<string> {
    const upper = path.join(this.#store, 'a', id, 'u');
    if ((await entries(upper)) === null) throw new KeeperFault('KEEPER_NO_ATTEMPT', `the store has no attempt ${id}`);
    return upper;
  }

  /**
   * Makes the folders of an attempt and lays `files` into its home. Made again from nothing when nobody wrote into the
   * workspace yet. @throws KeeperFault KEEPER_ATTEMPT_EXISTS when somebody did: that is work
   */
  async prepare(id: string, files: readonly HomeFile[]): Promise<AttemptFolders> {
    const home = path.join(this.#store, 'a', id);
    const work = await entries(path.join(home, 'u'));
    if (work !== null && work.length > 0) {
      throw new KeeperFault('KEEPER_ATTEMPT_EXISTS', `attempt ${id} has work in the store`);
    }
    await removeAll(home);
    await mkdir(home, { mode: 0o711 });
    for (const name of ['w', 'hw']) await mkdir(path.join(home, name), { mode: 0o700 });
    for (const name of ['u', 'h']) await mkdir(path.join(home, name), { mode: 0o755 });
    await layFiles(path.join(home, 'h'), files);
    for (const name of ['u', 'h']) await lchown(path.join(home, name), AGENT_UID, AGENT_UID);
    const under = (name: string) => `a/${id}/${name}`;
    return { upper: under('u'), work: under('w'), homeUpper: under('h'), homeWork: under('hw') };
  }

  async all(): Promise<string[]> {
    return (await entries(path.join(this.#store, 'a'))) ?? [];
  }

  /** Removes an attempt's folders, whatever the agent made of them; one that is not there is fine. */
  async remove(id: string): Promise<void> {
    await removeAll(path.join(this.#store, 'a', id));
  }
}

/** A folder is given away only when nothing has to be put into it any more. */
async function layFiles(home: string, files: readonly HomeFile[]): Promise<void> {
  const folders = new Set<string>();
  for (const file of files) {
    const parts = file.path.split('/');
    if (file.path.includes('\0') || parts.some((part) => part === '' || part === '.' || part === '..')) {
      throw new KeeperFault('KEEPER_BAD_CALL', `not a path inside a home: ${JSON.stringify(file.path)}`);
    }
    for (let depth = 1; depth < parts.length; depth += 1) folders.add(parts.slice(0, depth).join('/'));
  }
  for (const folder of [...folders].sort()) await mkdir(path.join(home, folder), { recursive: true, mode: 0o755 });
  for (const file of files) {
    const at = path.join(home, file.path);
    await writeFile(at, file.content, { flag: 'wx', mode: 0o600 });
    await lchown(at, AGENT_UID, AGENT_UID);
    await chmod(at, file.mode & 0o777);
  }
  for (const folder of folders) await lchown(path.join(home, folder), AGENT_UID, AGENT_UID);
}

async function entries(folder: string): Promise<string[] | null> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
