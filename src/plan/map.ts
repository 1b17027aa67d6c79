/** What a planner gets to know of the repository: bounded, and from the base commit alone. */

export interface RepositoryMap {
  /** Languages and formats by number of files, most first, at most 12. */
  readonly languages: readonly { readonly name: string; readonly files: number }[];
  readonly fileCount: number;
  /** Paths, `dir/ (n files)` where a folder is not listed further; at most a few hundred lines. */
  readonly tree: readonly string[];
  /** The beginning of README and of AGENTS.md or CLAUDE.md; null where there is none. */
  readonly readme: string | null;
  readonly guidance: string | null;
  /** Subjects of the latest commits, newest first, at most 20. */
  readonly history: readonly string[];
}
