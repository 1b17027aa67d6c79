/** The Docker driver: one engine made ready for a run, and the sandboxes on it. */

import { createHash } from 'node:crypto';
import type Docker from 'dockerode';
import type { Container } from 'dockerode';
import { environmentError, OrchestrateError } from '../../errors.ts';
import type { Outgoing } from '../../git/outgoing.ts';
import { contextFolder, KeeperClient, setUpFolders, type TreeLayer } from '../../keeper/client.ts';
import type { AttemptId, ObjectId, WorkspaceKind } from '../../types.ts';
import type {
  AdoptedSandbox,
  BaseTree,
  Capacity,
  ContextFile,
  CreatedSandbox,
  CreatedSetUp,
  GatewayTransport,
  HostResources,
  IsolationLevel,
  LeftSandbox,
  OutboxNews,
  SandboxHost,
  SandboxSpec,
  SetUpSpec,
} from '../sandbox.ts';
import { isEngineGone, TROUBLE } from '../trouble.ts';
import type { AgentImage } from './agent-image.ts';
import { healthOf } from './calls.ts';
import { createdAfresh } from './create.ts';
import { engineFailure, isStatus } from './engine-errors.ts';
import { ImageFitting } from './fitting.ts';
import { type GatewayLink, removeGateway, startGateway } from './gateway-link.ts';
import type { EngineHealth } from './health.ts';
import { ensureImages, type RunImages } from './images.ts';
import { type Keeper, startKeeper } from './keeper-link.ts';
import { ATTEMPT_LABEL, KIND_LABEL, keeperName, LABEL, RUN_LABEL, SENT_IMAGE } from './names.ts';
import { dropOldVersions } from './old-versions.ts';
import { BUILT_IMAGES } from './our-images.ts';
import { requirePrograms } from './programs.ts';
import { canLimitRoots } from './root-quota.ts';
import { saidOfRuntime } from './runtime-faults.ts';
import { proveRuntime } from './runtime-probe.ts';
import { chooseRuntime, type RuntimeInfo, readRuntimes } from './runtimes.ts';
import { DockerSandbox } from './sandbox.ts';
import { type SetUpInUse, SetUps } from './set-ups.ts';
import { type AgentPlacement, agentContainer } from './spec.ts';
import { ensureStore, leaveStore, removeLeftAttempts, STORE_LIMITS, type StoreLimits, trimStore } from './store.ts';
import { isSharedInUse, RUN_KINDS, sweep } from './sweep.ts';
import { troubleOf } from './unreachable.ts';
import { probeWorkspace } from './workspace-probe.ts';

/** Layers stacked at most; a tree beyond that is laid out on fewer again. */
const MAX_LAYERS = 8;
/** Below what a run starts from, at most; the rest is for what is stacked on it. */
const MAX_BASE_LAYERS = 3;

export interface DockerHostOptions extends Outgoing {
  readonly name: string;
  readonly docker: Docker;
  /** What leads to the engine, where that ends with the host. */
  readonly connection?: AsyncDisposable;
  /** Keys may be told to what runs there; not given: they may. */
  readonly mayHoldKeys?: boolean;
  readonly installation: string;
  readonly run: string;
  /** The agent image the user asked for; null for ours. */
  readonly image: string | null;
  /** Absolute path of a Dockerfile to build it from instead. */
  readonly dockerfile?: string | null | undefined;
  /** The engine of this machine, for one elsewhere: what that lacks of images is sent. Not given: there is nothing to send. */
  readonly imagesFrom?: Docker | null | undefined;
  /** What that image must hold, by name; not given: nothing. */
  readonly programs?: readonly string[];
  /** Somebody beside the run that may be at work: tidies nothing, and what it lays out goes with it. */
  readonly isGuest?: boolean | undefined;
  /** Runs' ids of the guests that are alive: what they have stays. */
  readonly guests?: (() => readonly string[]) | undefined;
  /** Attempts of an earlier run that are still to be adopted: what they left stays. */
  readonly keep: readonly AttemptId[];
  readonly objectFormat: 'sha1' | 'sha256';
  /** How the repository gets in; null: overlay where a probe shows that the engine can, else copy. */
  readonly workspace: WorkspaceKind | null;
  /** The container runtime of sandboxes, by the engine's name for it; null or not given: the engine's default. */
  readonly runtime?: string | null;
  /** Not given: STORE_LIMITS. */
  readonly storeLimits?: StoreLimits;
  /** One line for people whenever something slow starts. */
  onProgress(line: string): void;
  onWarning(line: string): void;
}

/** Makes the engine ready: images, toolbox, store, keeper. What fails is an OrchestrateError of kind `environment`. */
export async function openDockerHost(options: DockerHostOptions): Promise<SandboxHost> {
  const { docker, installation, run } = options;
  const engine = healthOf(docker);
  engine.watch();
  let host: DockerHost | null = null;
  try {
    const info = (await docker.info()) as RuntimeInfo & { readonly NCPU: number; readonly MemTotal: number };
    const runtimes = readRuntimes(info);
    const capacity = { cpus: info.NCPU, memoryBytes: info.MemTotal };
    const runtime = chooseRuntime(options.runtime ?? null, runtimes);
    const [images, store] = await Promise.all([
      imagesOf(options),
      ensureStore(docker, options),
      // The coordinator's lock is ours: whatever an earlier run has left and nobody adopts belongs to nobody.
      sweepEarlierRuns(options),
    ]);
    await requirePrograms(docker, { image: images.agent, programs: options.programs ?? [], installation, run });
    const keeper = await startKeeper(
      docker,
      {
        installation,
        run,
        name: keeperName(installation, run),
        image: images.sidecar,
        storeVolume: store.name,
        toolboxVolume: images.toolboxVolume,
      },
      {
        onDiagnostic: (line) => options.onWarning(`keeper: ${line}`),
        onRestart: async () => {
          options.onWarning('the keeper is gone or hangs: it is started anew');
          // Whatever nobody used meanwhile may have been removed.
          host?.forgetTrees();
          await Promise.all([imagesOf(options), ensureStore(docker, options)]);
        },
      },
    );
    try {
      const client = new KeeperClient(keeper.transport);
      await removeLeftAttempts(client, options.keep);
      const storeFolder = store.folder;
      const place = { installation, run, keeper: client, storeFolder };
      const basis = { images, keeper, client, storeFolder, capacity };
      if (runtime === null) {
        const workspace = options.workspace ?? (await probeWorkspace(docker, { ...place, image: images.sidecar }));
        host = new DockerHost(options, { ...basis, isolation: runtimes.level, workspace, runtime: null });
        return host;
      }
      const proven = await proveRuntime(docker, runtime, {
        ...{ ...place, sidecar: images.sidecar, toolboxVolume: images.toolboxVolume, workspace: options.workspace },
        onProgress: options.onProgress,
      });
      const known = { level: runtimes.level, wanted: options.workspace };
      for (const line of saidOfRuntime(runtime, proven, known)) options.onWarning(line);
      const { level: isolation, workspace } = proven;
      host = new DockerHost(options, { ...basis, isolation, workspace, runtime: runtime.name });
      return host;
    } catch (cause) {
      await keeper.remove().catch(() => {});
      throw cause;
    }
  } catch (cause) {
    await leaveStore(docker, options).catch(() => {});
    engine[Symbol.dispose]();
    await options.connection?.[Symbol.asyncDispose]();
    throw engineFailure(`the Docker host ${options.name} could not be made ready`, cause);
  }
}

function imagesOf(options: DockerHostOptions): Promise<RunImages> {
  const { docker, image, dockerfile = null, imagesFrom = null, onProgress } = options;
  return ensureImages(docker, { image, dockerfile }, onProgress, imagesFrom);
}

async function sweepEarlierRuns(options: DockerHostOptions): Promise<void> {
  const { docker, installation, run, keep, guests } = options;
  if (options.isGuest === true) return;
  // The gateway stays for the agents that are adopted.
  const kinds = keep.length > 0 ? RUN_KINDS.filter((kind) => kind !== 'gateway') : RUN_KINDS;
  await sweep(docker, installation, { kinds, dryRun: false, liveRun: run, guests, keepAttempts: keep });
}

interface Prepared {
  readonly images: RunImages;
  readonly keeper: Keeper;
  readonly client: KeeperClient;
  /** Where the store volume lies on the engine's host. */
  readonly storeFolder: string;
  readonly capacity: Capacity;
  readonly isolation: IsolationLevel;
  readonly workspace: WorkspaceKind;
  /** Null: the engine's default, about which nothing need be said. */
  readonly runtime: string | null;
}

/** Id of the layer with a commit's past. */
function pastLayer(commit: ObjectId, depth: number): ObjectId {
  return createHash('sha1').update(`history ${depth} ${commit}`).digest('hex') as ObjectId;
}

/** Again where the keeper was lost meanwhile. */
async function twice(lay: () => Promise<void>): Promise<void> {
  try {
    await lay();
  } catch (error) {
    if (!(error instanceof OrchestrateError && error.code === 'KEEPER_LOST')) throw error;
    await lay();
  }
}

function isImageMissing(error: unknown): boolean {
  return isStatus(error, 404) && error instanceof Error && /no such image/i.test(error.message);
}

/** Shares work under way and done; what failed may be tried again. */
function once(known: Map<ObjectId, Promise<void>>, id: ObjectId, act: () => Promise<void>): Promise<void> {
  const underWay = known.get(id);
  if (underWay !== undefined) return underWay;
  const acting = act().catch((error) => {
    known.delete(id);
    throw error;
  });
  known.set(id, acting);
  return acting;
}

type Folders = Pick<AgentPlacement, 'workspace' | 'home'>;

/** What the keeper lays out for an attempt besides its tree. */
function filesOf({ attempt: id, homeFiles, contextFiles: context }: SandboxSpec) {
  return { id, homeFiles, ...(context === undefined ? {} : { context }) };
}

class DockerHost implements SandboxHost {
  readonly name: string;
  readonly isolation: IsolationLevel;
  readonly workspace: WorkspaceKind;
  readonly capacity: Capacity;
  readonly mayHoldKeys: boolean;
  readonly #options: DockerHostOptions;
  readonly #prepared: Prepared;
  readonly #keeper: KeeperClient;
  readonly #engine: EngineHealth;
  #agentImage: AgentImage;
  /** By image; our own needs none. */
  readonly #fittings = new Map<string, ImageFitting>();
  readonly #setUps: SetUps;
  readonly #trees = new Map<ObjectId, Promise<void>>();
  readonly #pasts = new Map<ObjectId, Promise<void>>();
  #limitsRoots: Promise<boolean> | null = null;
  #gateway: Promise<GatewayLink> | null = null;
  #setUpAgain: (() => Promise<void>) | null = null;
  /** An image that somebody deleted. */
  #makingAgain: Promise<void> | null = null;
  #volume: string | null = null;
  /** Some agent can write outside of its workspace and home: it is in another image than ours. */
  #hasWritableRoots: boolean;
  /** Layers that this run has needed, or laid others on. */
  readonly #used = new Set<ObjectId>();

  constructor(options: DockerHostOptions, prepared: Prepared) {
    this.name = options.name;
    this.isolation = prepared.isolation;
    this.workspace = prepared.workspace;
    this.capacity = prepared.capacity;
    this.mayHoldKeys = options.mayHoldKeys ?? true;
    this.#options = options;
    this.#prepared = prepared;
    const { agent } = prepared.images;
    this.#hasWritableRoots = !agent.isOurs;
    this.#agentImage = agent;
    this.#keeper = prepared.client;
    this.#engine = healthOf(options.docker);
    const { docker, installation, objectFormat, keep } = options;
    this.#setUps = new SetUps({
      ...{ docker, installation, objectFormat, keeper: prepared.client },
      image: () => this.#agentImage,
      mayRemove: keep.length === 0 && options.isGuest !== true,
      place: (spec) => this.#place(spec, null),
    });
  }

  async prepareTree(base: BaseTree): Promise<void> {
    await once(this.#trees, base.tree, () => twice(() => this.#layOut(base)));
    if (this.#options.history > 1) await once(this.#pasts, base.commit, () => twice(() => this.#layPast(base)));
  }

  async #layPast({ tree, commit }: BaseTree): Promise<void> {
    const id = pastLayer(commit, this.#options.history);
    this.#used.add(id);
    if ((await this.#keeper.trees()).some((layer) => layer.tree === id)) return;
    const { shallow, pack } = await this.#options.historyOf(commit);
    const { objectFormat } = this.#options;
    await this.#keeper.layHistory({ id, tree, commit, objectFormat, shallow, pack });
  }

  /** The layer that shows a sandbox its tree. */
  #layerOf({ tree, commit }: SandboxSpec): ObjectId {
    return this.#options.history > 1 ? pastLayer(commit, this.#options.history) : tree;
  }

  async #layOut(base: BaseTree): Promise<void> {
    if (base.near !== null && base.near !== base.tree) await this.#trees.get(base.near);
    const { tree } = base;
    this.#used.add(tree);
    const layers = await this.#keeper.trees();
    if (layers.some((layer) => layer.tree === tree)) return;
    const from = await this.#nearest(base, layers);
    if (from !== undefined) this.#used.add(from.tree);
    const { commit, pack } = await this.#options.packOf(tree, from?.tree ?? null);
    const { objectFormat } = this.#options;
    if (from === undefined) await this.#keeper.layTree({ tree, commit, objectFormat, pack });
    else await this.#keeper.layDelta({ tree, from: from.tree, commit, objectFormat, pack });
  }

  /** What is there may be of earlier runs. Where `near` is not, or too high, it is the nearest of what lies low. */
  async #nearest({ tree, near }: BaseTree, layers: readonly TreeLayer[]): Promise<TreeLayer | undefined> {
    const known = layers.find((layer) => layer.tree === near && layer.depth + 1 < MAX_LAYERS);
    if (known !== undefined) return known;
    const low = layers.filter((layer) => layer.depth < MAX_BASE_LAYERS).map((layer) => layer.tree);
    const nearest = await this.#options.nearestOf(tree, low);
    return layers.find((layer) => layer.tree === nearest);
  }

  async create(spec: SandboxSpec): Promise<CreatedSandbox> {
    const keeper = this.#keeper;
    const engine = this.#engine;
    const { objectFormat } = this.#options;
    try {
      const missed = this.#image.id;
      const container = await this.#container(spec).catch(async (error) => {
        if (!isImageMissing(error)) throw error;
        await this.#makeImagesAgain(missed);
        return this.#container(spec);
      });
      const { attempt, tree, limits } = spec;
      return new DockerSandbox({ container, engine, keeper, objectFormat, attempt, tree, diskBytes: limits.diskBytes });
    } catch (cause) {
      if (isEngineGone(cause)) throw cause;
      await keeper.removeAttempt(spec.attempt).catch(() => {});
      throw engineFailure(`the sandbox of ${spec.attempt} could not be created`, cause);
    }
  }

  async #container(spec: SandboxSpec): Promise<Container> {
    const placement = await this.#place(spec, this.#setUps.inUse);
    const body = agentContainer(spec, placement);
    return this.#engine.steadily(async () => {
      const container = await createdAfresh(this.#options.docker, body);
      await this.#fit(container, placement.image, spec.argv[0] ?? '');
      return container;
    });
  }

  /** Somebody deleted one of them, which all that miss it find out at once: it is made again for all of them. */
  async #makeImagesAgain(missed: string): Promise<void> {
    if (missed !== this.#image.id) return;
    this.#makingAgain ??= this.#replaceImage().finally(() => {
      this.#makingAgain = null;
    });
    await this.#makingAgain;
  }

  async #replaceImage(): Promise<void> {
    const { onWarning } = this.#options;
    const wasSetUp = this.#setUps.inUse !== null;
    if (wasSetUp && this.#setUpAgain === null) {
      throw environmentError(TROUBLE.image, 'the image that the set-up made was deleted', {
        hint: 'the next run sets up again: orchestrate run',
      });
    }
    onWarning(`${wasSetUp ? 'the image that the set-up made' : 'the agents’ image'} was deleted: it is made again`);
    // What a set-up is made from may be gone with what it made.
    this.#agentImage = (await imagesOf(this.#options)).agent;
    if (wasSetUp) await this.#setUpAgain?.();
  }

  /** What was laid out is looked for again before it is used. */
  forgetTrees(): void {
    this.#trees.clear();
    this.#pasts.clear();
  }

  onTrouble(listener: (trouble: string | null) => void): void {
    this.#engine.mayWait();
    this.#engine.listen((isAway) => listener(isAway ? troubleOf(this.#engine.why) : null));
  }

  giveUp(): void {
    this.#engine.giveUp();
  }

  reuseSetUp(spec: Pick<SetUpSpec, 'command' | 'inputs'>): Promise<boolean> {
    return this.#setUps.reuse(spec);
  }

  onSetUpLost(again: () => Promise<void>): void {
    this.#setUpAgain = again;
  }

  createSetUp(spec: SetUpSpec): Promise<CreatedSetUp> {
    return this.#setUps.create(spec);
  }

  /** What agents run in. */
  get #image(): AgentImage {
    return this.#setUps.inUse?.image ?? this.#agentImage;
  }

  async adopt(left: LeftSandbox): Promise<AdoptedSandbox | null> {
    const { docker, objectFormat } = this.#options;
    const container = docker.getContainer(left.containerName);
    const { attempt, tree, diskBytes } = left;
    try {
      const engine = this.#engine;
      const { State, HostConfig } = await engine.steadily(() => container.inspect());
      if (State.Status !== 'created') {
        // Paused by a coordinator that was killed while it read: nobody else would let it go on.
        if (State.Paused) await container.unpause();
        if (HostConfig.ReadonlyRootfs !== true) this.#hasWritableRoots = true;
        const parts = { container, engine, keeper: this.#keeper, objectFormat, attempt, tree, diskBytes };
        const sandbox = new DockerSandbox(parts);
        return { sandbox, startedAt: new Date(State.StartedAt) };
      }
      await container.remove({ force: true, v: true });
    } catch (cause) {
      if (!isStatus(cause, 404)) throw engineFailure(`the sandbox of ${attempt} could not be taken over`, cause);
    }
    await this.#keeper.removeAttempt(attempt);
    return null;
  }

  async #place(spec: SandboxSpec, setUp: SetUpInUse | null): Promise<AgentPlacement> {
    const made = setUp?.id ?? null;
    const folders = this.workspace === 'copy' ? await this.#copy(spec, made) : await this.#overlay(spec, made);
    const { installation, run } = this.#options;
    const { images, runtime } = this.#prepared;
    const { toolboxVolume } = images;
    const gatewayVolume = spec.hasGateway ? this.#gatewayVolume() : null;
    const image = setUp?.image ?? this.#agentImage;
    this.#limitsRoots ??= canLimitRoots(this.#options.docker, { image: image.id, installation, run });
    const limitsRoot = await this.#limitsRoots;
    const context = spec.contextFiles === undefined ? null : { folder: this.#inStore(contextFolder(spec.attempt)) };
    return { installation, run, image, toolboxVolume, gatewayVolume, limitsRoot, context, runtime, ...folders };
  }

  async #overlay(spec: SandboxSpec, setUp: string | null): Promise<Folders> {
    const [lower, folders] = await Promise.all([
      this.#keeper.stackOf(this.#layerOf(spec)),
      this.#keeper.prepareAttempt({ ...filesOf(spec), setUp }),
    ]);
    const { upper, work, homeUpper, homeWork } = folders;
    const made = setUp === null ? null : setUpFolders(setUp);
    return {
      workspace: {
        // The set-up's at the bottom: whatever the tree has at a path of it is seen.
        lower: [...lower, ...(made === null ? [] : [made.workspace])].map((layer) => this.#inStore(layer)),
        upper: this.#inStore(upper),
        work: this.#inStore(work),
      },
      home: {
        lower: [this.#inStore(made?.home ?? 'h')],
        upper: this.#inStore(homeUpper),
        work: this.#inStore(homeWork),
      },
    };
  }

  async #copy(spec: SandboxSpec, setUp: string | null): Promise<Folders> {
    const tree = this.#layerOf(spec);
    const { workspace, home } = await this.#keeper.prepareCopy({ ...filesOf(spec), tree, setUp });
    return { workspace: { folder: this.#inStore(workspace) }, home: { folder: this.#inStore(home) } };
  }

  #inStore(folder: string): string {
    return `${this.#prepared.storeFolder}/${folder}`;
  }

  async openGateway({ dials }: { readonly dials: boolean }): Promise<GatewayTransport> {
    const { docker, installation, run } = this.#options;
    this.#gateway ??= startGateway(docker, {
      ...{ installation, run, guest: this.#guest, dials, image: this.#prepared.images.sidecar },
      onDiagnostic: (line) => this.#options.onWarning(`gateway: ${line}`),
    });
    const { volume, open } = await this.#gateway;
    this.#volume = volume;
    return { open };
  }

  get #guest(): string | null {
    return this.#options.isGuest === true ? this.#options.run : null;
  }

  #gatewayVolume(): string {
    if (this.#volume === null) throw new Error('a sandbox asks for a gateway that was not opened');
    return this.#volume;
  }

  async putContext(contexts: ReadonlyMap<AttemptId, readonly ContextFile[]>): Promise<void> {
    await this.#keeper.putContext([...contexts].map(([id, files]) => ({ id, files })));
  }

  async takeNotes(most: ReadonlyMap<AttemptId, number>, final: boolean): Promise<ReadonlyMap<AttemptId, OutboxNews>> {
    const outboxes = [...most].map(([id, files]) => ({ id, most: files }));
    return (await this.#keeper.takeNotes(outboxes, final)) as Map<AttemptId, OutboxNews>;
  }

  async resources(): Promise<HostResources> {
    const [{ bytes, inodes, freeBytes, freeInodes, memory }, written, roots, setUp] = await Promise.all([
      this.#keeper.usage(),
      this.#keeper.written(),
      this.#rootSizes(),
      this.#setUps.rootBytes(),
    ]);
    const attempts = new Map<AttemptId, number>();
    if (setUp !== null) roots.set(setUp.attempt, setUp.bytes);
    for (const [id, size] of written) attempts.set(id as AttemptId, size + (roots.get(id as AttemptId) ?? 0));
    return {
      attempts,
      disk: { free: freeBytes, total: bytes + freeBytes },
      inodes: { free: freeInodes, total: inodes + freeInodes },
      memory,
    };
  }

  /** What attempts in other images than ours wrote into their root file systems; ours are read-only. */
  async #rootSizes(): Promise<Map<AttemptId, number>> {
    const sizes = new Map<AttemptId, number>();
    if (!this.#hasWritableRoots) return sizes;
    const { docker, installation, run } = this.#options;
    const filters = { label: [`${LABEL}=${installation}`] };
    // The typings lack the answer's field.
    const containers: { Labels: Record<string, string>; SizeRw?: number }[] = await docker.listContainers({
      size: true,
      filters,
    });
    for (const { Labels: found, SizeRw: size } of containers) {
      const kind = found[KIND_LABEL];
      // Agents may be another run's that were taken over; what is a check's name here may be another's elsewhere.
      if (kind === 'agent' || (kind === 'check' && found[RUN_LABEL] === run))
        sizes.set((found[ATTEMPT_LABEL] ?? '') as AttemptId, size ?? 0);
    }
    return sizes;
  }

  async #fit(container: Container, image: AgentImage, program: string): Promise<void> {
    if (image.isOurs) return;
    const fitting = this.#fittings.get(image.id) ?? new ImageFitting(image, this.#options.onWarning);
    this.#fittings.set(image.id, fitting);
    try {
      await fitting.fit(container, program);
    } catch (cause) {
      await container.remove({ force: true, v: true }).catch(() => {});
      throw cause;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#close();
    } finally {
      this.#engine[Symbol.dispose]();
      await this.#options.connection?.[Symbol.asyncDispose]();
    }
  }

  /** Where the engine is gone nothing is waited for: the next run finds what is left by its labels. */
  async #close(): Promise<void> {
    const { docker, installation, isGuest, storeLimits = STORE_LIMITS, onWarning } = this.#options;
    // An engine that is gone is told of by what cannot be left out.
    const warn = (error: Error): void => {
      if (!isEngineGone(error)) onWarning(error.message);
    };
    if (isGuest !== true) await trimStore(this.#keeper, [...this.#used], storeLimits).catch(warn);
    await this.#keeper[Symbol.asyncDispose]().catch(() => {});
    await this.#prepared.keeper.remove();
    // Its layers go with a guest's store, and without them nobody can use the image.
    if (isGuest === true) await this.#setUps.removeImages();
    await leaveStore(docker, this.#options);
    await removeGateway(docker, installation, this.#guest);
    if (isGuest === true) return;
    // What a coordinator asked for right before it was killed may have come to be after the first look.
    await sweepEarlierRuns(this.#options);
    await this.#sweepVolumes();
    await this.#dropOldVersions().catch(warn);
  }

  /** Whoever removes an agent's container leaves its volumes; what a container still has stays. */
  async #sweepVolumes(): Promise<void> {
    const { docker, installation, guests } = this.#options;
    await sweep(docker, installation, { kinds: ['agent', 'check', 'setup'], types: ['volume'], dryRun: false, guests });
  }

  async #dropOldVersions(): Promise<void> {
    const { agent, sidecar, toolbox, theirs } = this.#prepared.images;
    const { docker, installation } = this.#options;
    const used = [theirs ?? agent.name, sidecar, toolbox];
    if (await isSharedInUse(docker, installation)) return;
    await dropOldVersions(docker, { images: [...BUILT_IMAGES, SENT_IMAGE], used, now: new Date() });
  }
}
