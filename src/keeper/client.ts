/** The host's side of the keeper: typed calls over the two sessions in the keeper's container. */

import type { Duplex, Readable } from 'node:stream';
import { environmentError, failure } from '../errors.ts';
import { Caller, type OpenedCall } from '../session/caller.ts';
import { keepBeating } from '../session/heartbeat.ts';
import { CallFault, ProtocolError } from '../session/protocol.ts';
import type { ObjectId, WorkspaceKind } from '../types.ts';
import { type Collection, readCollection } from './collection.ts';
import type { ContextContent, OutboxAsk } from './contexts.ts';
import type { OutboxNews } from './outbox.ts';

export type { Collection } from './collection.ts';
export type { OutboxNews } from './outbox.ts';

/** How sessions are opened: each is one `serve` program in the keeper's container. */
export interface KeeperTransport {
  /** The standard input and output of a new program that runs as root (`keeper`) or as the agents' user (`agent`). */
  open(user: 'keeper' | 'agent'): Promise<Duplex>;
}

export interface TreeLayer {
  readonly tree: ObjectId;
  /** The tree it is a difference to; null for a whole tree. */
  readonly from: ObjectId | null;
  readonly depth: number;
}

export interface KeptSetUp {
  readonly id: string;
  /** Of what it was made. */
  readonly key: string;
  /** The image that its root file system became. */
  readonly image: string;
  /** When it was made or last used, milliseconds. */
  readonly usedAt: number;
}

/** Where a set-up lies, relative to the store: below a tree's folders and below the home. */
export function setUpFolders(id: string): { readonly workspace: string; readonly home: string } {
  return { workspace: `s/${id}/f`, home: `s/${id}/h` };
}

/** Where what an attempt finds at `/context` lies, relative to the store. */
export function contextFolder(attempt: string): string {
  return `a/${attempt}/c`;
}

interface LayerRequest {
  readonly tree: ObjectId;
  readonly commit: ObjectId;
  readonly objectFormat: 'sha1' | 'sha256';
  /** A git pack, not thin. Read to its end, or destroyed when it is not needed. */
  readonly pack: Readable;
}

type NewLayer = LayerRequest & { readonly from: ObjectId | null };

/** Made a second time they would not do the same: whoever asked for the whole begins it again. */
const NOT_REPEATED: ReadonlySet<string> = new Set([
  ...['openLayer', 'fillLayer', 'fillHistory', 'finishLayer', 'keepSetUp'],
]);

/**
 * All calls may run side by side. They reject with an OrchestrateError: `failure` where the keeper says no
 * (COLLECT_TOO_LARGE, KEEPER_*), `environment` KEEPER_LOST where the session broke, or the keeper hung, in the middle of
 * what is not safe to repeat (laying out, collecting, keeping a set-up), or twice; the next call opens a new one.
 */
export class KeeperClient implements AsyncDisposable {
  readonly #transport: KeeperTransport;
  readonly #sessions = new Map<'keeper' | 'agent', Promise<Caller>>();
  readonly #laying = new Map<ObjectId, Promise<void>>();
  #disposed = false;

  constructor(transport: KeeperTransport) {
    this.#transport = transport;
  }

  /** Finished layers, the one that was used last first. */
  async trees(): Promise<TreeLayer[]> {
    const { trees } = await this.#ask<{ trees: TreeLayer[] }>('trees');
    return trees.map(({ tree, from, depth }) => ({ tree, from, depth }));
  }

  /**
   * Lays out a whole tree: raw blob bytes, owned by the agents' user, with a small git repository (branch main at
   * `commit`). `pack` holds the commit and all its objects. A finished layer is left alone; concurrent calls share the work.
   */
  async layTree(layer: LayerRequest): Promise<void> {
    await this.#lay({ ...layer, from: null });
  }

  /** Lays out the difference to the finished layer `from`; `pack` holds what that one lacks. Otherwise as layTree. */
  async layDelta(layer: LayerRequest & { readonly from: ObjectId }): Promise<void> {
    await this.#lay(layer);
  }

  /**
   * Lays out a finished tree's past as a layer of its own, `id` (40 hexadecimal digits): the branch is at the real commit
   * `commit` there, whose history `pack` holds up to the commits in `shallow`.
   */
  async layHistory(
    layer: LayerRequest & { readonly id: ObjectId; readonly shallow: readonly ObjectId[] },
  ): Promise<void> {
    const { id, tree, shallow, commit, objectFormat, pack } = layer;
    await this.#lay({ tree: id, from: tree, commit, objectFormat, pack }, shallow);
  }

  /** The folders that make up a tree, relative to the store, the top one first. */
  async stackOf(tree: ObjectId): Promise<string[]> {
    return (await this.#ask<{ folders: string[] }>('stack', { tree })).folders;
  }

  /** Removes a layer; rejects with KEEPER_LAYER_IN_USE while another stands on it. No attempt may be using it. */
  async removeTree(tree: ObjectId): Promise<void> {
    await this.#ask('removeTree', { tree });
  }

  /**
   * Removes the layers that were used longest ago until the rest is within bounds, and returns them. What is `used` counts
   * as used now and stays, with all that it stands on. While the store has an attempt, none is removed.
   */
  async trim(options: {
    readonly used: readonly ObjectId[];
    /** On the disk. */
    readonly maxBytes: number;
    readonly maxLayers: number;
  }): Promise<ObjectId[]> {
    return (await this.#ask<{ removed: ObjectId[] }>('trim', options)).removed;
  }

  /**
   * Makes the folders of an attempt; the paths are relative to the store.
   * Again for the same attempt: made anew as long as its workspace is empty, then KEEPER_ATTEMPT_EXISTS.
   */
  async prepareAttempt(attempt: {
    readonly id: string;
    readonly homeFiles: readonly { readonly path: string; readonly content: Buffer; readonly mode: number }[];
    /** What it stands on, besides its tree. */
    readonly setUp?: string | null;
    /** What its agent finds at `/context` to begin with; not given: it has no such folder. */
    readonly context?: readonly ContextContent[] | null;
  }): Promise<{ upper: string; work: string; homeUpper: string; homeWork: string }> {
    await this.#prepare('overlay', attempt);
    const under = (name: string) => `a/${attempt.id}/${name}`;
    return { upper: under('u'), work: under('w'), homeUpper: under('h'), homeWork: under('hw') };
  }

  /**
   * The same for a workspace that needs no overlay: a copy of all files of a layer and of those below it, with a git
   * index of true stat data. Costs what the tree holds. The paths are relative to the store.
   */
  async prepareCopy(
    attempt: Parameters<KeeperClient['prepareAttempt']>[0] & { readonly tree: ObjectId },
  ): Promise<{ workspace: string; home: string }> {
    await this.#prepare('copy', attempt);
    await this.#ask('fillCopy', { id: attempt.id, tree: attempt.tree, setUp: attempt.setUp ?? null });
    return { workspace: `a/${attempt.id}/f`, home: `a/${attempt.id}/h` };
  }

  /**
   * Reads what an attempt changed against `tree`. Nothing may write to its workspace from here until `changes` is read
   * to the end (KEEPER_CHANGED_WHILE_READ otherwise).
   * @throws OrchestrateError COLLECT_TOO_LARGE when there are more entries, before anything was read
   */
  async collect(request: {
    readonly attempt: string;
    readonly tree: ObjectId;
    readonly objectFormat: 'sha1' | 'sha256';
    readonly maxEntries: number;
    /** Of changed files, by apparent size; the largest are left out until the rest fits, with the flag `too-large`. */
    readonly maxBytes: number;
  }): Promise<Collection> {
    try {
      const call = (await this.#session('keeper')).call('collect', { ...request });
      return await readCollection(call, asError);
    } catch (error) {
      throw asError(error);
    }
  }

  /** Finished set-ups. */
  async setUps(): Promise<KeptSetUp[]> {
    return (await this.#ask<{ setUps: KeptSetUp[] }>('setUps')).setUps;
  }

  /** Says that a set-up was used now. */
  async touchSetUp(id: string): Promise<void> {
    await this.#ask('touchSetUp', { id });
  }

  /**
   * Makes a set-up of what an attempt left, whose container must have ended: what its tree does not have, given to the
   * agents' user, and its home. Of the tracked paths that it changed, which stay behind, `count` says how many there are.
   */
  async keepSetUp(request: {
    readonly attempt: string;
    readonly tree: ObjectId;
    readonly objectFormat: 'sha1' | 'sha256';
    /** 12 hexadecimal digits; nothing may have that id. */
    readonly id: string;
    readonly key: string;
    readonly image: string;
  }): Promise<{ count: number; changed: readonly string[] }> {
    return this.#ask('keepSetUp', request);
  }

  /** Removes a set-up; rejects with KEEPER_SET_UP_IN_USE while an attempt stands on it. */
  async removeSetUp(id: string): Promise<void> {
    await this.#ask('removeSetUp', { id });
  }

  /** Removes an attempt's folders; its container must be gone. Harmless when they are not there. */
  async removeAttempt(id: string): Promise<void> {
    await this.#ask('removeAttempt', { id });
  }

  /** Whether the marks that an overlay leaves can be read here, after the changes of the probe in an attempt. */
  async readsOverlay(id: string): Promise<boolean> {
    return (await this.#ask<{ readable: boolean }>('readsOverlay', { id })).readable;
  }

  /** Puts files into attempts' contexts, each file at once; attempts that are gone, or have no such folder, are passed over. */
  async putContext(
    contexts: readonly { readonly id: string; readonly files: readonly ContextContent[] }[],
  ): Promise<void> {
    const sizes = contexts.map(({ id, files }) => ({ id, files: files.map(sizeOf) }));
    const body = contexts.flatMap(({ files }) => files.map((file) => file.content));
    await this.#ask('putContext', { contexts: sizes }, body);
  }

  /**
   * What agents have put into their outboxes since the last call, each state of a file once. While somebody may still write
   * (`final` false) a file is told when two calls in a row found it the same.
   */
  async takeNotes(outboxes: readonly OutboxAsk[], final: boolean): Promise<Map<string, OutboxNews>> {
    const { news } = await this.#ask<{ news: Record<string, OutboxNews> }>('takeNotes', { outboxes, final });
    return new Map(Object.entries(news));
  }

  async attempts(): Promise<string[]> {
    return (await this.#ask<{ attempts: string[] }>('attempts')).attempts;
  }

  /** Bytes on the disk that each attempt added to what it started from. */
  async written(): Promise<Map<string, number>> {
    return new Map(Object.entries((await this.#ask<{ bytes: Record<string, number> }>('written')).bytes));
  }

  /** Of the file system that holds the store; and bytes of the host's memory, null where it does not say. */
  async usage(): Promise<{
    bytes: number;
    inodes: number;
    freeBytes: number;
    freeInodes: number;
    memory: { free: number; total: number } | null;
  }> {
    return this.#ask('usage');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    for (const session of this.#sessions.values()) (await session.catch(() => null))?.close();
    this.#sessions.clear();
  }

  async #prepare(workspace: WorkspaceKind, attempt: Parameters<KeeperClient['prepareAttempt']>[0]): Promise<void> {
    const files = attempt.homeFiles.map(({ path, content, mode }) => ({ path, mode, size: content.length }));
    const { id, setUp = null, context = null } = attempt;
    const body = [...attempt.homeFiles, ...(context ?? [])].map((file) => file.content);
    await this.#ask('prepareAttempt', { id, workspace, files, setUp, context: context?.map(sizeOf) ?? null }, body);
  }

  async #lay(layer: NewLayer, shallow: readonly ObjectId[] | null = null): Promise<void> {
    const underWay = this.#laying.get(layer.tree);
    if (underWay !== undefined) {
      layer.pack.destroy();
      return underWay;
    }
    const laying = this.#layOnce(layer, shallow).finally(() => {
      this.#laying.delete(layer.tree);
      layer.pack.destroy();
    });
    this.#laying.set(layer.tree, laying);
    return laying;
  }

  async #layOnce({ pack, ...layer }: NewLayer, shallow: readonly ObjectId[] | null): Promise<void> {
    const { opened } = await this.#ask<{ opened: boolean }>('openLayer', layer);
    if (!opened) return;
    if (shallow === null) await this.#ask('fillLayer', layer, pack);
    else await this.#ask('fillHistory', { ...layer, shallow }, pack);
    await this.#ask('finishLayer', layer);
  }

  /** The keeper is built together with this client: its answers have the shape that the caller names. */
  async #ask<Answer>(
    method: string,
    params: Readonly<Record<string, unknown>> = {},
    body: AsyncIterable<Buffer> | Iterable<Buffer> = [],
  ): Promise<Answer> {
    try {
      return await this.#askOnce<Answer>(method, params, body);
    } catch (error) {
      if (this.#disposed || NOT_REPEATED.has(method) || !isLost(error)) throw asError(error);
    }
    return this.#askOnce<Answer>(method, params, body).catch((error: unknown) => {
      throw asError(error);
    });
  }

  async #askOnce<Answer>(
    method: string,
    params: Readonly<Record<string, unknown>>,
    body: AsyncIterable<Buffer> | Iterable<Buffer>,
  ): Promise<Answer> {
    let call: OpenedCall | null = null;
    try {
      call = (await this.#session(method.startsWith('fill') ? 'agent' : 'keeper')).call(method, params);
      const { result } = call;
      // Whichever fails first is the reason: a broken source, or a keeper that refuses.
      const answer: unknown = await Promise.race([result, call.send(body).then(() => result)]);
      return answer as Answer;
    } catch (error) {
      call?.cancel();
      throw error;
    }
  }

  async #session(user: 'keeper' | 'agent'): Promise<Caller> {
    if (this.#disposed) throw new CallFault('SESSION_LOST', 'the keeper was let go');
    const known = await this.#sessions.get(user);
    if (known !== undefined && !known.isClosed) return known;
    const opening = this.#transport.open(user).then((duplex) => {
      const session = new Caller(duplex);
      keepBeating(session);
      return session;
    });
    this.#sessions.set(user, opening);
    opening.catch(() => this.#sessions.delete(user));
    return opening;
  }
}

function sizeOf({ name, content }: ContextContent): { readonly name: string; readonly size: number } {
  return { name, size: content.length };
}

function isLost(error: unknown): boolean {
  return error instanceof CallFault && error.code === 'SESSION_LOST';
}

/** Our own faults become errors for people; whatever else went wrong (a pack that could not be read) stays itself. */
function asError(error: unknown): unknown {
  if (error instanceof ProtocolError)
    return environmentError('KEEPER_LOST', `the keeper does not make sense: ${error.message}`);
  if (!(error instanceof CallFault)) return error;
  if (error.code === 'SESSION_LOST') return environmentError('KEEPER_LOST', error.message, { cause: error });
  return failure(error.code, error.message, { hint: hintOf(error), cause: error });
}

function hintOf(fault: CallFault): string | undefined {
  if (fault.code !== 'COLLECT_TOO_LARGE') return undefined;
  return 'let a .gitignore name what is generated, or have the task do less';
}
