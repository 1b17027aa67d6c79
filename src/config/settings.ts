/** What can be set, the defaults, and the pure rules that make one set of settings out of the layers. */

import {
  type AutoApproval,
  type Caps,
  type Effort,
  type Limits,
  NETWORKS,
  type Network,
  type SandboxKind,
  type WorkspaceKind,
} from '../types.ts';
import { GIBIBYTE, HOUR_MS, MINUTE_MS } from './sizes.ts';

/** A command that the user's settings name as an engine. */
export interface EngineDefinition {
  readonly command: string;
  /**
   * Names of variables that the command sees beside the ones it always has. Those of model services and of proxies are
   * the gateway's, with a token in place of a key; others are passed on as the user's environment has them.
   */
  readonly env?: readonly string[] | undefined;
  /** A regular expression with the groups `input` and `output` (tokens) or `usd`, looked for in each line of output. */
  readonly usage?: string | undefined;
}

/** What is different for the agents of one role. */
export interface RoleSettings {
  readonly model: string;
}

/** A Docker engine, most likely on another machine, by a name of the user's. */
export interface HostDefinition {
  /** `ssh://user@host[:port]`, `tcp://host:2376`, `unix:///path` or `context:NAME`; it has been read before. */
  readonly url: string;
  /** Folder with ca.pem, cert.pem and key.pem, for tcp: absolute, or below the home folder (`~/…`). */
  readonly tls?: string | undefined;
  /** Agents at once there; not given: as many as its CPUs and memory hold. */
  readonly slots?: number | undefined;
  /** What `--on` chooses by. */
  readonly labels?: readonly string[] | undefined;
}

/** How the engines of a Swarm's nodes are reached. */
export interface SwarmDefinition {
  /** `ssh://ops@{addr}`, `tcp://{addr}:2376`, `ssh://{hostname}`; it has been read before. */
  readonly address: string;
  /** As of a `HostDefinition`. */
  readonly tls?: string | undefined;
}

/** A private package registry; its token stays with the gateway. */
export interface RegistryDefinition {
  /** The variable that holds the token. */
  readonly tokenEnv: string;
}

/** One layer (a file, the environment, the flags) after parsing: only what it says. Sizes are bytes, durations ms. */
export interface Layer {
  readonly maxAgents?: number | undefined;
  readonly allowOverlap?: boolean | undefined;
  readonly engine?: string | undefined;
  readonly engineCommand?: string | undefined;
  readonly engines?: Readonly<Record<string, EngineDefinition>> | undefined;
  readonly model?: string | undefined;
  readonly roles?: Readonly<Record<string, RoleSettings>> | undefined;
  readonly effort?: Effort | undefined;
  readonly network?: Network | undefined;
  readonly allow?: readonly string[] | undefined;
  readonly registries?: Readonly<Record<string, RegistryDefinition>> | undefined;
  readonly budgetUsd?: number | undefined;
  readonly budgetTokens?: number | undefined;
  readonly taskBudgetUsd?: number | undefined;
  readonly base?: string | undefined;
  readonly includeDirty?: boolean | undefined;
  readonly history?: number | undefined;
  readonly image?: string | undefined;
  /** Absolute path. */
  readonly dockerfile?: string | undefined;
  readonly workspace?: WorkspaceKind | undefined;
  readonly setUp?: string | undefined;
  readonly setUpAllow?: readonly string[] | undefined;
  readonly setUpInputs?: readonly string[] | undefined;
  readonly checks?: readonly string[] | undefined;
  readonly autoApprove?: AutoApproval | undefined;
  readonly autoMerge?: string | undefined;
  readonly maxPendingReviews?: number | undefined;
  readonly runtime?: string | undefined;
  readonly sandbox?: SandboxKind | undefined;
  readonly swarm?: SwarmDefinition | undefined;
  readonly hosts?: Readonly<Record<string, HostDefinition>> | undefined;
  readonly host?: readonly string[] | undefined;
  readonly on?: readonly string[] | undefined;
  readonly forMs?: number | undefined;
  readonly until?: string | undefined;
  readonly notify?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly idleTimeoutMs?: number | undefined;
  readonly memoryBytes?: number | undefined;
  readonly cpus?: number | undefined;
  readonly pids?: number | undefined;
  readonly diskBytes?: number | undefined;
}

/** Which engine was chosen: a built-in one (no definition), a named one from the settings, or `--engine-command` (name `command`). */
export interface EngineChoice {
  readonly name: string;
  readonly definition: EngineDefinition | null;
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
  /** Tasks that touch the same files are worked at once as well. */
  readonly allowOverlap: boolean;
  /** Null where nobody chose one. */
  readonly engine: EngineChoice | null;
  readonly engines: Readonly<Record<string, EngineDefinition>>;
  /** Null: the engine's own choice. */
  readonly model: string | null;
  readonly effort: Effort | null;
  readonly roles: Readonly<Record<string, RoleSettings>>;
  readonly network: Network;
  /** Hosts and presets as they were written; they count with the network `allowlist`. */
  readonly allow: readonly string[];
  readonly registries: Readonly<Record<string, RegistryDefinition>>;
  /** Of the whole run. */
  readonly budget: Caps;
  readonly taskBudgetUsd: number | null;
  /** A revision of the user's repository; null means HEAD. */
  readonly base: string | null;
  readonly includeDirty: boolean;
  /** How many commits deep the history is that agents see. */
  readonly history: number;
  /** Null means the product's own agent image. */
  readonly image: string | null;
  /** Absolute path of the Dockerfile that the agents' image is built from; null where `image` says it all. */
  readonly dockerfile: string | null;
  /** How the repository gets into sandboxes; null means the best that the Docker engine can. */
  readonly workspace: WorkspaceKind | null;
  /** Null where nothing is set up. */
  readonly setUp: SetUpSettings | null;
  /** Commands that must pass on a patched tree, in a clean container. */
  readonly checks: readonly string[];
  readonly autoApprove: AutoApproval;
  /** Short name of the branch that approved patches are merged into while a run works; null: none. */
  readonly autoMerge: string | null;
  /** Nothing is started while so many patches wait for a person; null: they may pile up. */
  readonly maxPendingReviews: number | null;
  /** The container runtime of sandboxes; null: the engine's default. */
  readonly runtime: string | null;
  readonly sandbox: SandboxKind;
  /** Null: nobody said how its nodes are reached. */
  readonly swarm: SwarmDefinition | null;
  /** Docker hosts by the user's names for them. */
  readonly hosts: Readonly<Record<string, HostDefinition>>;
  /** Hosts that agents run on, as they were written: a name of `hosts`, a Docker context, a URL; none: the local engine. */
  readonly host: readonly string[];
  /** Labels that a host must have, all of them. */
  readonly on: readonly string[];
  /** When a run stops: so long after its start, or at a time of day (`07:00`) or a moment (ISO 8601); null: when its queue is empty. */
  readonly end: { readonly forMs: number } | { readonly until: string } | null;
  /** What is told of a run that ended or needs somebody, by HTTP; null: nobody. */
  readonly notify: string | null;
  readonly timeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly limits: Limits;
}

/** Written name (flag without dashes, key of a settings file) of every setting. */
export const WRITTEN_NAMES = {
  maxAgents: 'max-agents',
  allowOverlap: 'allow-overlap',
  engine: 'engine',
  engineCommand: 'engine-command',
  engines: 'engines',
  model: 'model',
  roles: 'roles',
  effort: 'effort',
  network: 'network',
  allow: 'allow',
  registries: 'registries',
  budgetUsd: 'budget-usd',
  budgetTokens: 'budget-tokens',
  taskBudgetUsd: 'task-budget-usd',
  base: 'base',
  includeDirty: 'include-dirty',
  history: 'history',
  image: 'image',
  dockerfile: 'dockerfile',
  workspace: 'workspace',
  setUp: 'setup',
  setUpAllow: 'setup-allow',
  setUpInputs: 'setup-inputs',
  checks: 'checks',
  autoApprove: 'auto-approve',
  autoMerge: 'auto-merge',
  maxPendingReviews: 'max-pending-reviews',
  runtime: 'runtime',
  sandbox: 'sandbox',
  swarm: 'swarm',
  hosts: 'hosts',
  host: 'host',
  on: 'on',
  forMs: 'for',
  until: 'until',
  notify: 'notify',
  timeoutMs: 'timeout',
  idleTimeoutMs: 'idle-timeout',
  memoryBytes: 'memory',
  cpus: 'cpus',
  pids: 'pids',
  diskBytes: 'disk',
} as const satisfies Record<keyof Layer, string>;

export type SettingName = (typeof WRITTEN_NAMES)[keyof Layer];

/** Names that the settings cannot give to an engine of their own. */
export const BUILT_IN_ENGINES: readonly string[] = ['api', 'claude', 'codex', 'demo'];

const DEFAULT_NETWORK: Network = 'model';

export const DEFAULTS = {
  maxAgents: 3,
  history: 1,
  setUpAllow: ['@usual'],
  sandbox: 'docker',
  timeoutMs: HOUR_MS,
  idleTimeoutMs: 10 * MINUTE_MS,
  memoryBytes: 4 * GIBIBYTE,
  cpus: 2,
  pids: 2048,
  diskBytes: 10 * GIBIBYTE,
} as const satisfies Layer;

/** Two ways to say one thing: only one of them on one level, and an upper level's word hides both of the lower. */
export const ALTERNATIVES = [
  ['engine', 'engineCommand'],
  ['image', 'dockerfile'],
  ['forMs', 'until'],
] as const satisfies readonly (readonly [keyof Layer, keyof Layer])[];

/** Lays `upper` over `lower`. */
export function overlay(lower: Layer, upper: Layer): Layer {
  const chosen = ALTERNATIVES.filter((names) => names.some((name) => upper[name] !== undefined)).flat();
  const hidden = Object.fromEntries(chosen.map((name) => [name, undefined]));
  const said = Object.fromEntries(Object.entries(upper).filter(([, value]) => value !== undefined));
  return {
    ...lower,
    ...hidden,
    ...said,
    engines: { ...lower.engines, ...upper.engines },
    registries: { ...lower.registries, ...upper.registries },
    roles: { ...lower.roles, ...upper.roles },
    hosts: { ...lower.hosts, ...upper.hosts },
  };
}

const QUANTITIES = [
  'maxAgents',
  'history',
  'timeoutMs',
  'idleTimeoutMs',
  'memoryBytes',
  'cpus',
  'pids',
  'diskBytes',
] as const;
const RUNS_OR_LOOSENS = [
  'engine',
  'engineCommand',
  'engines',
  'allow',
  'registries',
  'image',
  'dockerfile',
  'includeDirty',
  'setUp',
  'autoMerge',
  'runtime',
  'sandbox',
  'swarm',
  'hosts',
  'host',
  'notify',
] as const;
const ALLOWS = ['setUpAllow'] as const;
const BOUNDS = ['budgetUsd', 'budgetTokens', 'taskBudgetUsd', 'forMs', 'maxPendingReviews'] as const;

/**
 * The settings of a repository's own file that count only once the user accepted that file: what runs a command or an
 * image, where that happens, what shows agents more than what is committed, what lets them reach more, and quantities above what `below`
 * (defaults and the user's own file) gives. Tightening is always allowed.
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
  // Without one below there is no limit, so that any is tighter.
  for (const key of BOUNDS) {
    if ((repository[key] ?? 0) > (below[key] ?? Number.POSITIVE_INFINITY)) loosening.push(key);
  }
  if (repository.autoApprove === 'passing' && below.autoApprove !== 'passing') loosening.push('autoApprove');
  const { network } = repository;
  if (network !== undefined && NETWORKS.indexOf(network) > NETWORKS.indexOf(below.network ?? DEFAULT_NETWORK)) {
    loosening.push('network');
  }
  for (const key of ALLOWS) {
    const allowed: readonly string[] = below[key] ?? DEFAULTS[key];
    // The usual hosts hold those of every other set.
    const isWithin = (one: string) => allowed.includes(one) || (allowed.includes('@usual') && one.startsWith('@'));
    if (repository[key]?.every(isWithin) === false) loosening.push(key);
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
    allowOverlap: layer.allowOverlap ?? false,
    engine: engineOf(layer, engines),
    engines,
    model: layer.model ?? null,
    roles: layer.roles ?? {},
    effort: layer.effort ?? null,
    // Whoever names a host wants it to be reached.
    network: layer.network ?? ((layer.allow ?? []).length > 0 ? 'allowlist' : DEFAULT_NETWORK),
    allow: layer.allow ?? [],
    registries: layer.registries ?? {},
    budget: { usd: layer.budgetUsd ?? null, tokens: layer.budgetTokens ?? null },
    taskBudgetUsd: layer.taskBudgetUsd ?? null,
    base: layer.base ?? null,
    includeDirty: layer.includeDirty ?? false,
    history: layer.history ?? DEFAULTS.history,
    image: layer.image ?? null,
    dockerfile: layer.dockerfile ?? null,
    workspace: layer.workspace ?? null,
    setUp: setUpOf(layer),
    checks: layer.checks ?? [],
    autoApprove: layer.autoApprove ?? 'never',
    autoMerge: layer.autoMerge ?? null,
    maxPendingReviews: layer.maxPendingReviews ?? null,
    runtime: layer.runtime ?? null,
    sandbox: layer.sandbox ?? DEFAULTS.sandbox,
    swarm: layer.swarm ?? null,
    hosts: layer.hosts ?? {},
    host: layer.host ?? [],
    on: layer.on ?? [],
    end: endOf(layer),
    notify: layer.notify ?? null,
    timeoutMs: layer.timeoutMs ?? DEFAULTS.timeoutMs,
    idleTimeoutMs: layer.idleTimeoutMs ?? DEFAULTS.idleTimeoutMs,
    limits: {
      memoryBytes: layer.memoryBytes ?? DEFAULTS.memoryBytes,
      cpus: layer.cpus ?? DEFAULTS.cpus,
      pids: layer.pids ?? DEFAULTS.pids,
      diskBytes: layer.diskBytes ?? DEFAULTS.diskBytes,
    },
  };
}

function endOf({ forMs, until }: Layer): Settings['end'] {
  if (forMs !== undefined) return { forMs };
  return until === undefined ? null : { until };
}

function setUpOf({ setUp, setUpAllow, setUpInputs }: Layer): SetUpSettings | null {
  if (setUp === undefined) return null;
  return { command: setUp, allow: setUpAllow ?? DEFAULTS.setUpAllow, inputs: setUpInputs ?? [] };
}

function engineOf(layer: Layer, engines: Readonly<Record<string, EngineDefinition>>): EngineChoice | null {
  if (layer.engineCommand !== undefined) return { name: 'command', definition: { command: layer.engineCommand } };
  if (layer.engine === undefined) return null;
  return { name: layer.engine, definition: engines[layer.engine] ?? null };
}
