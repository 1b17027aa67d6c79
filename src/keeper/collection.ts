/** The stream of a collection as the host reads it: flags at once, changes when they are asked for. */

import type { TreeChange } from '../git/quarantine.ts';
import type { OpenedCall } from '../session/caller.ts';
import { CallFault, ProtocolError } from '../session/protocol.ts';
import { ByteReader } from '../session/streams.ts';
import type { Flag, ObjectId } from '../types.ts';
import { RECORD, type RecordHead, readHead } from './records.ts';

export interface Collection {
  /**
   * Deletes first, then files and symlinks; to be iterated once, each content read before the next change is taken.
   * Taken up and left early, it gives the collection up; never taken up, the keeper holds it until the session ends.
   */
  readonly changes: AsyncIterable<TreeChange>;
  /** The resulting tree as the keeper computed it; resolves after `changes` was read to the end. */
  readonly tree: Promise<ObjectId>;
  readonly flags: readonly Flag[];
  /** Ignored files and folders that are left out, a folder counting once. */
  readonly ignored: number;
  /** Changes; 0 means that the tree is as it was. */
  readonly count: number;
  /** Of the files among them. */
  readonly bytes: number;
}

/** Everything but small bodies is streamed; these are read whole. */
const LARGEST_BODY = 1 << 16;

/** @param asError turns what goes wrong into what the reader of `changes` and `tree` shall see */
export async function readCollection(call: OpenedCall, asError: (error: unknown) => unknown): Promise<Collection> {
  const head = await call.result;
  const reader = new ByteReader(call.stream);
  const flags: Flag[] = [];
  for (let left = Number(head.flags); left > 0; left -= 1) flags.push(await readFlag(reader));

  let settle: { resolve(tree: ObjectId): void; reject(error: unknown): void };
  const tree = new Promise<ObjectId>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Whoever reads the changes learns what went wrong; `tree` may be left alone then.
  tree.catch(() => {});
  async function* changes(): AsyncGenerator<TreeChange, void, undefined> {
    try {
      await call.send([]);
      settle.resolve(yield* readChanges(reader));
    } catch (error) {
      settle.reject(asError(error));
      throw asError(error);
    } finally {
      // Both without effect when all was read.
      call.cancel();
      settle.reject(asError(new CallFault('KEEPER_CANCELLED', 'the changes were not read to the end')));
    }
  }
  return {
    changes: changes(),
    tree,
    flags,
    ignored: Number(head.ignored),
    count: Number(head.count),
    bytes: Number(head.bytes),
  };
}

async function* readChanges(reader: ByteReader): AsyncGenerator<TreeChange, ObjectId, undefined> {
  for (;;) {
    const head = await readHead(reader);
    const { path, size } = head;
    switch (head.kind) {
      case RECORD.delete:
        yield { path, kind: 'delete' };
        break;
      case RECORD.symlink:
        yield { path, kind: 'symlink', target: await readBody(reader, head) };
        break;
      case RECORD.file:
      case RECORD.executable: {
        const content = reader.stream(size);
        yield { path, kind: 'file', mode: head.kind === RECORD.executable ? '100755' : '100644', size, content };
        // What was left of it.
        await reader.drain();
        break;
      }
      case RECORD.known:
      case RECORD.knownExecutable: {
        const id = (await readBody(reader, head)).toString('latin1') as ObjectId;
        if (!/^[0-9a-f]+$/.test(id)) throw new ProtocolError('a record of a collection has no id');
        yield { path, kind: 'known', mode: head.kind === RECORD.knownExecutable ? '100755' : '100644', id };
        break;
      }
      case RECORD.tree: {
        const id = (await readBody(reader, head)).toString('latin1');
        if (!(await reader.atEnd())) throw new ProtocolError('a collection goes on after its end');
        return id as ObjectId;
      }
      default:
        throw new ProtocolError('a flag among the changes');
    }
  }
}

async function readFlag(reader: ByteReader): Promise<Flag> {
  const head = await readHead(reader);
  if (head.kind !== RECORD.flag) throw new ProtocolError('a flag is missing');
  const { code, path, detail } = JSON.parse((await readBody(reader, head)).toString('utf8'));
  return { code, path, detail };
}

function readBody(reader: ByteReader, { size }: RecordHead): Promise<Buffer> {
  if (size > LARGEST_BODY) throw new ProtocolError('a record of a collection is too large');
  return reader.read(size);
}
