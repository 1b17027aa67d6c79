/** Finds our markers in a shell's output: `RS nonce words… RS`, where RS is the control character 0x1e. */

const RS = 0x1e;
/** Bytes: a marker ends with a path, which may be longer than the kernel takes in one piece. */
const MAX_MARKER = 1 << 16;

export class Markers {
  readonly #begin: Buffer;
  readonly #onOutput: (bytes: Buffer) => void;
  readonly #onMarker: (text: string) => void;
  #held: Buffer = Buffer.alloc(0);

  /** @param onMarker gets what stands after the nonce, without the space */
  constructor(nonce: string, onOutput: (bytes: Buffer) => void, onMarker: (text: string) => void) {
    this.#begin = Buffer.from(`\x1e${nonce} `);
    this.#onOutput = onOutput;
    this.#onMarker = onMarker;
  }

  push(chunk: Buffer): void {
    let bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    for (;;) {
      const at = bytes.indexOf(this.#begin);
      if (at === -1) break;
      const textAt = at + this.#begin.length;
      const end = bytes.indexOf(RS, textAt);
      if (end === -1) {
        // Too long to be one of ours: output like any other.
        if (bytes.length - at > MAX_MARKER) this.#release(bytes, bytes.length);
        else this.#release(bytes, at);
        return;
      }
      if (at > 0) this.#onOutput(bytes.subarray(0, at));
      this.#onMarker(bytes.toString('utf8', textAt, end));
      bytes = bytes.subarray(end + 1);
    }
    this.#release(bytes, bytes.length - this.#beginning(bytes));
  }

  /** Bytes at the end that may be the beginning of a marker. */
  #beginning(bytes: Buffer): number {
    const tail = bytes.subarray(-(this.#begin.length - 1));
    const at = tail.lastIndexOf(RS);
    if (at === -1) return 0;
    const candidate = tail.subarray(at);
    return candidate.equals(this.#begin.subarray(0, candidate.length)) ? candidate.length : 0;
  }

  #release(bytes: Buffer, upTo: number): void {
    if (upTo > 0) this.#onOutput(bytes.subarray(0, upTo));
    this.#held = upTo === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(upTo));
  }
}
