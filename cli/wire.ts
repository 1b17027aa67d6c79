/** Composition root: makes the context of a command out of the process and the global flags. */

import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Trust } from '../src/config/trust.ts';
import { OrchestrateError } from '../src/errors.ts';
import type { Repository } from '../src/git/repository.ts';
import type { Roles } from '../src/roles/catalogue.ts';
import { revealLine, safeJson, sanitise } from '../src/sanitise.ts';
import type { State } from '../src/state/state.ts';
import type { Context, GlobalFlags, Terminal } from './context.ts';
import { locateState } from './locate.ts';

export function createContext(terminal: Terminal, flags: GlobalFlags): Context {
  return new Wired(terminal, flags);
}

class Wired implements Context {
  readonly in: Context['in'];
  readonly out: Context['out'];
  readonly err: Context['err'];
  readonly env: Context['env'];
  readonly cwd: string;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly quiet: boolean;
  readonly colour: boolean;
  readonly directory: string;
  readonly configDirectory: string;
  #repository: Promise<Repository> | null = null;
  readonly #roles = new Map<string | null, Promise<Roles>>();
  readonly #opened: State[] = [];
  readonly #listeners = new Set<(line: string, isWarning: boolean) => void>();

  constructor(terminal: Terminal, flags: GlobalFlags) {
    this.in = terminal.in;
    this.out = terminal.out;
    this.err = terminal.err;
    this.env = terminal.env;
    this.cwd = terminal.cwd;
    this.json = flags.json;
    this.verbose = flags.verbose;
    this.quiet = flags.quiet;
    this.colour = flags.color && this.out.isTTY === true && !this.env.NO_COLOR && this.env.TERM !== 'dumb';
    this.directory = resolve(terminal.cwd, flags.repo ?? '.');
    this.configDirectory = join(this.env.XDG_CONFIG_HOME || join(this.env.HOME || homedir(), '.config'), 'orchestrate');
  }

  repository(): Promise<Repository> {
    this.#repository ??= import('../src/git/repository.ts').then(({ findRepository }) =>
      findRepository(this.directory, this.env),
    );
    return this.#repository;
  }

  async stateDirectory(): Promise<string> {
    const located = locateState(this.directory, this.env);
    return located !== null && existsSync(located) ? located : (await this.repository()).stateDir;
  }

  async state(): Promise<State> {
    const { stateDir } = await this.repository();
    const { openState } = await import('../src/state/state.ts');
    return this.#keep(openState(stateDir));
  }

  async readState(): Promise<State | null> {
    const [directory, { openStateForReading }] = await Promise.all([
      this.stateDirectory(),
      import('../src/state/state.ts'),
    ]);
    const state = openStateForReading(directory);
    return state === null ? null : this.#keep(state);
  }

  async knownState(): Promise<State | null> {
    try {
      return await this.readState();
    } catch (error) {
      if (error instanceof OrchestrateError && error.code === 'STATE_OLDER') return this.state();
      throw error;
    }
  }

  async settings(
    flags: Parameters<Context['settings']>[0],
    options: { readonly trust: boolean; readonly ask?: boolean },
  ) {
    const repository = await this.repository();
    const [{ loadSettings }, { rememberedTrust }] = await Promise.all([
      import('../src/config/load.ts'),
      import('../src/config/trust.ts'),
    ]);
    const loaded = await loadSettings({
      repositoryFile: join(repository.root, 'orchestrate.yaml'),
      userFile: join(this.configDirectory, 'config.yaml'),
      trust: rememberedTrust(repository.stateDir, this.#trust(options)),
      environment: this.env,
      directory: this.cwd,
      flags,
    });
    for (const warning of loaded.warnings) this.warn(warning);
    return loaded;
  }

  roles(revision: string | null): Promise<Roles> {
    const known = this.#roles.get(revision) ?? this.#readRoles(revision);
    this.#roles.set(revision, known);
    return known;
  }

  async #readRoles(revision: string | null): Promise<Roles> {
    const { loadRoles } = await import('../src/roles/load.ts');
    const repository = revision === null ? null : await this.repository();
    const roles = await loadRoles({ home: this.env.HOME || homedir(), repository, revision: revision ?? 'HEAD' });
    for (const { message, minor } of roles.warnings) if (!minor) this.warn(message);
    return roles;
  }

  note(line: string): void {
    this.#tell(line, false);
    if (!this.quiet) this.err.write(`${sanitise(line)}\n`);
  }

  warn(line: string): void {
    this.#tell(line, true);
    this.err.write(`orchestrate: warning: ${sanitise(line)}\n`);
  }

  overhear(listener: (line: string, isWarning: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  printJson(value: unknown): void {
    this.out.write(`${safeJson(value, this.out.isTTY ? 2 : 0)}\n`);
  }

  print(text: string): void {
    this.out.write(text);
  }

  close(): void {
    for (const state of this.#opened.splice(0)) state.close();
  }

  #tell(line: string, isWarning: boolean): void {
    for (const listener of this.#listeners) listener(line, isWarning);
  }

  #keep(state: State): State {
    this.#opened.push(state);
    return state;
  }

  #trust(options: { readonly trust: boolean; readonly ask?: boolean }): Trust {
    if (options.trust) return async () => true;
    return options.ask === false ? async () => false : this.#ask;
  }

  readonly #ask: Trust = (file) => {
    const what = `${revealLine(file.path)} sets ${file.keys.join(', ')}, which run or loosen something.\n`;
    return this.confirm(`${what}Accept this file as it is now?`);
  };

  async confirm(question: string): Promise<boolean> {
    if (!this.in.isTTY || !this.err.isTTY || this.json) return false;
    const { createInterface } = await import('node:readline/promises');
    const lines = createInterface({ input: this.in, output: this.err });
    try {
      // At the end of the input there is no answer, which is a no.
      const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
      const answer = await Promise.race([lines.question(`${question} [y/N] `), ended]);
      return /^y(es)?$/i.test(answer.trim());
    } finally {
      lines.close();
    }
  }
}
