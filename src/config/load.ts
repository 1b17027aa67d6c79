/** Puts the settings together: defaults < the user's file < the repository's own < environment < flags. */

import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { usageError } from '../errors.ts';
import { type ParsedLayer, type Problem, parseSettingsFile, parseSettingsValues } from './parse.ts';
import {
  BUILT_IN_ENGINES,
  DEFAULTS,
  type HostDefinition,
  type Layer,
  looseningKeys,
  overlay,
  type SettingName,
  type Settings,
  settingsOf,
  WRITTEN_NAMES,
  without,
} from './settings.ts';
import { hashOf, type Trust } from './trust.ts';

/** Flags by their written name without dashes, as they were typed. */
export type WrittenFlags = Readonly<Partial<Record<SettingName, string | boolean>>>;

export interface SettingsSources {
  /** `orchestrate.yaml` of the repository; need not exist. Null where there is no repository. */
  readonly repositoryFile: string | null;
  /** The user's own `config.yaml`; need not exist. */
  readonly userFile: string;
  readonly trust: Trust;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What relative paths in variables and flags start from; those in a file start from its folder. */
  readonly directory: string;
  readonly flags: WrittenFlags;
}

export interface LoadedSettings {
  readonly settings: Settings;
  /** Sentences for the person, such as which keys of the repository's file were left out. */
  readonly warnings: readonly string[];
}

interface SettingsFile extends ParsedLayer {
  readonly hash: string;
}

/** Settings with names of their own inside: files alone can say them. */
const MAPPINGS: readonly string[] = ['engines', 'registries', 'roles', 'hosts', 'swarm'];
const FILE_LIMIT = 1024 ** 2;
const NO_FILE: SettingsFile = { layer: {}, problems: [], hash: '' };

/**
 * Reads all layers and makes one set of settings of them.
 * Throws usage `BAD_SETTINGS` with every problem of every source, each with file and line, variable or flag.
 */
export async function loadSettings(sources: SettingsSources): Promise<LoadedSettings> {
  const user = await readSettingsFile(sources.userFile);
  const repository = sources.repositoryFile === null ? NO_FILE : await readSettingsFile(sources.repositoryFile);
  const environment = rooted(parseEnvironment(sources.environment), sources.directory);
  const flags = rooted(parseFlags(sources.flags), sources.directory);
  refuseProblems([...user.problems, ...repository.problems, ...environment.problems, ...flags.problems]);

  const below = overlay(DEFAULTS, user.layer);
  const loosening = looseningKeys(repository.layer, below);
  const keys = loosening.map((key) => WRITTEN_NAMES[key]);
  const path = sources.repositoryFile ?? '';
  const accepted = loosening.length === 0 || (await sources.trust({ path, hash: repository.hash, keys }));
  const own = accepted ? repository.layer : without(repository.layer, loosening);

  const merged = [own, environment.layer, flags.layer].reduce(overlay, below);
  refuseProblems([
    ...engineProblems(merged, { path, wasIgnored: !accepted, sources }),
    ...networkProblems(merged, sources.flags),
  ]);
  return { settings: settingsOf(merged), warnings: accepted ? [] : [ignoredWarning(path, keys)] };
}

/** Checks flags alone, before anything else is looked at. Throws usage `BAD_SETTINGS` naming every wrong flag. */
export function checkFlags(flags: WrittenFlags): void {
  refuseProblems(parseFlags(flags).problems);
}

/** Makes the paths in a layer absolute. */
function rooted(parsed: ParsedLayer, folder: string): ParsedLayer {
  const { dockerfile, hosts, swarm } = parsed.layer;
  return {
    ...parsed,
    layer: {
      ...parsed.layer,
      dockerfile: dockerfile === undefined ? undefined : resolve(folder, dockerfile),
      hosts: hosts === undefined ? undefined : rootedHosts(hosts, folder),
      swarm: swarm === undefined ? undefined : rootedTls(swarm, folder),
    },
  };
}

function rootedHosts(hosts: Readonly<Record<string, HostDefinition>>, folder: string): Layer['hosts'] {
  return Object.fromEntries(Object.entries(hosts).map(([name, host]) => [name, rootedTls(host, folder)]));
}

function rootedTls<Definition extends { readonly tls?: string | undefined }>(
  definition: Definition,
  folder: string,
): Definition {
  const { tls } = definition;
  return tls === undefined || tls.startsWith('~/') ? definition : { ...definition, tls: resolve(folder, tls) };
}

function parseFlags(flags: WrittenFlags): ParsedLayer {
  const said = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  return parseSettingsValues(said, flagOf);
}

function parseEnvironment(environment: Readonly<Record<string, string | undefined>>): ParsedLayer {
  const values: Record<string, string> = {};
  for (const name of Object.values(WRITTEN_NAMES)) {
    const value = environment[variableOf(name)];
    if (!MAPPINGS.includes(name) && value !== undefined && value !== '') values[name] = value;
  }
  return parseSettingsValues(values, variableOf);
}

/** What is repeated on the command line is named in the singular there. */
function flagOf(name: string): string {
  return name === WRITTEN_NAMES.checks ? '--check' : `--${name}`;
}

function variableOf(name: string): string {
  return `ORCHESTRATE_${name.toUpperCase().replaceAll('-', '_')}`;
}

/** A file that is missing says nothing; one that cannot be read, is no ordinary file or is huge is a problem. */
async function readSettingsFile(path: string): Promise<SettingsFile> {
  try {
    const file = await open(path, 'r');
    try {
      const stat = await file.stat();
      if (!stat.isFile()) return unreadable(path, 'is not a file');
      if (stat.size > FILE_LIMIT) return unreadable(path, 'is larger than 1 MiB');
      const content = await file.readFile();
      const parsed = rooted(parseSettingsFile(path, content.toString('utf8')), dirname(path));
      return { ...parsed, hash: hashOf(content) };
    } finally {
      await file.close();
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    if (code === 'ENOENT' || code === 'ENOTDIR') return NO_FILE;
    return unreadable(path, `cannot be read (${code})`);
  }
}

function unreadable(path: string, message: string): SettingsFile {
  return { layer: {}, problems: [{ where: `${path}:1`, message }], hash: '' };
}

function refuseProblems(problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const lines = problems.map((problem) => `${problem.where}: ${problem.message}`);
  const message =
    lines.length === 1 ? lines.join('') : [`${lines.length} problems in the settings`, ...lines].join('\n');
  throw usageError('BAD_SETTINGS', message);
}

function engineProblems(
  merged: Layer,
  repository: { readonly path: string; readonly wasIgnored: boolean; readonly sources: SettingsSources },
): Problem[] {
  const { engine } = merged;
  const known = [...BUILT_IN_ENGINES, ...Object.keys(merged.engines ?? {})];
  if (engine === undefined || known.includes(engine)) return [];
  const where = repository.sources.flags.engine === undefined ? 'engine' : '--engine';
  const trust = repository.wasIgnored ? `; engines of ${repository.path} count once you accept it with --trust` : '';
  return [{ where, message: `unknown engine "${engine}", expected one of ${known.join(', ')}${trust}` }];
}

/** A host that is named and not let through would be a surprise in the middle of the night. */
function networkProblems({ network }: Layer, flags: WrittenFlags): Problem[] {
  if (flags.allow === undefined || network === undefined || network === 'allowlist') return [];
  return [{ where: '--allow', message: `counts with --network allowlist, not with ${network}` }];
}

function ignoredWarning(path: string, keys: readonly string[]): string {
  return `${path} was not accepted, so these settings of it are ignored: ${keys.join(', ')} (accept the file with --trust)`;
}
