/** What can be set, the defaults, and the pure rules that make one set of settings out of the layers. */

import type { Limits, WorkspaceKind } from '../types.ts';
import { GIBIBYTE, HOUR_MS } from './sizes.ts';

/** A command that the user's settings name as an engine. */
export interface EngineDefinition {
  readonly command: string;
}

/** One layer (a file, the environment, the flags) after parsing: only what it says. Sizes are bytes, durations ms. */
export interface Layer {
  readonly maxAgents?: number | undefined;
  readonly engine?: string | undefined;
  readonly engineCommand?: string | undefined;
  readonly engines?: Readonly<Record<string, EngineDefinition>> | undefined;
  readonly base?: string | undefined;
  readonly includeDirty?: boolean | undefined;
  readonly history?: number | undefined;
  readonly image?: string | undefined;
  readonly workspace?: WorkspaceKind | undefined;
  readonly setUp?: string | undefined;
  readonly setUpAllow?: readonly string[] | undefined;
  readonly setUpInputs?: readonly string[] | undefined;
  readonly timeoutMs?: number | undefined;
  readonly memoryBytes?: number | undefined;
  readonly cpus?: number | undefined;
  readonly pids?: number | undefined;
  readonly diskBytes?: number | undefined;
}

/** Which engine was chosen: the built-in `demo` (no command), a named one from the settings, or `--engine-command` (name `command`). */
export interface EngineChoice {
  readonly name: string;
  readonly command: string | null;
}

/** What is done once before the first agent, as root. */
export interface SetUpSettings {
  readonly command: string;
  /** Hosts, and sets of hosts by `@name`, that it may reach. */
  readonly allow: readonly string[];
  /** Globs of files that it depends on, besides lock files and those that the command names. */
  readonly inputs: readonly string[];
}

export interface Settings {
  readonly maxAgents: number;
  /** Null where nobody chose one. */
  readonly engine: EngineChoice | null;
  readonly engines: Readonly<Record<string, EngineDefinition>>;
  /** A revision of the user's repository; null means HEAD. */
  readonly base: string | null;
  readonly includeDirty: boolean;
  /** How many commits deep the history is that agents see. */
  readonly history: number;
  /** Null means the product's own agent image. */
  readonly image: string | null;
  /** How the repository gets into sandboxes; null means the best that the Docker engine can. */
  readonly workspace: WorkspaceKind | null;
  /** Null where nothing is set up. */
  readonly setUp: SetUpSettings | null;
  readonly timeoutMs: number;
  readonly limits: Limits;
}

/** Written name (flag without dashes, key of a settings file) of every setting. */
export const WRITTEN_NAMES = {
  maxAgents: 'max-agents',
  engine: 'engine',
  engineCommand: 'engine-command',
  engines: 'engines',
  base: 'base',
  includeDirty: 'include-dirty',
  history: 'history',
  image: 'image',
  workspace: 'workspace',
  setUp: 'setup',
  setUpAllow: 'setup-allow',
  setUpInputs: 'setup-inputs',
  timeoutMs: 'timeout',
  memoryBytes: 'memory',
  cpus: 'cpus',
  pids: 'pids',
  diskBytes: 'disk',
} as const satisfies Record<keyof Layer, string>;

export type SettingName = (typeof WRITTEN_NAMES)[keyof Layer];

/** Names that the settings cannot give to an engine of their own. */
export const BUILT_IN_ENGINES: readonly string[] = ['demo'];

export const DEFAULTS = {
  maxAgents: 3,
  history: 1,
  setUpAllow: ['@npm', '@pypi', '@crates', '@go', '@debian'],
  timeoutMs: HOUR_MS,
  memoryBytes: 4 * GIBIBYTE,
  cpus: 2,
  pids: 2048,
  diskBytes: 10 * GIBIBYTE,
} as const satisfies Layer;

/** Lays `upper` over `lower`. `engine` and `engine-command` are two ways to say one thing: the upper's word hides both. */
export function overlay(lower: Layer, upper: Layer): Layer {
  const choosesEngine = upper.engine !== undefined || upper.engineCommand !== undefined;
  const said = Object.fromEntries(Object.entries(upper).filter(([, value]) => value !== undefined));
  return {
    ...lower,
    ...(choosesEngine ? { engine: undefined, engineCommand: undefined } : {}),
    ...said,
    engines: { ...lower.engines, ...upper.engines },
  };
}

const QUANTITIES = ['maxAgents', 'history', 'timeoutMs', 'memoryBytes', 'cpus', 'pids', 'diskBytes'] as const;
const RUNS_OR_LOOSENS = ['engine', 'engineCommand', 'engines', 'image', 'includeDirty', 'setUp'] as const;
const ALLOWS = ['setUpAllow'] as const;

/**
 * The settings of a repository's own file that count only once the user accepted that file: what runs a command or an
 * image, what shows agents more than what is committed, and quantities and hosts beyond what `below` (defaults and
 * the user's own file) gives. Tightening is always allowed.
 */
export function looseningKeys(repository: Layer, below: Layer): (keyof Layer)[] {
  const loosening: (keyof Layer)[] = [];
  for (const key of RUNS_OR_LOOSENS) {
    const value = repository[key];
    if (value !== undefined && value !== false && value !== below[key]) loosening.push(key);
  }
  for (const key of QUANTITIES) {
    if ((repository[key] ?? 0) > (below[key] ?? DEFAULTS[key])) loosening.push(key);
  }
  for (const key of ALLOWS) {
    const allowed: readonly string[] = below[key] ?? DEFAULTS[key];
    if (repository[key]?.some((one) => !allowed.includes(one)) === true) loosening.push(key);
  }
  return loosening;
}

/** A layer without some of its keys. */
export function without(layer: Layer, keys: readonly (keyof Layer)[]): Layer {
  return Object.fromEntries(Object.entries(layer).filter(([key]) => !keys.some((left) => left === key)));
}

/** Makes the settings of the merged layers; `engine` must be known (`engineProblem` says so). */
export function settingsOf(layer: Layer): Settings {
  const engines = layer.engines ?? {};
  return {
    maxAgents: layer.maxAgents ?? DEFAULTS.maxAgents,
    engine: engineOf(layer, engines),
    engines,
    base: layer.base ?? null,
    includeDirty: layer.includeDirty ?? false,
    history: layer.history ?? DEFAULTS.history,
    image: layer.image ?? null,
    workspace: layer.workspace ?? null,
    setUp: setUpOf(layer),
    timeoutMs: layer.timeoutMs ?? DEFAULTS.timeoutMs,
    limits: {
      memoryBytes: layer.memoryBytes ?? DEFAULTS.memoryBytes,
      cpus: layer.cpus ?? DEFAULTS.cpus,
      pids: layer.pids ?? DEFAULTS.pids,
      diskBytes: layer.diskBytes ?? DEFAULTS.diskBytes,
    },
  };
}

function setUpOf({ setUp, setUpAllow, setUpInputs }: Layer): SetUpSettings | null {
  if (setUp === undefined) return null;
  return { command: setUp, allow: setUpAllow ?? DEFAULTS.setUpAllow, inputs: setUpInputs ?? [] };
}

function engineOf(layer: Layer, engines: Readonly<Record<string, EngineDefinition>>): EngineChoice | null {
  if (layer.engineCommand !== undefined) return { name: 'command', command: layer.engineCommand };
  if (layer.engine === undefined) return null;
  return { name: layer.engine, command: engines[layer.engine]?.command ?? null };
}
