/** What an agent writes, as it writes it: raw bytes on disk, bounded, and told to listeners. */

import { once } from 'node:events';
import {
  appendFileSync,
  createWriteStream,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  type WriteStream,
} from 'node:fs';
import path from 'node:path';
import type { AgentEvent } from '../engine/engine.ts';
import type { OutputChunk, RunningSandbox } from '../sandbox/sandbox.ts';

/** A transcript that grows beyond this starts anew; the part before, its n-th, stays beside it as `<attempt>.log.<n>`. */
const PART_BYTES = 64 * 1024 * 1024;

/**
 * Follows the agent's output to its end, into the file `name`, of which the last part and the one before are kept. With a
 * slow disk the engine's log is read more slowly; the agent is never held up. An attempt that is taken over is read again
 * from the first byte that the engine kept, into a new file.
 */
export async function followOutput(
  name: string,
  running: RunningSandbox,
  onChunk: (chunk: OutputChunk) => void,
): Promise<void> {
  mkdirSync(path.dirname(name), { recursive: true, mode: 0o700 });
  for (const part of partsBeside(name)) rmSync(part);
  let file = await open(name);
  let written = 0;
  let parts = 0;
  try {
    for await (const chunk of running.output()) {
      if (written > PART_BYTES) {
        await close(file);
        renameSync(name, `${name}.${parts + 1}`);
        if (parts > 0) rmSync(`${name}.${parts}`, { force: true });
        parts += 1;
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
    if (event.type === 'usage' || event.type === 'result') return;
    const text = event.type === 'text' ? event.text : `\n> ${event.tool}: ${event.detail}\n`;
    appendFileSync(name, text, { mode: 0o600 });
  };
}

/** The file and its earlier parts, of a coordinator before this one; whoever reads them keeps what they have open. */
function partsBeside(name: string): string[] {
  const base = path.basename(name);
  const found = readdirSync(path.dirname(name)).filter((each) => each === base || each.startsWith(`${base}.`));
  return found.map((each) => path.join(path.dirname(name), each));
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
