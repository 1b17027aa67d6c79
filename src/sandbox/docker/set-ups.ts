/** Set-ups on one engine: made once in a container of their own, kept as an image and two layers, taken over by later runs. */

import { createHash, randomBytes } from 'node:crypto';
import type Docker from 'dockerode';
import type { Container } from 'dockerode';
import type { KeeperClient, KeptSetUp as Layers } from '../../keeper/client.ts';
import type { AttemptId, TaskId } from '../../types.ts';
import { registryFiles } from '../registries.ts';
import type { CreatedSetUp, KeptSetUp, SandboxSpec, SetUpSpec } from '../sandbox.ts';
import { type AgentImage, readAgentImage } from './agent-image.ts';
import { healthOf } from './calls.ts';
import { createdAfresh } from './create.ts';
import { engineFailure, isStatus } from './engine-errors.ts';
import { LABEL, labels } from './names.ts';
import { DockerSandbox } from './sandbox.ts';
import { setUpConfig, setUpContainer, setUpEnvironment } from './set-up-spec.ts';
import type { AgentPlacement } from './spec.ts';

/** Changed meaning of what is kept: nothing older is taken over. */
const VERSION = 1;
/** Results kept for later runs, the least recently used go first. */
const MOST_KEPT = 4;
/** Name of their images. */
const REPOSITORY = 'orchestrate-setup';

/** What sandboxes start from besides their tree. */
export interface SetUpInUse {
  readonly id: string;
  readonly image: AgentImage;
}

export interface SetUpPlace {
  readonly docker: Docker;
  readonly installation: string;
  readonly keeper: KeeperClient;
  readonly objectFormat: 'sha1' | 'sha256';
  /** False where somebody may still stand on what was set up before: attempts of an earlier run, those of a run beside a guest. */
  readonly mayRemove: boolean;
  /** The image that it is made from. */
  image(): AgentImage;
  /** Lays out workspace and home. */
  place(spec: SandboxSpec): Promise<AgentPlacement>;
}

export class SetUps {
  readonly #at: SetUpPlace;
  #inUse: SetUpInUse | null = null;
  readonly #made: string[] = [];
  #underWay: { readonly attempt: AttemptId; readonly container: Container } | null = null;

  constructor(at: SetUpPlace) {
    this.#at = at;
  }

  /** Null where nothing was set up. */
  get inUse(): SetUpInUse | null {
    return this.#inUse;
  }

  /** Bytes that the one under way wrote into its root file system, with its name in the store; null where none is. */
  async rootBytes(): Promise<{ readonly attempt: AttemptId; readonly bytes: number } | null> {
    if (this.#underWay === null) return null;
    const { attempt, container } = this.#underWay;
    // The typings lack the answer's field.
    const [found]: { Id: string; SizeRw?: number }[] = await this.#at.docker.listContainers({
      ...{ all: true, size: true },
      filters: { id: [container.id] },
    });
    return { attempt, bytes: found?.SizeRw ?? 0 };
  }

  async reuse(spec: Pick<SetUpSpec, 'command' | 'inputs'>): Promise<boolean> {
    try {
      const key = this.#keyOf(spec);
      const found = await this.#at.keeper.setUps();
      for (const one of found.filter((each) => each.key === key)) {
        const image = await this.#imageOf(one.image);
        if (image === null) continue;
        await this.#at.keeper.touchSetUp(one.id);
        this.#inUse = { id: one.id, image };
        return true;
      }
      // Where its image was deleted under a run, sandboxes may still stand on its layers.
      if (this.#inUse === null) await this.#makeRoom(found);
      return false;
    } catch (cause) {
      throw engineFailure('what was set up before could not be looked up', cause);
    }
  }

  async create(spec: SetUpSpec): Promise<CreatedSetUp> {
    const { docker, keeper, objectFormat, installation } = this.#at;
    const image = this.#at.image();
    const id = randomBytes(6).toString('hex');
    const attempt = `setup-${id}` as AttemptId;
    const { tree, commit, limits, timeoutMs, egress } = spec;
    const sandbox: SandboxSpec = {
      ...{ attempt, task: 'setup' as TaskId, containerName: `orchestrate-${installation}-${attempt}` },
      ...{ tree, commit, limits, timeoutMs, homeFiles: egress === null ? [] : registryFiles(egress) },
      ...{ hasGateway: egress !== null, toolboxToken: null },
      argv: ['/bin/sh', '-c', spec.command],
      env: setUpEnvironment(image, egress),
    };
    try {
      const placement = await this.#at.place({
        ...sandbox,
        homeFiles: [...sandbox.homeFiles, setUpConfig(sandbox, image)],
      });
      const engine = healthOf(docker);
      const container = await engine.steadily(() => createdAfresh(docker, setUpContainer(sandbox, placement)));
      this.#underWay = { attempt, container };
      const parts = { container, engine, keeper, objectFormat, attempt, tree, diskBytes: limits.diskBytes };
      const running = new DockerSandbox(parts);
      return {
        attempt,
        start: () => running.start(),
        keep: () => this.#keep({ id, attempt, spec, container }),
        discard: () => {
          this.#underWay = null;
          return running.discard();
        },
      };
    } catch (cause) {
      await keeper.removeAttempt(attempt).catch(() => {});
      throw engineFailure('the sandbox of the set-up could not be created', cause);
    }
  }

  /** The layers are finished last and name the image: what was cut off before is never taken over. */
  async #keep(made: {
    readonly id: string;
    readonly attempt: AttemptId;
    readonly spec: SetUpSpec;
    readonly container: Container;
  }): Promise<KeptSetUp> {
    const { docker, keeper, objectFormat } = this.#at;
    const { id, attempt, spec } = made;
    let committed: string | null = null;
    try {
      committed = await this.#commit(made.container, id);
      const image = await this.#imageOf(committed);
      if (image === null) throw new Error(`the engine has lost the image ${committed}`);
      const key = this.#keyOf(spec);
      const request = { attempt, tree: spec.tree, objectFormat, id, key, image: committed };
      const { count, changed } = await keeper.keepSetUp(request);
      this.#inUse = { id, image };
      this.#made.push(committed);
      return { restored: { count, paths: changed } };
    } catch (cause) {
      if (committed !== null)
        await docker
          .getImage(committed)
          .remove()
          .catch(() => {});
      throw engineFailure('what the set-up made could not be kept', cause);
    }
  }

  /** Removes the images of what was made here; nothing may run on them any more. */
  async removeImages(): Promise<void> {
    for (const image of this.#made.splice(0)) {
      // Used or gone already: it is found again by its label.
      await this.#at.docker
        .getImage(image)
        .remove()
        .catch(() => {});
    }
  }

  /** An image of the container's root file system, configured as the one that it was made from. Gives its id. */
  async #commit(container: Container, id: string): Promise<string> {
    const { docker, installation } = this.#at;
    // What is missing here the engine takes from the container.
    const original = (
      (await docker.getImage(this.#at.image().id).inspect()) as { Config?: Record<string, unknown> | null }
    ).Config;
    const config = {
      ...original,
      Entrypoint: original?.Entrypoint ?? [],
      Cmd: original?.Cmd ?? [],
      Labels: labels(installation, 'cache'),
    };
    // dockerode would send all that is asked for as the configuration, too.
    const query = { container: container.id, repo: REPOSITORY, tag: `${installation}-${id}`, pause: false };
    const { Id } = (await container.commit({ _query: query, _body: config } as object)) as { Id: string };
    return Id;
  }

  async #imageOf(id: string): Promise<AgentImage | null> {
    const { docker } = this.#at;
    const image = this.#at.image();
    try {
      return { ...(await readAgentImage(docker, id, image.isOurs)), name: image.name };
    } catch (error) {
      if (isStatus(error, 404)) return null;
      throw error;
    }
  }

  /** For one more: the least recently used go, and what was cut off: layers without an image, images without layers. */
  async #makeRoom(found: readonly Layers[]): Promise<void> {
    if (!this.#at.mayRemove) return;
    const { docker, keeper, installation } = this.#at;
    const filters = { reference: [REPOSITORY], label: [`${LABEL}=${installation}`] };
    const images = (await docker.listImages({ filters })).map((image) => image.Id);
    const whole = found.filter((one) => images.includes(one.image)).sort((a, b) => b.usedAt - a.usedAt);
    const kept = whole.slice(0, MOST_KEPT - 1);
    for (const one of found) if (!kept.includes(one)) await keeper.removeSetUp(one.id);
    for (const image of images) {
      if (kept.some((one) => one.image === image)) continue;
      // Somebody uses it: a later run tries again.
      await docker
        .getImage(image)
        .remove()
        .catch(() => {});
    }
  }

  #keyOf({ command, inputs }: Pick<SetUpSpec, 'command' | 'inputs'>): string {
    return createHash('sha256')
      .update(JSON.stringify([VERSION, this.#at.image().id, command, inputs]))
      .digest('hex');
  }
}
