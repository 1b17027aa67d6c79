/**
 * What agents find at `/context`: `a/<id>/c`, whose files are ours, and which they can read but neither change nor replace,
 * and in it `outbox`, which is theirs.
 */

import { lchown, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CallFault } from '../session/protocol.ts';
import { AGENT_UID, isMissing } from './layers.ts';
import { NO_NEWS, Outbox, type OutboxNews } from './outbox.ts';

/** Below an attempt's folder. */
const CONTEXT = 'c';
export const OUTBOX = 'c/outbox';
/** Of the news of all outboxes in one answer: a frame of the session holds 1 MiB. */
const MOST_NEWS = 700_000;

export interface ContextContent {
  /** `notes.md` */
  readonly name: string;
  readonly content: Buffer;
}

export interface OutboxAsk {
  readonly id: string;
  /** Files that may be taken. */
  readonly most: number;
}

export class Contexts {
  readonly #store: string;
  readonly #outboxes = new Map<string, Outbox>();

  constructor(store: string) {
    this.#store = store;
  }

  /** For a new attempt, whose folder is there and empty. */
  async prepare(id: string, files: readonly ContextContent[]): Promise<void> {
    this.forget(id);
    await mkdir(this.#in(id, CONTEXT), { mode: 0o755 });
    await mkdir(this.#in(id, OUTBOX), { mode: 0o755 });
    await lchown(this.#in(id, OUTBOX), AGENT_UID, AGENT_UID);
    for (const file of files) await this.put(id, file);
  }

  /** Puts a file in the place of what has its name, at once. Nothing happens where the attempt has no such folder (any more). */
  async put(id: string, { name, content }: ContextContent): Promise<void> {
    if (!/^[a-z][a-z0-9-]{0,30}\.(?:md|json)$/.test(name)) {
      throw new CallFault('KEEPER_BAD_CALL', `not a file of a context: ${JSON.stringify(name)}`);
    }
    const fresh = this.#in(id, CONTEXT, `.${name}.new`);
    try {
      await writeFile(fresh, content, { mode: 0o644 });
      await rename(fresh, this.#in(id, CONTEXT, name));
    } catch (error) {
      if (!isMissing(error)) await rm(fresh, { force: true }).catch(() => {});
      if (!isMissing(error)) throw error;
    }
  }

  /** What is new in each outbox; those that follow in the list may have to wait for the next call. */
  take(asked: readonly OutboxAsk[], final: boolean): Readonly<Record<string, OutboxNews>> {
    let room = MOST_NEWS;
    const told = asked.map(({ id, most }): [string, OutboxNews] => {
      if (room <= 0) return [id, { ...NO_NEWS, more: true }];
      const outbox = this.#outboxes.get(id) ?? new Outbox();
      this.#outboxes.set(id, outbox);
      const news = outbox.look(this.#in(id, OUTBOX), { most, final, room });
      room -= Buffer.byteLength(JSON.stringify(news));
      return [id, news];
    });
    return Object.fromEntries(told);
  }

  forget(id: string): void {
    this.#outboxes.delete(id);
  }

  #in(id: string, ...parts: string[]): string {
    return path.join(this.#store, 'a', id, ...parts);
  }
}
