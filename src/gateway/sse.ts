/** Server-sent events out of chunks, as the WHATWG HTML standard parses them; holds at most one event, up to a bound. */

import { LIMITS } from './limits.ts';

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const DATA = Buffer.from('data:');

export class EventReader {
  #line: Buffer[] = [];
  #lineBytes = 0;
  #data: string[] = [];
  #dataBytes = 0;
  #isTooLong = false;
  #atBoundary = true;

  /** Whether the bytes so far end between two events. */
  get atBoundary(): boolean {
    return this.#atBoundary && this.#lineBytes === 0;
  }

  /** The data of each event that the chunk completes; one that is too long is left out. */
  *push(chunk: Buffer): Generator<string> {
    let at = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, at)) {
      this.#hold(chunk.subarray(at, end));
      at = end + 1;
      const line = this.#takeLine();
      if (line.length > 0) this.#field(line);
      else if (!this.#atBoundary) {
        const data = this.#takeEvent();
        if (data !== null) yield data;
      }
    }
    this.#hold(chunk.subarray(at));
  }

  #hold(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#lineBytes += bytes.length;
    if (this.#lineBytes + this.#dataBytes > LIMITS.meteredBytes) this.#isTooLong = true;
    if (!this.#isTooLong) this.#line.push(bytes);
  }

  #takeLine(): Buffer {
    const [only] = this.#line;
    const line = this.#line.length === 1 && only !== undefined ? only : Buffer.concat(this.#line);
    // A line that was too long must not look like the empty one that ends an event.
    const isLong = this.#lineBytes > line.length;
    this.#line = [];
    this.#lineBytes = 0;
    if (isLong) return DATA;
    return line.at(-1) === RETURN ? line.subarray(0, -1) : line;
  }

  #field(line: Buffer): void {
    this.#atBoundary = false;
    if (this.#isTooLong || !line.subarray(0, DATA.length).equals(DATA)) return;
    const value = line.subarray(DATA.length).toString('utf8');
    this.#data.push(value.startsWith(' ') ? value.slice(1) : value);
    this.#dataBytes += line.length;
  }

  #takeEvent(): string | null {
    const data = this.#isTooLong || this.#data.length === 0 ? null : this.#data.join('\n');
    this.#data = [];
    this.#dataBytes = 0;
    this.#isTooLong = false;
    this.#atBoundary = true;
    return data;
  }
}
