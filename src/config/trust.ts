/** What remembers, by content hash, that the user accepted a repository's own settings file. */

import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/** A settings file of a repository that wants more than it may without being accepted. */
export interface UntrustedFile {
  readonly path: string;
  /** SHA-256 of its bytes, hexadecimal. */
  readonly hash: string;
  /** Written names of the settings in question. */
  readonly keys: readonly string[];
}

/** Decides whether the user accepts a repository's own file. Asked at most once per load, only where it matters. */
export type Trust = (file: UntrustedFile) => Promise<boolean>;

const remembered = z.object({
  version: z.literal(1),
  accepted: z.array(z.object({ sha256: z.string(), at: z.string() })),
});
type Remembered = z.infer<typeof remembered>;

/**
 * Trust kept in `<stateDirectory>/trusted.json` (0600). A file accepted before is accepted again until one of its bytes
 * changes; otherwise `accept` decides (`--trust`, or a question on a terminal) and a yes is remembered.
 * A `trusted.json` that cannot be read counts as empty.
 */
export function rememberedTrust(stateDirectory: string, accept: Trust): Trust {
  return async (file) => {
    const store = await readStore(stateDirectory);
    if (store.accepted.some((entry) => entry.sha256 === file.hash)) return true;
    if (!(await accept(file))) return false;
    await writeStore(stateDirectory, {
      version: 1,
      accepted: [...store.accepted, { sha256: file.hash, at: new Date().toISOString() }],
    });
    return true;
  };
}

export function hashOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

async function readStore(directory: string): Promise<Remembered> {
  try {
    const parsed = remembered.safeParse(JSON.parse(await readFile(join(directory, 'trusted.json'), 'utf8')));
    if (parsed.success) return parsed.data;
  } catch {
    // Missing or damaged: nothing was accepted, which is the safe reading.
  }
  return { version: 1, accepted: [] };
}

async function writeStore(directory: string, store: Remembered): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const target = join(directory, 'trusted.json');
  const draft = `${target}.${process.pid}`;
  try {
    await writeFile(draft, `${JSON.stringify(store, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    await rename(draft, target);
  } finally {
    await rm(draft, { force: true });
  }
}
