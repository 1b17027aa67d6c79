/** A new patch read with the eyes of whoever will get it: what `patch show` prints must pass the strict parser. */

import { OrchestrateError } from '../errors.ts';
import { binaryDiffStream } from '../git/diff.ts';
import type { Repository } from '../git/repository.ts';
import type { Flag, ObjectId } from '../types.ts';
import { inspectNames } from './inspect-names.ts';
import { parsePatch } from './parse.ts';
import type { PatchLimits } from './parsed.ts';

const MIB = 1024 * 1024;

/** What stays cheap beside the attempt that made the patch. */
const OWN_PATCH: PatchLimits = {
  maxBytes: 16 * MIB,
  maxFiles: 50_000,
  maxHunks: 200_000,
  maxUnpackedBytes: 64 * MIB,
  suspicious: 'keep',
};

/** Enough to see what is going on. */
const MAX_FLAGS = 200;

/** About the patch as a whole. */
const WHOLE = '.';

/**
 * Flags for a person to look at: those of `inspectNames`, `strict-refusal` when the strict parser would not take the
 * patch, `not-inspected` when it is too large to be read here. Never an empty answer for a patch that was not read.
 */
export async function inspectPatch(repository: Repository, from: ObjectId, to: ObjectId): Promise<Flag[]> {
  const bytes = await readUpTo(binaryDiffStream(repository, from, to), OWN_PATCH.maxBytes);
  if (bytes === null) {
    const detail = `larger than ${OWN_PATCH.maxBytes / MIB} MiB: its names and links were not inspected`;
    return [{ code: 'not-inspected', path: WHOLE, detail }];
  }
  return flagsOf(bytes);
}

function flagsOf(bytes: Buffer): Flag[] {
  try {
    const flags = inspectNames(parsePatch(bytes, OWN_PATCH));
    if (flags.length <= MAX_FLAGS) return flags;
    const detail = `${flags.length - MAX_FLAGS} more names or links to look at`;
    return [...flags.slice(0, MAX_FLAGS), { code: 'more-flags', path: WHOLE, detail }];
  } catch (error) {
    if (!(error instanceof OrchestrateError) || error.code !== 'BAD_PATCH') throw error;
    return [{ code: 'strict-refusal', path: WHOLE, detail: error.message }];
  }
}

/** All of a stream, or null when it is longer. */
async function readUpTo(stream: AsyncIterable<unknown>, maxBytes: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
