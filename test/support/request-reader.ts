/** Finds where requests begin in what an HTTP/1.1 client sends over one connection. */

export interface RequestHead {
  readonly method: string;
  /** Without the API's version: `/containers/create?name=…&…`. */
  readonly path: string;
}

/** Bytes to pass on; with the head that they begin with, where a request begins there. */
export interface RequestPiece {
  readonly head: RequestHead | null;
  readonly bytes: Buffer;
}

const HEAD_END = '\r\n\r\n';

export class RequestReader {
  /** The beginning of a head, or of a chunk's size. */
  #held = Buffer.alloc(0);
  #expects: 'head' | 'body' | 'chunk' | 'raw' = 'head';
  /** Of a body, or of a chunk with the line break after it. */
  #left = 0;
  #isLastChunk = false;

  *feed(bytes: Buffer): Generator<RequestPiece> {
    let rest = Buffer.concat([this.#held, bytes]);
    this.#held = Buffer.alloc(0);
    while (rest.length > 0) {
      const length = this.#nextLength(rest);
      if (length === null) {
        this.#held = rest;
        return;
      }
      const piece = rest.subarray(0, length);
      rest = rest.subarray(length);
      yield { head: this.#take(piece), bytes: piece };
    }
  }

  /** Of the piece to be passed on at once; null: more is needed. */
  #nextLength(bytes: Buffer): number | null {
    if (this.#expects === 'raw') return bytes.length;
    if (this.#expects === 'body') return Math.min(this.#left, bytes.length);
    const end = this.#expects === 'head' ? HEAD_END : '\r\n';
    const at = bytes.indexOf(end);
    return at === -1 ? null : at + end.length;
  }

  #take(piece: Buffer): RequestHead | null {
    if (this.#expects === 'head') return this.#begin(piece.toString('latin1'));
    if (this.#expects === 'chunk') {
      const size = Number.parseInt(piece.toString('latin1'), 16);
      this.#isLastChunk = size === 0;
      this.#left = size + '\r\n'.length;
      this.#expects = 'body';
    } else if (this.#expects === 'body') {
      this.#left -= piece.length;
      if (this.#left === 0) this.#expects = this.#isLastChunk ? 'head' : 'chunk';
    }
    return null;
  }

  #begin(head: string): RequestHead {
    const [method = '', target = ''] = head.split(' ', 2);
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    this.#isLastChunk = true;
    this.#left = length;
    if (/^connection:.*upgrade/im.test(head)) this.#expects = 'raw';
    else if (/^transfer-encoding:.*chunked/im.test(head)) this.#expects = 'chunk';
    else this.#expects = length > 0 ? 'body' : 'head';
    return { method, path: target.replace(/^\/v[\d.]+(?=\/)/, '') };
  }
}
