/** How a collection travels: a sequence of records, each a fixed head, a path and a body. */

import { ProtocolError } from '../session/protocol.ts';
import type { ByteReader, Outbound } from '../session/streams.ts';

export const RECORD = {
  /** Body: JSON of a Flag. */
  flag: 1,
  delete: 2,
  file: 3,
  executable: 4,
  /** Body: the target. */
  symlink: 5,
  /** Body: the resulting tree's id in hexadecimal; the last record. */
  tree: 6,
  /** A file, or an executable one, whose content the base has. Body: the blob's id in hexadecimal. */
  known: 7,
  knownExecutable: 8,
} as const;
type RecordKind = (typeof RECORD)[keyof typeof RECORD];

export interface RecordHead {
  readonly kind: RecordKind;
  readonly path: Buffer;
  /** Bytes of the body that follows. */
  readonly size: number;
}

/** u8 kind, u32 bytes of the path, u64 bytes of the body. */
const HEAD = 13;
const LONGEST_PATH = 1 << 13;
/** Small records are sent together, in pieces of about this many bytes. */
const PIECE = 1 << 15;
const KINDS: ReadonlySet<number> = new Set(Object.values(RECORD));

/** Gathers small writes; `flush` must come last. */
export class RecordWriter {
  readonly #out: Pick<Outbound, 'write'>;
  #chunks: Buffer[] = [];
  #held = 0;

  constructor(out: Pick<Outbound, 'write'>) {
    this.#out = out;
  }

  /** The body's bytes, exactly `size` of them, come by `body`. */
  async head(kind: RecordKind, path: Buffer, size: number): Promise<void> {
    const head = Buffer.allocUnsafe(HEAD);
    head.writeUInt8(kind, 0);
    head.writeUInt32BE(path.length, 1);
    head.writeBigUInt64BE(BigInt(size), 5);
    await this.body(head);
    await this.body(path);
  }

  async body(chunk: Buffer): Promise<void> {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    if (this.#held >= PIECE) await this.flush();
  }

  async flush(): Promise<void> {
    const bytes = Buffer.concat(this.#chunks, this.#held);
    this.#chunks = [];
    this.#held = 0;
    await this.#out.write(bytes);
  }
}

/** @throws ProtocolError when the bytes are no record */
export async function readHead(reader: ByteReader): Promise<RecordHead> {
  const head = await reader.read(HEAD);
  const kind = head.readUInt8(0);
  const length = head.readUInt32BE(1);
  const size = Number(head.readBigUInt64BE(5));
  if (!isKind(kind) || length > LONGEST_PATH || !Number.isSafeInteger(size)) {
    throw new ProtocolError('a record of a collection is malformed');
  }
  return { kind, path: await reader.read(length), size };
}

function isKind(kind: number): kind is RecordKind {
  return KINDS.has(kind);
}
