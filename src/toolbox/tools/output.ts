/**
 * The output of one call: its beginning and its end are held, never more. When there is more it all goes into a file
 * below the agent's home too, where the agent can look for what is missing.
 */

import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { printable } from './printable.ts';

/** Bytes of an answer: half of it from the beginning, half from the end. */
const MAX_ANSWER = 100_000;
const HALF = MAX_ANSWER / 2;
const MAX_FILE = 64 * 1024 * 1024;
const MAX_FILES = 16;

/** Where outputs are kept. Files are numbered; the oldest ones go. */
export class OutputFolder {
  #last = 0;

  constructor(readonly folder: string) {}

  /** @throws where the disk does not take it */
  create(): { readonly file: string; readonly descriptor: number } {
    mkdirSync(this.folder, { recursive: true });
    for (;;) {
      this.#last += 1;
      const file = this.#fileOf(this.#last);
      try {
        const descriptor = openSync(file, 'wx', 0o600);
        rmSync(this.#fileOf(this.#last - MAX_FILES), { force: true });
        return { file, descriptor };
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      }
    }
  }

  #fileOf(number: number): string {
    return path.join(this.folder, `${number}.txt`);
  }
}

type Kept =
  | { readonly file: string; readonly descriptor: number; bytes: number; complete: boolean }
  | { readonly problem: string };

export class Output {
  readonly #folder: OutputFolder;
  #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #total = 0;
  #kept: Kept | null = null;

  constructor(folder: OutputFolder) {
    this.#folder = folder;
  }

  push(chunk: Buffer): void {
    this.#total += chunk.length;
    if (this.#total > MAX_ANSWER) {
      this.#kept ??= this.#open();
      this.#keep(chunk);
    }
    const forHead = chunk.subarray(0, HALF - this.#headBytes);
    // Copies: a slice would hold on to the whole of what was read from the pipe.
    if (forHead.length > 0) this.#head.push(Buffer.from(forHead));
    this.#headBytes += forHead.length;
    const rest = chunk.subarray(forHead.length);
    if (rest.length === 0) return;
    this.#tail.push(
      rest.length < chunk.length || rest.length < HALF ? Buffer.from(rest) : Buffer.from(rest.subarray(-HALF)),
    );
    this.#tailBytes += Math.min(rest.length, HALF);
    if (this.#tailBytes > 4 * HALF) this.#trim();
  }

  /** What there was; closes the file. */
  end(): string {
    this.#trim();
    if (this.#kept !== null && 'descriptor' in this.#kept) closeSync(this.#kept.descriptor);
    const left = this.#total - this.#headBytes - this.#tailBytes;
    if (left === 0) return printable(Buffer.concat([...this.#head, ...this.#tail]));
    return `${printable(Buffer.concat(this.#head))}\n${this.#gap(left)}\n${printable(Buffer.concat(this.#tail))}`;
  }

  #gap(left: number): string {
    const kept = this.#kept;
    const where =
      kept === null || 'problem' in kept
        ? `the whole output could not be kept: ${kept?.problem}`
        : kept.complete
          ? `the whole output is in ${kept.file}`
          : `the first ${kept.bytes} bytes of the output are in ${kept.file}`;
    return `[… ${left} bytes left out here; ${where} …]`;
  }

  #trim(): void {
    const tail = Buffer.concat(this.#tail);
    this.#tail = [Buffer.from(tail.subarray(-HALF))];
    this.#tailBytes = Math.min(tail.length, HALF);
  }

  /** With what there was so far. */
  #open(): Kept {
    try {
      const kept: Kept = { ...this.#folder.create(), bytes: 0, complete: true };
      this.#kept = kept;
      for (const chunk of [...this.#head, ...this.#tail]) this.#keep(chunk);
      return kept;
    } catch (error) {
      return { problem: error instanceof Error ? error.message : String(error) };
    }
  }

  #keep(chunk: Buffer): void {
    const kept = this.#kept;
    if (kept === null || 'problem' in kept || !kept.complete) return;
    const room = MAX_FILE - kept.bytes;
    try {
      kept.bytes += writeSync(kept.descriptor, chunk.subarray(0, room));
      if (chunk.length > room) kept.complete = false;
    } catch {
      // The disk is full: what is there is what is kept.
      kept.complete = false;
    }
  }
}
