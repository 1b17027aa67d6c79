/** What a strictly parsed patch is: plain data over the bytes that it was read from. */

/** A file, an executable file, a symbolic link, a submodule: every mode that git makes. */
export const FILE_MODES = ['100644', '100755', '120000', '160000'] as const;
export type FileMode = (typeof FILE_MODES)[number];

/** How much is read at most, and what becomes of names that only look wrong. */
export interface PatchLimits {
  /** `git apply` takes less than 1023 MiB. */
  readonly maxBytes: number;
  readonly maxFiles: number;
  /** Of all files together. */
  readonly maxHunks: number;
  /** What all binary contents make together when they are unpacked. */
  readonly maxUnpackedBytes: number;
  /** `refuse`: what `inspectNames` would flag makes the patch a bad one. */
  readonly suspicious: 'refuse' | 'keep';
}

const MIB = 1024 * 1024;

/** For a patch from outside. */
export const OUTSIDE_PATCH: PatchLimits = {
  maxBytes: 1023 * MIB - 1,
  maxFiles: 250_000,
  maxHunks: 1_000_000,
  maxUnpackedBytes: 512 * MIB,
  suspicious: 'refuse',
};

export interface ParsedPatch {
  /** The whole patch; hunks point into it. */
  readonly bytes: Buffer;
  /** In the order of the patch. Old paths are those before the whole patch, new ones those after it. */
  readonly files: readonly PatchedFile[];
}

interface FileBase {
  /** Of its `diff --git`, counted from 1. */
  readonly line: number;
  readonly content: PatchContent;
}

/** A change of type (file to symlink) is a `delete` and right after it an `add` of the same path. */
export type PatchedFile =
  | (FileBase & {
      readonly kind: 'add';
      readonly oldPath: null;
      readonly oldMode: null;
      readonly oldId: null;
      readonly newPath: Buffer;
      readonly newMode: FileMode;
      readonly newId: string;
    })
  | (FileBase & {
      readonly kind: 'delete';
      readonly oldPath: Buffer;
      readonly oldMode: FileMode;
      readonly oldId: string;
      readonly newPath: null;
      readonly newMode: null;
      readonly newId: null;
    })
  | (Kept & { readonly kind: 'modify' /** Percent. */; readonly dissimilarity: number | null })
  | (Kept & { readonly kind: 'rename' | 'copy' /** Percent. */; readonly similarity: number });

interface Kept extends FileBase {
  readonly oldPath: Buffer;
  readonly newPath: Buffer;
  /** Null where the patch does not tell: a rename or copy without any other change. */
  readonly oldMode: FileMode | null;
  readonly newMode: FileMode | null;
  /** As written, perhaps abbreviated; null where the content stays. */
  readonly oldId: string | null;
  readonly newId: string | null;
}

/** `none`: the content stays as it is, or the file that is added or deleted is empty. */
export type PatchContent =
  | { readonly type: 'none' }
  | { readonly type: 'text'; readonly hunks: readonly Hunk[] }
  | { readonly type: 'binary'; readonly forward: BinaryHunk; readonly reverse: BinaryHunk };

/** Numbers as in its header. `start` and `end` bound its lines in the patch's bytes. */
export interface Hunk {
  readonly oldStart: number;
  readonly oldLines: number;
  readonly newStart: number;
  readonly newLines: number;
  readonly start: number;
  readonly end: number;
}

export interface BinaryHunk {
  /** The content itself, or git's delta against the other side's content. */
  readonly method: 'literal' | 'delta';
  /** Deflated (zlib); unpacks to `size` bytes. */
  readonly packed: Buffer;
  readonly size: number;
  /** Bytes of the content that it makes. */
  readonly resultSize: number;
  /** Bytes of the content that a delta is against; null for a literal. */
  readonly sourceSize: number | null;
}
