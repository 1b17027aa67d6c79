/** A new patch read with the eyes of whoever will get it: what `patch show` prints must pass the strict parser. */

import { OrchestrateError } from '../errors.ts';
import { sizedPatch } from '../git/diff.ts';
import type { Repository } from '../git/repository.ts';
import type { Flag, ObjectId, PatchSize } from '../types.ts';
import { conflictMarkers } from './conflict-markers.ts';
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

export interface InspectedPatch {
  readonly size: PatchSize;
  readonly flags: readonly Flag[];
}

/**
 * The size of a patch, and flags for a person to look at: those of `inspectNames` and `conflictMarkers`, `strict-refusal` when the strict parser
 * would not take the patch, `not-inspected` when it is too large to be read here. Never an empty answer for a patch that
 * was not read.
 */
export async function inspectPatch(repository: Repository, from: ObjectId, to: ObjectId): Promise<InspectedPatch> {
  const { size, patch } = await sizedPatch(repository, { from, to }, OWN_PATCH.maxBytes);
  if (patch !== null) return { size, flags: flagsOf(patch) };
  const detail = `larger than ${OWN_PATCH.maxBytes / MIB} MiB: its names and links were not inspected`;
  return { size, flags: [{ code: 'not-inspected', path: WHOLE, detail }] };
}

function flagsOf(bytes: Buffer): Flag[] {
  try {
    const parsed = parsePatch(bytes, OWN_PATCH);
    const flags = [...inspectNames(parsed), ...conflictMarkers(parsed)];
    if (flags.length <= MAX_FLAGS) return flags;
    const detail = `${flags.length - MAX_FLAGS} more names or links to look at`;
    return [...flags.slice(0, MAX_FLAGS), { code: 'more-flags', path: WHOLE, detail }];
  } catch (error) {
    if (!(error instanceof OrchestrateError) || error.code !== 'BAD_PATCH') throw error;
    return [{ code: 'strict-refusal', path: WHOLE, detail: error.message }];
  }
}
