/** The sandboxes, the set-up and the gateway of one engine that was made ready for a run. */

import type { Container } from 'dockerode';
import { environmentError } from '../../errors.ts';
import type { KeeperClient } from '../../keeper/client.ts';
import type { AttemptId, WorkspaceKind } from '../../types.ts';
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
import { ImageFittings } from './fitting.ts';
import { type GatewayLink, removeGateway, startGateway } from './gateway-link.ts';
import type { EngineHealth } from './health.ts';
import type { DockerHostOptions } from './host-options.ts';
import type { RunImages } from './images.ts';
import type { Keeper } from './keeper-link.ts';
import { tidyUp, warnUnlessGone } from './leftovers.ts';
import { Placing } from './placing.ts';
import { rootSizes } from './root-sizes.ts';
import { DockerSandbox } from './sandbox.ts';
import { type SetUpInUse, SetUps } from './set-ups.ts';
import { type AgentPlacement, agentContainer } from './spec.ts';
import { leaveStore, STORE_LIMITS, trimStore } from './store.ts';
import { LaidTrees } from './trees.ts';
import { troubleOf } from './unreachable.ts';

/** What `openDockerHost` found and started. */
export interface Prepared {
  readonly images: RunImages;
  readonly keeper: Keeper;
  readonly client: KeeperClient;
  /** Again what `images` are, whatever of them is there still. */
  makeImages(): Promise<RunImages>;
  /** Where the store volume lies on the engine's host. */
  readonly storeFolder: string;
  readonly capacity: Capacity;
  readonly isolation: IsolationLevel;
  readonly workspace: WorkspaceKind;
  /** Null: the engine's default, about which nothing need be said. */
  readonly runtime: string | null;
}

export class PreparedHost implements SandboxHost {
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
  readonly #fittings: ImageFittings;
  readonly #setUps: SetUps;
  readonly #trees: LaidTrees;
  readonly #placing: Placing;
  #gateway: Promise<GatewayLink> | null = null;
  #setUpAgain: (() => Promise<void>) | null = null;
  /** An image that somebody deleted. */
  #makingAgain: Promise<void> | null = null;
  #volume: string | null = null;
  /** Some agent can write outside of its workspace and home: it is in another image than ours. */
  #hasWritableRoots: boolean;

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
    const keeper = prepared.client;
    this.#keeper = keeper;
    this.#engine = healthOf(options.docker);
    const { docker, installation, run, objectFormat, keep } = options;
    const { toolboxVolume } = prepared.images;
    const { storeFolder, workspace, runtime } = prepared;
    const trees = new LaidTrees(keeper, options);
    this.#trees = trees;
    this.#placing = new Placing({
      ...{ docker, installation, run, toolboxVolume, runtime },
      ...{ keeper, trees, workspace, storeFolder },
    });
    this.#fittings = new ImageFittings(options.onWarning);
    this.#setUps = new SetUps({
      ...{ docker, installation, objectFormat, keeper },
      image: () => this.#agentImage,
      mayRemove: keep.length === 0 && options.isGuest !== true,
      place: (spec) => this.#place(spec, null),
    });
  }

  async prepareTree(base: BaseTree): Promise<void> {
    await this.#trees.prepare(base);
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
      await this.#fittings.fit(container, placement.image, spec.argv[0] ?? '');
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
    this.#agentImage = (await this.#prepared.makeImages()).agent;
    if (wasSetUp) await this.#setUpAgain?.();
  }

  /** What was laid out is looked for again before it is used. */
  forgetTrees(): void {
    this.#trees.forget();
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

  #place(spec: SandboxSpec, setUp: SetUpInUse | null): Promise<AgentPlacement> {
    const image = setUp?.image ?? this.#agentImage;
    const gatewayVolume = spec.hasGateway ? this.#gatewayVolume() : null;
    return this.#placing.place(spec, { image, setUp: setUp?.id ?? null, gatewayVolume });
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
    return this.#hasWritableRoots ? rootSizes(this.#options.docker, this.#options) : new Map();
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
    const { docker, installation, isGuest = false, storeLimits = STORE_LIMITS } = this.#options;
    const { keeper, images } = this.#prepared;
    if (!isGuest)
      await trimStore(this.#keeper, this.#trees.used, storeLimits).catch((error: Error) =>
        warnUnlessGone(this.#options, error),
      );
    await this.#keeper[Symbol.asyncDispose]().catch(() => {});
    await keeper.remove();
    // Its layers go with a guest's store, and without them nobody can use the image.
    if (isGuest) await this.#setUps.removeImages();
    await leaveStore(docker, this.#options);
    await removeGateway(docker, installation, this.#guest);
    if (!isGuest) await tidyUp(this.#options, images);
  }
}

function isImageMissing(error: unknown): boolean {
  return isStatus(error, 404) && error instanceof Error && /no such image/i.test(error.message);
}
