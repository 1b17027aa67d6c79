/** A cursor over the lines of a patch, and the one way in which a patch is refused. */

import { type OrchestrateError, usageError } from '../errors.ts';

/** Two quoted paths of the longest kind fit in. */
const MAX_HEADER_BYTES = 65_536;
const LF = 0x0a;

/** The refusal of a patch. `reason` goes to people: what it quotes must be printable. */
export function badPatch(line: number, reason: string): OrchestrateError {
  return usageError('BAD_PATCH', `The patch is refused at line ${line}: ${reason}.`, {
    hint: 'Make it with `git diff --binary --full-index`; nothing of it was applied.',
  });
}

/** A piece of the patch for a sentence: ASCII, short. */
export function shown(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 60)}...` : text;
  return `"${short.replace(/[^ -~]/g, (one) => `\\x${one.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`;
}

/** Stands at the beginning of a line; `line` is its number, from 1. */
export class PatchText {
  #at = 0;
  #line = 1;

  constructor(readonly bytes: Buffer) {}

  get at(): number {
    return this.#at;
  }

  get line(): number {
    return this.#line;
  }

  get done(): boolean {
    return this.#at >= this.bytes.length;
  }

  /** Whether nothing more can belong to the file that is being read. */
  get atFile(): boolean {
    return this.done || this.begins('diff --git ');
  }

  /** First byte of the line; undefined at the end. */
  get first(): number | undefined {
    return this.bytes[this.#at];
  }

  begins(prefix: string): boolean {
    for (let n = 0; n < prefix.length; n += 1) {
      if (this.bytes[this.#at + n] !== prefix.charCodeAt(n)) return false;
    }
    return true;
  }

  /** Steps over the line, and gives the offset of its LF. */
  skip(): number {
    const end = this.bytes.indexOf(LF, this.#at);
    if (end === -1) throw this.bad(this.done ? 'it ends too early' : 'its last line does not end');
    this.#at = end + 1;
    this.#line += 1;
    return end;
  }

  /** Reads a header line without its LF, one character per byte. */
  header(): string {
    const from = this.#at;
    const line = this.#line;
    const end = this.skip();
    if (end - from > MAX_HEADER_BYTES) throw badPatch(line, 'a header line is too long');
    return this.bytes.toString('latin1', from, end);
  }

  /** Reads a header line that begins like this, and gives what follows; null (and nothing read) for any other line. */
  after(prefix: string): string | null {
    return this.begins(prefix) ? this.header().slice(prefix.length) : null;
  }

  /** The same where nothing else may stand. */
  expect(prefix: string): string {
    const rest = this.after(prefix);
    if (rest === null) throw this.bad(`"${prefix.trim()}" is missing`);
    return rest;
  }

  misplaced(): OrchestrateError {
    return this.bad('this is no part of a patch, or a header line that is out of place');
  }

  bad(reason: string): OrchestrateError {
    return badPatch(this.#line, reason);
  }
}
