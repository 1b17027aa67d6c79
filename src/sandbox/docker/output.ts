/**
 * An agent's output out of its container's log: followed, and read once more where the engine has left something out.
 * Engines rotate a log under its followers and lose whole files to them, or end them before the last entries; what the
 * rotated files still hold is spliced in by its position. What nobody has any more is said in its place.
 */

import { decodeFrame, MAX_LINE, type OutputFrame } from '../../toolbox/frames.ts';
import type { OutputChunk } from '../sandbox.ts';

/** The container's log; read from the oldest entry that is there, to its end or on until the container ends. */
export interface ContainerLog {
  read(follow: boolean): AsyncIterable<OutputChunk>;
  /** Waits for what broke the reading to pass; false: it does not. */
  mended(error: unknown): Promise<boolean>;
  isRunning(): Promise<boolean>;
  /** Lets an engine in trouble get its breath back before it is asked again. */
  pause(): Promise<void>;
}

const NEWLINE = 10;

/** Every byte once, in order; ends with the container. */
export async function* agentOutput(log: ContainerLog): AsyncGenerator<OutputChunk> {
  const splice = new Splice();
  for (;;) {
    try {
      for await (const entry of entriesOf(log.read(true))) {
        // Of what was before the first entry nothing is there: it was read from the oldest.
        if (splice.isBehind(entry)) for await (const kept of entriesOf(log.read(false))) yield* splice.take(kept);
        yield* splice.take(entry);
      }
      if (splice.isWhole) return;
      const goesOn = await log.isRunning();
      for await (const kept of entriesOf(log.read(false))) yield* splice.take(kept);
      if (splice.isWhole) return;
      if (!goesOn) break;
    } catch (error) {
      // Read from the beginning again, nothing of it is told twice.
      if (!(await log.mended(error))) throw error;
    }
    await log.pause();
  }
  yield note('the sandbox was killed; what it printed last may be missing');
}

/** A frame of the toolbox, or what PID 1 said in need, on its stderr and counted apart. */
type Entry = OutputFrame | ({ readonly kind: 'raw'; readonly at: number } & OutputChunk);

/** Knows how far the output has been passed on. */
class Splice {
  #next = 0;
  #nextRaw = 0;
  #began = false;
  /** The last frame of all has come. */
  isWhole = false;

  /** Something before this entry is missing that the log may have. */
  isBehind(entry: Entry): boolean {
    return this.#began && entry.kind !== 'raw' && entry.at > this.#next;
  }

  *take(entry: Entry): Generator<OutputChunk> {
    if (entry.kind === 'raw') {
      const data = entry.data.subarray(Math.max(0, this.#nextRaw - entry.at));
      this.#nextRaw += data.length;
      if (data.length > 0) yield { stream: entry.stream, data };
      return;
    }
    this.#began = true;
    const missing = entry.at - this.#next + (entry.kind === 'dropped' ? entry.count : 0);
    if (missing > 0) {
      this.#next += missing;
      yield note(`${missing} bytes of output were not kept`);
    }
    if (entry.kind === 'end') this.isWhole = true;
    else if (entry.kind === 'bytes' && entry.at + entry.data.length > this.#next) {
      const data = entry.data.subarray(this.#next - entry.at);
      this.#next += data.length;
      yield { stream: entry.stream, data };
    }
  }
}

/** A line of ours in between. */
function note(text: string): OutputChunk {
  return { stream: 'stdout', data: Buffer.from(`\n… ${text} …\n`) };
}

async function* entriesOf(pieces: AsyncIterable<OutputChunk>): AsyncGenerator<Entry> {
  let raw = 0;
  let parts: Buffer[] = [];
  let length = 0;
  for await (const { stream, data } of pieces) {
    if (stream === 'stderr') {
      yield { kind: 'raw', at: raw, stream, data };
      raw += data.length;
      continue;
    }
    for (let rest = data; rest.length > 0; ) {
      const newline = rest.indexOf(NEWLINE);
      const part = newline === -1 ? rest : rest.subarray(0, newline + 1);
      rest = rest.subarray(part.length);
      parts.push(part);
      length += part.length;
      if (newline === -1 && length <= MAX_LINE) continue;
      // Most lines come in one piece: with many agents each copy counts.
      const line = parts.length === 1 ? part : Buffer.concat(parts, length);
      const frame = decodeFrame(line.subarray(0, -1));
      parts = [];
      length = 0;
      // The engine garbled it: what was in it is missed by its position, and looked for again.
      if (frame !== null) yield frame;
    }
  }
}
