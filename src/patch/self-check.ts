/** A new patch read with the eyes of whoever will get it: what `patch show` prints must pass the strict parser. */

import { OrchestrateError } from '../errors.ts';
import { readBlobs } from '../git/blobs.ts';
import { type ChangedPath, changedPaths, sizedPatch } from '../git/diff.ts';
import type { Repository } from '../git/repository.ts';
import type { Flag, ObjectId, PatchSize } from '../types.ts';
import { conflictMarkers } from './conflict-markers.ts';
import { filesOf, wholeIds } from './inspect/from-patch.ts';
import { inspectFiles, shownFlags, wantsWhole } from './inspect/inspect.ts';
import { comparable, type InspectedFile } from './inspect/inspected-file.ts';
import { inspectNames } from './inspect/names.ts';
import { parsePatch } from './parse.ts';
import type { ParsedPatch, PatchLimits } from './parsed.ts';
import { storedElsewhere } from './stored-elsewhere.ts';

const MIB = 1024 * 1024;

/** What stays cheap beside the attempt that made the patch. */
const OWN_PATCH: PatchLimits = {
  maxBytes: 16 * MIB,
  maxFiles: 50_000,
  maxHunks: 200_000,
  maxUnpackedBytes: 64 * MIB,
  suspicious: 'keep',
};

/** Manifests and lock files that are compared as a whole; larger ones are flagged. */
const WHOLE_CONTENTS = { maxBytes: 8 * MIB, maxTotalBytes: 32 * MIB } as const;

/** About the patch as a whole. */
const WHOLE = '.';

export interface InspectedPatch {
  readonly size: PatchSize;
  readonly flags: readonly Flag[];
}

/**
 * The size of a patch, and flags (codes: `FLAG_CODES`) for a person to look at: about its names, its content, what is stored
 * elsewhere; `strict-refusal` when the strict parser would not take it, `not-inspected` when it is too large to be read
 * here: then only its paths are looked at. Never an empty answer for a patch that was not read.
 * @param also flags that others found in the same patch; they are ordered, and cut, with these
 */
export async function inspectPatch(
  repository: Repository,
  from: ObjectId,
  to: ObjectId,
  also: readonly Flag[] = [],
): Promise<InspectedPatch> {
  const [{ size, patch }, elsewhere] = await Promise.all([
    sizedPatch(repository, { from, to }, OWN_PATCH.maxBytes),
    storedElsewhere(repository, from, to),
  ]);
  const parsed = patch === null ? notRead() : parsedOr(patch);
  const found =
    'flag' in parsed
      ? [parsed.flag, ...(await inspectFiles((await changedPaths(repository, from, to)).map(pathOnly)))]
      : await inspectParsed(repository, parsed);
  return { size, flags: shownFlags([...also, ...found, ...elsewhere]) };
}

async function inspectParsed(repository: Repository, parsed: ParsedPatch): Promise<Flag[]> {
  const contents = await readBlobs(repository, wholeIds(parsed, wantsWhole), WHOLE_CONTENTS);
  return [...inspectNames(parsed), ...conflictMarkers(parsed), ...(await inspectFiles(filesOf(parsed, contents)))];
}

function notRead(): { readonly flag: Flag } {
  const detail = `larger than ${OWN_PATCH.maxBytes / MIB} MiB: only its paths were inspected`;
  return { flag: { code: 'not-inspected', path: WHOLE, detail } };
}

function parsedOr(bytes: Buffer): ParsedPatch | { readonly flag: Flag } {
  try {
    return parsePatch(bytes, OWN_PATCH);
  } catch (error) {
    if (!(error instanceof OrchestrateError) || error.code !== 'BAD_PATCH') throw error;
    return { flag: { code: 'strict-refusal', path: WHOLE, detail: error.message } };
  }
}

/** A file of which nothing but its path and mode is known. */
function pathOnly({ status, path, rawPath, oldMode, newMode }: ChangedPath): InspectedFile {
  return {
    kind: status === 'A' ? 'add' : status === 'D' ? 'delete' : 'modify',
    path,
    key: comparable(rawPath),
    oldKey: null,
    oldMode,
    newMode,
    contentStays: false,
    isText: true,
    added: [],
    removed: [],
    bytes: 0,
    head: Buffer.alloc(0),
    before: null,
    after: null,
  };
}
