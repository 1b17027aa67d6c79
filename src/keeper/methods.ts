/** What can be asked of a session; which of it works depends on the user that the session runs as. */

import { chmod, lchown, lstat, mkdir, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CallFault } from '../session/protocol.ts';
import type { Call, Handler } from '../session/serve.ts';
import { ByteReader } from '../session/streams.ts';
import type { WorkspaceKind } from '../types.ts';
import { Attempts, type AttemptWork, type HomeFile } from './attempts.ts';
import { isWhiteout, type UpperView, type WholeView } from './changes.ts';
import { type CollectOptions, findChanges, sendChanges, sendFlags } from './collect.ts';
import { type ContextContent, Contexts, type OutboxAsk } from './contexts.ts';
import { fillCopy, rememberedView } from './copy.ts';
import { ReadRoot } from './files.ts';
import { fillDelta, fillHistory, fillTree } from './fill.ts';
import { hostMemory } from './host-memory.ts';
import { IgnoreRules } from './ignore.ts';
import { AGENT_UID, Layers, type NewLayer } from './layers.ts';
import { attemptParam, objectIdParam, printable } from './names.ts';
import { ObjectReader } from './objects.ts';
import { opaqueFolders } from './opaque.ts';
import { SetUps } from './set-ups.ts';
import type { ObjectFormat } from './tree.ts';
import { type TrimOptions, trimLayers } from './trim.ts';

/** Of changed paths, told to people. */
const MOST_NAMES = 100;

type Params = Readonly<Record<string, unknown>>;

/** Makes the store's own folders where they are missing; to be done by root, before anything else. */
export async function prepareStore(store: string): Promise<void> {
  const folders = [
    { name: 't', mode: 0o755 },
    { name: 'a', mode: 0o711 },
    { name: 'h', mode: 0o755 },
    { name: 's', mode: 0o755 },
  ];
  for (const { name, mode } of folders) {
    await mkdir(path.join(store, name), { recursive: true });
    await chmod(path.join(store, name), mode);
  }
  // The home that every attempt's home lies over.
  await lchown(path.join(store, 'h'), AGENT_UID, AGENT_UID);
}

/** For a session of root. */
export function keeperMethods(store: string): Readonly<Record<string, Handler>> {
  const layers = new Layers(store);
  const attempts = new Attempts(store);
  const contexts = new Contexts(store);
  const setUps = new SetUps(store);
  return {
    trees: async () => ({ trees: await layers.newestFirst() }),
    stack: async ({ params }) => {
      const stack = await layers.stack(objectIdParam(params.tree));
      return { folders: stack.map((layer) => `t/${layer.tree}/f`) };
    },
    openLayer: async ({ params }) => ({ opened: await layers.open(layerParam(params)) }),
    finishLayer: async ({ params }) => layers.finish(layerParam(params)),
    // A workspace stands on layers that nobody wrote down: while there is one, all of them may be in use.
    trim: async ({ params, signal }) => {
      const removed = (await attempts.all()).length > 0 ? [] : await trimLayers(layers, trimParam(params), signal);
      return { removed };
    },
    removeTree: async ({ params }) => layers.remove(objectIdParam(params.tree)),
    prepareAttempt: async (call) => {
      const { params } = call;
      const setUp = params.setUp === null ? null : setUpParam(params.setUp);
      if (setUp !== null) await setUps.require(setUp);
      const kind = kindParam(params.workspace);
      const id = attemptParam(params.id);
      const reader = new ByteReader(call.body);
      await attempts.prepare({ id, kind, files: await homeFiles(params.files, reader), setUp });
      if (params.context !== null) await contexts.prepare(id, await contextFiles(params.context, reader));
    },
    putContext: async ({ params, body }) => {
      const reader = new ByteReader(body);
      for (const { id, files } of listParam(params.contexts)) {
        for (const file of await contextFiles(files, reader)) await contexts.put(attemptParam(id), file);
      }
    },
    takeNotes: async ({ params }) => {
      const asked = listParam(params.outboxes).map(outboxParam);
      return { news: contexts.take(asked, params.final === true) };
    },
    readsOverlay: async ({ params, signal }) => {
      const { folder } = await attempts.work(attemptParam(params.id));
      const gone = await lstat(path.join(folder, 'gone'));
      const opaque = await opaqueFolders(folder, ['made-again'], signal);
      return { readable: isWhiteout(gone) && opaque.has('made-again') };
    },
    attempts: async () => ({ attempts: await attempts.all() }),
    removeAttempt: async ({ params }) => {
      const id = attemptParam(params.id);
      contexts.forget(id);
      await attempts.remove(id);
    },
    collect: async (call) => {
      const work = await attempts.work(attemptParam(call.params.attempt));
      await collect(call, { layers, setUps, work });
    },
    setUps: async () => ({ setUps: await setUps.all() }),
    touchSetUp: async ({ params }) => setUps.touch(setUpParam(params.id)),
    keepSetUp: async (call) => {
      const work = await attempts.work(attemptParam(call.params.attempt));
      return keepSetUp(call, { layers, setUps, work });
    },
    removeSetUp: async ({ params }) => {
      const id = setUpParam(params.id);
      for (const attempt of await attempts.all()) {
        if ((await attempts.setUpOf(attempt)) !== id) continue;
        throw new CallFault('KEEPER_SET_UP_IN_USE', `the set-up is needed by ${attempt}`);
      }
      await setUps.remove(id);
    },
    written: async ({ signal }) => ({ bytes: Object.fromEntries(await attempts.written(signal)) }),
    usage: async () => usage(store),
  };
}

/** For a session of the agents' user. */
export function agentMethods(store: string): Readonly<Record<string, Handler>> {
  return {
    fillLayer: async ({ params, body, signal }) => {
      const layer = layerParam(params);
      const { from } = layer;
      if (from === null) await fillTree(store, layer, { pack: body, signal });
      else await fillDelta(store, { ...layer, from }, { pack: body, signal });
    },
    fillHistory: async ({ params, body, signal }) => {
      const shallow = Array.isArray(params.shallow) ? params.shallow.map(objectIdParam) : [];
      await fillHistory(
        store,
        { ...layerParam(params), from: objectIdParam(params.from), shallow },
        { pack: body, signal },
      );
    },
    fillCopy: async ({ params, signal }) => {
      const setUp = params.setUp === null ? null : setUpParam(params.setUp);
      await fillCopy(store, { attempt: attemptParam(params.id), tree: objectIdParam(params.tree), setUp }, signal);
    },
  };
}

interface Reading {
  readonly layers: Layers;
  readonly setUps: SetUps;
  readonly work: AttemptWork;
}

function viewOf(work: AttemptWork, format: ObjectFormat, signal: AbortSignal): Promise<WholeView> | UpperView {
  if (work.kind === 'copy') return rememberedView(work.memory, format);
  return { kind: 'upper', opaque: (folders) => opaqueFolders(work.folder, folders, signal) };
}

/** Names at most some of the tracked paths that were changed. */
async function keepSetUp({ params, signal }: Call, { layers, setUps, work }: Reading): Promise<unknown> {
  const tree = objectIdParam(params.tree);
  const format = formatParam(params.objectFormat);
  using objects = new ObjectReader(await layers.objects(tree), { format, signal });
  const setUp = { id: setUpParam(params.id), key: textParam(params.key), image: textParam(params.image) };
  const view = await viewOf(work, format, signal);
  const changed = await setUps.keep(setUp, work, { tree, format, objects, view, signal });
  return { count: changed.length, changed: changed.slice(0, MOST_NAMES).map(printable) };
}

/** The flags follow the answer; the changes follow when the client ends its own stream. */
async function collect(call: Call, { layers, setUps, work }: Reading): Promise<void> {
  const { params, signal } = call;
  if (work.setUp !== null) await setUps.require(work.setUp);
  const tree = objectIdParam(params.tree);
  const format = formatParam(params.objectFormat);
  using objects = new ObjectReader(await layers.objects(tree), { format, signal });
  using rules = new IgnoreRules(tmpdir(), signal);
  const options: CollectOptions = {
    tree,
    format,
    objects,
    maxEntries: numberParam(params.maxEntries),
    maxBytes: numberParam(params.maxBytes),
    view: await viewOf(work, format, signal),
    made: work.setUp === null ? null : new ReadRoot(setUps.folder(work.setUp)),
    rules,
  };
  const found = await findChanges(work.folder, options);
  const { ignored, bytes } = found;
  const count = found.deletes.length + found.changed.length;
  await call.reply({ count, bytes, ignored, flags: found.flags.length });
  await sendFlags(found.flags, call.out);
  for await (const _ of call.body) throw new CallFault('KEEPER_BAD_CALL', 'a collection takes no input');
  await sendChanges(work.folder, found, options, call.out);
}

/** Their contents come one after the other in the call's stream. */
async function homeFiles(files: unknown, reader: ByteReader): Promise<HomeFile[]> {
  const read: HomeFile[] = [];
  for (const { path: at, mode, size } of listParam(files)) {
    read.push({ path: textParam(at), mode: numberParam(mode), content: await reader.read(numberParam(size)) });
  }
  return read;
}

/** The same. */
async function contextFiles(files: unknown, reader: ByteReader): Promise<ContextContent[]> {
  const read: ContextContent[] = [];
  for (const { name, size } of listParam(files)) {
    read.push({ name: textParam(name), content: await reader.read(numberParam(size)) });
  }
  return read;
}

/** Bytes and entries of the file system that holds the store, and the memory of the host. */
async function usage(store: string): Promise<Readonly<Record<string, unknown>>> {
  const [{ bsize, blocks, bfree, bavail, files, ffree }, memory] = await Promise.all([statfs(store), hostMemory()]);
  return {
    bytes: (blocks - bfree) * bsize,
    inodes: files - ffree,
    freeBytes: bavail * bsize,
    freeInodes: ffree,
    memory,
  };
}

function layerParam(params: Params): NewLayer {
  return {
    tree: objectIdParam(params.tree),
    from: params.from === null ? null : objectIdParam(params.from),
    commit: objectIdParam(params.commit),
    objectFormat: formatParam(params.objectFormat),
  };
}

function trimParam({ used, maxBytes, maxLayers }: Params): TrimOptions {
  return {
    used: Array.isArray(used) ? used.map(objectIdParam) : [],
    maxBytes: numberParam(maxBytes),
    maxLayers: numberParam(maxLayers),
  };
}

function listParam(value: unknown): readonly Params[] {
  if (Array.isArray(value)) return value.map((one: unknown) => ({ ...(one as Params) }));
  throw new CallFault('KEEPER_BAD_CALL', `not a list: ${JSON.stringify(value)}`);
}

function outboxParam({ id, most }: Params): OutboxAsk {
  return { id: attemptParam(id), most: numberParam(most) };
}

/** It becomes part of a path. */
function setUpParam(value: unknown): string {
  if (typeof value === 'string' && /^[0-9a-f]{12}$/.test(value)) return value;
  throw new CallFault('KEEPER_BAD_CALL', `not a set-up: ${JSON.stringify(value)}`);
}

function textParam(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new CallFault('KEEPER_BAD_CALL', `not a text: ${JSON.stringify(value)}`);
}

function kindParam(value: unknown): WorkspaceKind {
  if (value === 'overlay' || value === 'copy') return value;
  throw new CallFault('KEEPER_BAD_CALL', `not a kind of workspace: ${JSON.stringify(value)}`);
}

function formatParam(value: unknown): ObjectFormat {
  if (value === 'sha1' || value === 'sha256') return value;
  throw new CallFault('KEEPER_BAD_CALL', `not an object format: ${JSON.stringify(value)}`);
}

function numberParam(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new CallFault('KEEPER_BAD_CALL', `not a number: ${JSON.stringify(value)}`);
}
