/** The Docker driver: one engine made ready for a run, and the sandboxes on it. */

import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { KeeperClient } from '../../keeper/client.ts';
import type { ObjectId } from '../../types.ts';
import type { BaseTree, CreatedSandbox, IsolationLevel, SandboxHost, SandboxSpec } from '../sandbox.ts';
import { engineFailure, isStatus } from './engine-errors.ts';
import { ensureImages, type RunImages } from './images.ts';
import { type Keeper, startKeeper } from './keeper-link.ts';
import { keeperName, labels, storeVolumeName } from './names.ts';
import { DockerSandbox } from './sandbox.ts';
import { agentContainer, type OverlayFolders } from './spec.ts';
import { sweep } from './sweep.ts';

/** Layers stacked at most; a tree beyond that is laid out whole again. */
const MAX_LAYERS = 8;

export interface DockerHostOptions {
  readonly name: string;
  readonly docker: Docker;
  readonly installation: string;
  readonly run: string;
  /** The agent image the user asked for; null for ours. */
  readonly image: string | null;
  readonly objectFormat: 'sha1' | 'sha256';
  /** The pack that lays out `tree`: everything, or what `without` lacks; and the commit in it that the agent sees. */
  packOf(tree: ObjectId, without: ObjectId | null): Promise<{ commit: ObjectId; pack: Readable }>;
  /** One line for people whenever something slow starts. */
  onProgress(line: string): void;
  onWarning(line: string): void;
}

/** Makes the engine ready: images, toolbox, store, keeper. What fails is an OrchestrateError of kind `environment`. */
export async function openDockerHost(options: DockerHostOptions): Promise<SandboxHost> {
  const { docker, installation, run } = options;
  try {
    // The coordinator's lock is ours: whatever an earlier run has left belongs to nobody.
    await sweep(docker, installation, { kinds: ['agent', 'keeper'], dryRun: false, liveRun: run });
    const images = await ensureImages(docker, options.image, (line) => options.onProgress(line));
    const storeVolume = storeVolumeName(installation);
    await docker.createVolume({ Name: storeVolume, Labels: labels(installation, 'store') });
    const { Mountpoint: storeFolder } = await docker.getVolume(storeVolume).inspect();
    const keeper = await startKeeper(
      docker,
      { installation, run, name: keeperName(installation, run), image: images.sidecar, storeVolume },
      (line) => options.onWarning(`keeper: ${line}`),
    );
    try {
      const isolation = await isolationOf(docker);
      const host = new DockerHost(options, { images, keeper, storeFolder, isolation });
      await host.removeLeftAttempts();
      return host;
    } catch (cause) {
      await keeper.remove().catch(() => {});
      throw cause;
    }
  } catch (cause) {
    throw engineFailure(`the Docker host ${options.name} could not be made ready`, cause);
  }
}

async function isolationOf(docker: Docker): Promise<IsolationLevel> {
  const info = (await docker.info()) as { SecurityOptions?: string[] };
  const remapped = info.SecurityOptions?.some((option) => /name=(userns|rootless)/.test(option)) ?? false;
  return remapped ? 'userns' : 'shared-kernel';
}

interface Prepared {
  readonly images: RunImages;
  readonly keeper: Keeper;
  /** Where the store volume lies on the engine's host. */
  readonly storeFolder: string;
  readonly isolation: IsolationLevel;
}

class DockerHost implements SandboxHost {
  readonly name: string;
  readonly isolation: IsolationLevel;
  readonly #options: DockerHostOptions;
  readonly #prepared: Prepared;
  readonly #keeper: KeeperClient;
  readonly #trees = new Map<ObjectId, Promise<void>>();

  constructor(options: DockerHostOptions, prepared: Prepared) {
    this.name = options.name;
    this.isolation = prepared.isolation;
    this.#options = options;
    this.#prepared = prepared;
    this.#keeper = new KeeperClient(prepared.keeper.transport);
  }

  /** Workspaces of an earlier run that was cut off. */
  async removeLeftAttempts(): Promise<void> {
    for (const attempt of await this.#keeper.attempts()) await this.#keeper.removeAttempt(attempt);
  }

  prepareTree(base: BaseTree): Promise<void> {
    const known = this.#trees.get(base.tree);
    if (known !== undefined) return known;
    const laid = this.#layOut(base).catch((error) => {
      this.#trees.delete(base.tree);
      throw error;
    });
    this.#trees.set(base.tree, laid);
    return laid;
  }

  async #layOut(base: BaseTree): Promise<void> {
    if (base.near !== null && base.near !== base.tree) await this.#trees.get(base.near);
    const { tree } = base;
    const layers = await this.#keeper.trees();
    if (layers.some((layer) => layer.tree === tree)) return;
    const from = layers.find((layer) => layer.tree === base.near && layer.depth < MAX_LAYERS);
    const { commit, pack } = await this.#options.packOf(tree, from?.tree ?? null);
    const { objectFormat } = this.#options;
    if (from === undefined) await this.#keeper.layTree({ tree, commit, objectFormat, pack });
    else await this.#keeper.layDelta({ tree, from: from.tree, commit, objectFormat, pack });
  }

  async create(spec: SandboxSpec): Promise<CreatedSandbox> {
    const keeper = this.#keeper;
    const [lower, folders] = await Promise.all([
      keeper.stackOf(spec.tree),
      keeper.prepareAttempt({ id: spec.attempt, homeFiles: spec.homeFiles }),
    ]);
    const inStore = (folder: string): string => `${this.#prepared.storeFolder}/${folder}`;
    const workspace: OverlayFolders = {
      lower: lower.map(inStore),
      upper: inStore(folders.upper),
      work: inStore(folders.work),
    };
    const home: OverlayFolders = {
      lower: [inStore('h')],
      upper: inStore(folders.homeUpper),
      work: inStore(folders.homeWork),
    };
    const { images } = this.#prepared;
    const body = agentContainer(spec, {
      installation: this.#options.installation,
      run: this.#options.run,
      image: images.agent,
      readOnlyRoot: images.agentIsOurs,
      toolboxVolume: images.toolboxVolume,
      workspace,
      home,
    });
    const { docker, objectFormat } = this.#options;
    try {
      const container = await docker.createContainer(body).catch(async (error) => {
        // A creation whose reply was lost, or the rest of a run that was killed: the name is ours alone, so it may go.
        if (!isStatus(error, 409)) throw error;
        await docker.getContainer(spec.containerName).remove({ force: true, v: true });
        return docker.createContainer(body);
      });
      return new DockerSandbox({ container, keeper, objectFormat, attempt: spec.attempt, tree: spec.tree });
    } catch (cause) {
      await keeper.removeAttempt(spec.attempt).catch(() => {});
      throw engineFailure(`the sandbox of ${spec.attempt} could not be created`, cause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeper[Symbol.asyncDispose]().catch(() => {});
    await this.#prepared.keeper.remove();
  }
}
