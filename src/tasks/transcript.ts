/** What an agent writes, as it writes it: raw bytes on disk, bounded, and told to listeners. */

import { once } from 'node:events';
import { appendFileSync, createWriteStream, mkdirSync, renameSync, type WriteStream } from 'node:fs';
import path from 'node:path';
import type { AgentEvent } from '../engine/engine.ts';
import type { OutputChunk, RunningSandbox } from '../sandbox/sandbox.ts';

/** A transcript that grows beyond this starts anew; the part before stays beside it as `<attempt>.log.1`. */
const PART_BYTES = 64 * 1024 * 1024;

/**
 * Follows the agent's output to its end, into the file `name`. With a slow disk the engine's log is read more slowly; the agent is never held
 * up. An attempt that is taken over is read again from the first byte that the engine kept.
 */
export async function followOutput(
  name: string,
  running: RunningSandbox,
  onChunk: (chunk: OutputChunk) => void,
): Promise<void> {
  mkdirSync(path.dirname(name), { recursive: true, mode: 0o700 });
  let file = await open(name);
  let written = 0;
  try {
    for await (const chunk of running.output()) {
      if (written > PART_BYTES) {
        await close(file);
        renameSync(name, `${name}.1`);
        file = await open(name);
        written = 0;
      }
      written += chunk.data.length;
      if (!file.write(chunk.data)) await once(file, 'drain');
      onChunk(chunk);
    }
  } finally {
    await close(file);
  }
}

/** Appends what an agent that thinks on this side says and does to its transcript. */
export function transcriptWriter(name: string): (event: AgentEvent) => void {
  mkdirSync(path.dirname(name), { recursive: true, mode: 0o700 });
  return (event) => {
    if (event.type === 'usage') return;
    const text = event.type === 'text' ? event.text : `\n> ${event.tool}: ${event.detail}\n`;
    appendFileSync(name, text, { mode: 0o600 });
  };
}

async function open(name: string): Promise<WriteStream> {
  const file = createWriteStream(name, { mode: 0o600 });
  await once(file, 'open');
  return file;
}

async function close(file: WriteStream): Promise<void> {
  if (file.errored !== null) throw file.errored;
  file.end();
  await once(file, 'close');
}
