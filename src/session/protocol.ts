/**
 * The wire format of our side-cars and of the toolbox: length-prefixed binary frames over one byte pipe each way.
 * Every request id carries one call, one answer and at most one byte stream in each direction, with credits.
 */

/** Frame: u32 length of what follows, u32 request id, u8 kind, payload. All integers big-endian. */
export const KIND = {
  /** Client: JSON `{method, params}`; opens the request. */
  call: 1,
  /** Server: JSON of the answer; at most once, before `end`. */
  result: 2,
  /** Server: JSON `{code, message, detail}`; closes the request. */
  error: 3,
  /** Either side: bytes of its stream, never more than the credit it has. */
  data: 4,
  /** Client: its stream ends. Server: its stream ends and the request is closed. */
  end: 5,
  /** Either side: u32, so many bytes more may be sent on the other's stream. */
  credit: 6,
  /** Client: give up; the server still closes the request with `end` or `error`. */
  cancel: 7,
} as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

export interface Frame {
  readonly id: number;
  readonly kind: Kind;
  readonly payload: Buffer;
}

/** Bytes of a whole frame without its length field; more is a malformed frame. */
export const MAX_FRAME = 1 << 20;
/** Bytes of one `data` frame, so that streams take turns on the pipe. */
export const MAX_CHUNK = 1 << 16;
/** Bytes of credit that every stream starts with; also the most a receiver holds of one stream. */
export const WINDOW = 1 << 18;

const LENGTH = 4;
const HEAD = 5;
const KINDS: ReadonlySet<number> = new Set(Object.values(KIND));

/** The other side broke the wire format: the session is over. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** A call failed; `code` is for programs, `detail` holds figures that belong to it. */
export class CallFault extends Error {
  override readonly name = 'CallFault';
  readonly code: string;
  readonly detail: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, detail: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.code = code;
    this.detail = detail;
  }
}

/** @throws ProtocolError when the payload is too big for one frame */
export function frameHead(id: number, kind: Kind, payloadBytes: number): Buffer {
  if (payloadBytes + HEAD > MAX_FRAME) throw new ProtocolError(`a frame of ${payloadBytes} bytes is too big to send`);
  const head = Buffer.allocUnsafe(LENGTH + HEAD);
  head.writeUInt32BE(HEAD + payloadBytes, 0);
  head.writeUInt32BE(id, LENGTH);
  head.writeUInt8(kind, LENGTH + 4);
  return head;
}

/** Cuts a byte stream into frames, whatever the chunks are; holds at most one unfinished frame. */
export class FrameDecoder {
  #chunks: Buffer[] = [];
  #size = 0;
  /** Bytes needed before it is worth looking again. */
  #wanted = LENGTH;

  /** @throws ProtocolError on a frame that is too long, too short or of an unknown kind */
  *push(chunk: Buffer): Generator<Frame> {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#wanted) return;
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#size);
    let at = 0;
    this.#wanted = LENGTH;
    while (bytes.length - at >= LENGTH) {
      const length = bytes.readUInt32BE(at);
      if (length < HEAD || length > MAX_FRAME) throw new ProtocolError(`a frame says it has ${length} bytes`);
      if (bytes.length - at - LENGTH < length) {
        this.#wanted = LENGTH + length;
        break;
      }
      const kind = bytes.readUInt8(at + LENGTH + 4);
      if (!isKind(kind)) throw new ProtocolError(`a frame is of the unknown kind ${kind}`);
      yield {
        id: bytes.readUInt32BE(at + LENGTH),
        kind,
        payload: bytes.subarray(at + LENGTH + HEAD, at + LENGTH + length),
      };
      at += LENGTH + length;
    }
    this.#size = bytes.length - at;
    this.#chunks = this.#size === 0 ? [] : [bytes.subarray(at)];
  }

  /** Whether the bytes so far end between two frames. */
  get complete(): boolean {
    return this.#size === 0;
  }
}

function isKind(kind: number): kind is Kind {
  return KINDS.has(kind);
}

/** @throws ProtocolError when it is not a JSON object */
export function parseJson(payload: Buffer): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString('utf8'));
  } catch {
    throw new ProtocolError('a frame does not hold JSON');
  }
  if (typeof value !== 'object' || value === null) throw new ProtocolError('a frame does not hold a JSON object');
  return { ...value };
}

/** @throws ProtocolError when it is not 4 bytes of a number above zero */
export function parseCredit(payload: Buffer): number {
  const credit = payload.length === 4 ? payload.readUInt32BE(0) : 0;
  if (credit === 0) throw new ProtocolError('a frame grants no credit');
  return credit;
}

export function creditPayload(bytes: number): Buffer {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32BE(bytes, 0);
  return payload;
}
