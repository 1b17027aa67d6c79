/** What an agent writes, as it writes it: raw bytes on disk, bounded, and told to listeners. */

import { once } from 'node:events';
import { createWriteStream, mkdirSync, readdirSync, renameSync, rmSync, statSync, type WriteStream } from 'node:fs';
import path from 'node:path';
import type { AgentEvent } from '../engine/engine.ts';
import type { OutputChunk, RunningSandbox } from '../sandbox/sandbox.ts';

/** A transcript that grows beyond this starts anew; the part before, its n-th, stays beside it as `<attempt>.log.<n>`. */
const PART_BYTES = 64 * 1024 * 1024;
/** How long after a write that failed the next one is tried, milliseconds. */
const TRY_AGAIN_MS = 5000;

/** Whether there is room for what is good to have and not needed. */
export interface Keeping {
  /** @param written bytes of this transcript that were written already */
  hasRoom(written: number): boolean;
  /** Told once for each transcript, when something of it cannot be kept. */
  onCut(message: string): void;
}

const KEEP_ALL: Keeping = { hasRoom: () => true, onCut: () => {} };

/**
 * Follows the agent's output to its end, into the file `name`, of which the last part and the one before are kept. With a
 * slow disk the engine's log is read more slowly; the agent is never held up. With a full one the transcript is cut, and
 * says so, until there is room again. An attempt that is taken over is read again from the first byte that the engine
 * kept, into a new file.
 */
export async function followOutput(
  name: string,
  running: Pick<RunningSandbox, 'output'>,
  onChunk: (chunk: OutputChunk) => void,
  keeping: Keeping = KEEP_ALL,
): Promise<void> {
  const transcript = new Transcript(name, keeping);
  await transcript.begin();
  try {
    for await (const chunk of running.output()) {
      await transcript.write(chunk.data);
      onChunk(chunk);
    }
  } finally {
    await transcript.end();
  }
}

/** Appends what an agent that thinks on this side says and does to its transcript, which is bounded and cut as any other. */
export class EventTranscript {
  readonly #transcript: Transcript;
  #writing: Promise<void> = Promise.resolve();

  constructor(name: string, keeping: Keeping) {
    this.#transcript = new Transcript(name, keeping);
  }

  write(event: AgentEvent): void {
    if (event.type === 'usage' || event.type === 'result') return;
    const text = event.type === 'text' ? event.text : `\n> ${event.tool}: ${event.detail}\n`;
    this.#writing = this.#writing.then(() => this.#transcript.write(Buffer.from(text)));
  }

  async end(): Promise<void> {
    await this.#writing;
    await this.#transcript.end();
  }
}

/** One file and the part before it. What cannot be written is left out: no transcript is worth an agent's work. */
class Transcript {
  readonly #name: string;
  readonly #keeping: Keeping;
  #file: WriteStream | null = null;
  #written = 0;
  #parts = 0;
  /** Bytes that were left out since the last that were kept, and when that began or was tried last, monotonic. */
  #lost = 0;
  #triedAt = 0;
  #hasTold = false;

  constructor(name: string, keeping: Keeping) {
    this.#name = name;
    this.#keeping = keeping;
  }

  /** Begins anew: removes what an earlier coordinator has of it; whoever reads that keeps what he has open. Never rejects. */
  async begin(): Promise<void> {
    try {
      for (const part of partsBeside(this.#name)) rmSync(part);
      await this.#open();
    } catch (error) {
      this.#cut(0, messageOf(error));
    }
  }

  /** With back-pressure; never rejects. */
  async write(data: Buffer): Promise<void> {
    if (!this.#keeping.hasRoom(this.#parts * PART_BYTES + this.#written))
      return this.#cut(data.length, 'there is hardly any room left on the disk');
    if (this.#lost > 0 && performance.now() - this.#triedAt < TRY_AGAIN_MS) {
      this.#lost += data.length;
      return;
    }
    try {
      const file = await this.#open();
      if (this.#lost > 0) await put(file, Buffer.from(`\n[… ${this.#lost} bytes were not kept …]\n`));
      this.#lost = 0;
      await put(file, data);
      this.#written += data.length;
    } catch (error) {
      this.#cut(data.length, messageOf(error));
    }
  }

  /** Never rejects. */
  async end(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    if (file === null) return;
    await close(file).catch((error: Error) => this.#cut(0, error.message));
  }

  async #open(): Promise<WriteStream> {
    if (this.#file !== null && this.#file.errored === null && this.#written <= PART_BYTES) return this.#file;
    if (this.#file === null) {
      const parts = partsBeside(this.#name).map((part) => Number(part.slice(this.#name.length + 1)));
      this.#parts = Math.max(0, ...parts.filter(Number.isSafeInteger));
      this.#written = statSync(this.#name, { throwIfNoEntry: false })?.size ?? 0;
    }
    if (this.#file?.errored) throw this.#file.errored;
    if (this.#written > PART_BYTES) {
      await this.end();
      renameSync(this.#name, `${this.#name}.${this.#parts + 1}`);
      if (this.#parts > 0) rmSync(`${this.#name}.${this.#parts}`, { force: true });
      this.#parts += 1;
      this.#written = 0;
    }
    const file = createWriteStream(this.#name, { flags: 'a', mode: 0o600 });
    // Else a disk that is full would end the process; what failed shows in the next write, or in the end.
    file.on('error', () => {});
    await once(file, 'open');
    this.#file = file;
    return file;
  }

  #cut(bytes: number, why: string): void {
    this.#lost += bytes;
    this.#triedAt = performance.now();
    this.#file?.end();
    this.#file = null;
    if (this.#hasTold) return;
    this.#hasTold = true;
    this.#keeping.onCut(`the transcript is not kept any further for now: ${why}`);
  }
}

async function put(file: WriteStream, data: Buffer): Promise<void> {
  if (!file.write(data)) await once(file, 'drain');
  if (file.errored !== null) throw file.errored;
}

/** The file and its earlier parts, in a folder that is there from here on. */
function partsBeside(name: string): string[] {
  mkdirSync(path.dirname(name), { recursive: true, mode: 0o700 });
  const base = path.basename(name);
  const found = readdirSync(path.dirname(name)).filter((each) => each === base || each.startsWith(`${base}.`));
  return found.map((each) => path.join(path.dirname(name), each));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function close(file: WriteStream): Promise<void> {
  if (file.errored !== null) throw file.errored;
  file.end();
  await once(file, 'close');
}
