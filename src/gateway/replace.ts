/** Replaces byte sequences in a stream, the same whatever the chunks are; holds back only what may become one. */

import { Transform } from 'node:stream';

export interface Replacement {
  readonly find: Buffer;
  readonly put: Buffer;
}

const NOTHING = Buffer.alloc(0);

/** Leftmost first, longest first; what was put is not looked at again. */
export class Replacer {
  readonly #replacements: readonly Replacement[];
  readonly #longest: number;
  #held: Buffer = NOTHING;

  /** @param replacements the earlier of two that find the same counts; empty ones find nothing */
  constructor(replacements: readonly Replacement[]) {
    // A stable sort: the first that is found at a place is the longest there.
    this.#replacements = replacements
      .filter(({ find }) => find.length > 0)
      .sort((one, other) => other.find.length - one.find.length);
    this.#longest = this.#replacements[0]?.find.length ?? 0;
  }

  /** What is certain by now; the rest, fewer bytes than the longest sequence, follows. */
  push(chunk: Buffer): Buffer {
    return this.#take(this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]), false);
  }

  /** What was held back. */
  end(): Buffer {
    return this.#take(this.#held, true);
  }

  #take(bytes: Buffer, isLast: boolean): Buffer {
    const out: Buffer[] = [];
    const next = this.#replacements.map(() => -1);
    let at = 0;
    for (;;) {
      const match = this.#leftmost(bytes, at, next);
      const certain = isLast ? bytes.length : this.#holdFrom(bytes, at);
      if (match === null || match.at >= certain) {
        this.#held = bytes.subarray(certain);
        const rest = bytes.subarray(at, certain);
        return out.length === 0 ? rest : Buffer.concat([...out, rest]);
      }
      out.push(bytes.subarray(at, match.at), match.put);
      at = match.at + match.length;
    }
  }

  /** @param next where each sequence was found last, so that it is looked for only once in the same bytes */
  #leftmost(bytes: Buffer, from: number, next: number[]) {
    let best: { readonly at: number; readonly length: number; readonly put: Buffer } | null = null;
    for (const [index, { find, put }] of this.#replacements.entries()) {
      let found = next[index] ?? -1;
      if (found < from) {
        found = bytes.indexOf(find, from);
        if (found === -1) found = Number.POSITIVE_INFINITY;
        next[index] = found;
      }
      if (found < (best?.at ?? Number.POSITIVE_INFINITY)) best = { at: found, length: find.length, put };
    }
    return best;
  }

  /** Where the end begins that more bytes could make a sequence of. */
  #holdFrom(bytes: Buffer, from: number): number {
    for (let at = Math.max(from, bytes.length - this.#longest + 1); at < bytes.length; at += 1) {
      const rest = bytes.length - at;
      for (const { find } of this.#replacements) {
        if (find[0] !== bytes[at] || find.length <= rest) continue;
        if (bytes.compare(find, 0, rest, at) === 0) return at;
      }
    }
    return bytes.length;
  }
}

export function replacing(replacements: readonly Replacement[]): Transform {
  const replacer = new Replacer(replacements);
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      const bytes = replacer.push(chunk);
      callback(null, bytes.length === 0 ? undefined : bytes);
    },
    flush(callback) {
      const bytes = replacer.end();
      callback(null, bytes.length === 0 ? undefined : bytes);
    },
  });
}
