/** What every command gets: streams, global flags, and the parts it may ask for. Nothing is opened before it is asked. */

import type { LoadedSettings, WrittenFlags } from '../src/config/load.ts';
import type { Repository } from '../src/git/repository.ts';
import type { Roles } from '../src/roles/catalogue.ts';
import type { State } from '../src/state/state.ts';

/** The flags that every command takes. */
export interface GlobalFlags {
  /** `--repo`: where to look for the repository. */
  readonly repo: string | null;
  readonly json: boolean;
  /** False with `--no-color`. */
  readonly color: boolean;
  readonly verbose: boolean;
  readonly quiet: boolean;
}

/** The process as the commands see it. */
export interface Terminal {
  readonly in: NodeJS.ReadStream;
  readonly out: NodeJS.WriteStream;
  readonly err: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

export interface Context extends Terminal {
  readonly json: boolean;
  readonly verbose: boolean;
  readonly quiet: boolean;
  /** Whether stdout may carry colours. */
  readonly colour: boolean;
  /** The folder that the command works for: `--repo`, else the current one. */
  readonly directory: string;
  /** `~/.config/orchestrate`, or its place under XDG_CONFIG_HOME. */
  readonly configDirectory: string;

  /** The repository around `directory`; throws the environment errors of `findRepository`. */
  repository(): Promise<Repository>;
  /** The state for reading and writing; made on first use. */
  state(): Promise<State>;
  /** The state for reading; null where nothing was ever queued. Much faster to get than `repository()`. */
  readState(): Promise<State | null>;
  /** The same, for a command that then changes something: one that an older version made is brought up to date. */
  knownState(): Promise<State | null>;
  /** `<git common dir>/orchestrate`, which need not exist yet. */
  stateDirectory(): Promise<string>;
  /**
   * All layers of the settings; warnings go to stderr. `trust`: accept the repository's own file without asking;
   * otherwise it is asked for on a terminal (unless `ask` is false), and not accepted elsewhere.
   */
  settings(flags: WrittenFlags, options: { readonly trust: boolean; readonly ask?: boolean }): Promise<LoadedSettings>;

  /**
   * The roles: built in, of the user, and of the repository as `revision` has them (null: without those). Read once; what
   * is wrong with them goes to stderr then.
   */
  roles(revision: string | null): Promise<Roles>;

  /** Asks on the terminal; where there is none to ask on, the answer is no. The question must be sanitised. */
  confirm(question: string): Promise<boolean>;
  /** One line on stderr, sanitised; silent with `--quiet`. */
  note(line: string): void;
  /** `warning: …` on stderr, sanitised; never silent. */
  warn(line: string): void;
  /** What is noted and warned of goes there as well, unchanged and whatever is silent, until the returned function is called. */
  overhear(listener: (line: string, isWarning: boolean) => void): () => void;
  /** The one JSON document of `--json`, on stdout. */
  printJson(value: unknown): void;
  /** Text on stdout. What others wrote in it must have been sanitised before. */
  print(text: string): void;
  /** Closes what was opened. */
  close(): void;
}
