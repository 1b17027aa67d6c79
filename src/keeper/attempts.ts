/**
 * The writable folders of attempts. Overlaid: `a/<id>/{u,w,h,hw}`, workspace upper and work, home upper and work.
 * Copied: `a/<id>/{f,h,x}`, the whole workspace, the home, and what we remember of the copy, which the agent cannot see.
 * Either may have `a/<id>/set-up`, the id of the set-up that it stands on, and `a/<id>/c` (see contexts.ts).
 */

import { chmod, lchown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CallFault } from '../session/protocol.ts';
import type { WorkspaceKind } from '../types.ts';
import { OUTBOX } from './contexts.ts';
import { copiedBytes } from './copy.ts';
import { diskUsage } from './disk-usage.ts';
import { AGENT_UID, isMissing } from './layers.ts';
import { removeAll } from './remove.ts';

export interface HomeFile {
  /** Relative to the home. */
  readonly path: string;
  readonly mode: number;
  readonly content: Buffer;
}

/** Where an attempt's work is, absolute. */
export interface AttemptWork {
  readonly kind: WorkspaceKind;
  /** The overlay's upper, or the whole workspace. */
  readonly folder: string;
  readonly home: string;
  /** Remembers the copy (see copy.ts). */
  readonly memory: string;
  /** The set-up that it stands on. */
  readonly setUp: string | null;
}

export interface NewAttempt {
  readonly id: string;
  readonly kind: WorkspaceKind;
  readonly files: readonly HomeFile[];
  readonly setUp: string | null;
}

/** Folder names by kind; `given` are the agent's own, the others ours. */
const FOLDERS = {
  overlay: { work: 'u', given: ['u', 'h'], ours: ['w', 'hw'] },
  copy: { work: 'f', given: ['f', 'h', 'x'], ours: [] },
} as const;

const SET_UP = 'set-up';

export class Attempts {
  readonly #store: string;

  constructor(store: string) {
    this.#store = store;
  }

  /** @throws CallFault KEEPER_NO_ATTEMPT */
  async work(id: string): Promise<AttemptWork> {
    const home = path.join(this.#store, 'a', id);
    for (const kind of ['overlay', 'copy'] as const) {
      const folder = path.join(home, FOLDERS[kind].work);
      if ((await entries(folder)) === null) continue;
      const setUp = await this.setUpOf(id);
      return { kind, folder, home: path.join(home, 'h'), memory: path.join(home, 'x'), setUp };
    }
    throw new CallFault('KEEPER_NO_ATTEMPT', `the store has no attempt ${id}`);
  }

  /**
   * Makes the folders of an attempt and lays `files` into its home. Made again from nothing when nobody wrote into the
   * workspace yet. @throws CallFault KEEPER_ATTEMPT_EXISTS when somebody did: that is work
   */
  async prepare({ id, kind, files, setUp }: NewAttempt): Promise<void> {
    const home = path.join(this.#store, 'a', id);
    // A copy is work as soon as it is whole; until then it holds nothing of anybody.
    for (const name of ['u', 'x']) {
      const work = await entries(path.join(home, name));
      if (work === null || work.length === 0) continue;
      throw new CallFault('KEEPER_ATTEMPT_EXISTS', `attempt ${id} has work in the store`);
    }
    const { given, ours } = FOLDERS[kind];
    await removeAll(home);
    await mkdir(home, { mode: 0o711 });
    for (const name of ours) await mkdir(path.join(home, name), { mode: 0o700 });
    for (const name of given) await mkdir(path.join(home, name), { mode: 0o755 });
    if (setUp !== null) await writeFile(path.join(home, SET_UP), setUp);
    await layFiles(path.join(home, 'h'), files);
    for (const name of given) await lchown(path.join(home, name), AGENT_UID, AGENT_UID);
  }

  /** The set-up that an attempt stands on. */
  async setUpOf(id: string): Promise<string | null> {
    try {
      return await readFile(path.join(this.#store, 'a', id, SET_UP), 'utf8');
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /** Bytes on the disk beyond what each attempt started from. */
  async written(signal: AbortSignal): Promise<Map<string, number>> {
    const folders: { readonly id: string; readonly path: string }[] = [];
    const bytes = new Map<string, number>();
    for (const id of await this.all()) {
      const home = path.join(this.#store, 'a', id);
      const names = (await entries(home)) ?? [];
      for (const name of ['u', 'f', 'h']) if (names.includes(name)) folders.push({ id, path: path.join(home, name) });
      folders.push({ id, path: path.join(home, OUTBOX) });
      bytes.set(id, names.includes('x') ? -(await copiedBytes(path.join(home, 'x'))) : 0);
    }
    const sizes = await diskUsage(
      folders.map((folder) => folder.path),
      signal,
    );
    for (const { id, path: at } of folders) bytes.set(id, (bytes.get(id) ?? 0) + (sizes.get(at) ?? 0));
    return bytes;
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
      throw new CallFault('KEEPER_BAD_CALL', `not a path inside a home: ${JSON.stringify(file.path)}`);
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
