/** Lays out what a sandbox starts from in the store, and says where that lies for the container that mounts it. */

import type Docker from 'dockerode';
import { contextFolder, type KeeperClient, setUpFolders } from '../../keeper/client.ts';
import type { WorkspaceKind } from '../../types.ts';
import type { SandboxSpec } from '../sandbox.ts';
import type { AgentImage } from './agent-image.ts';
import { canLimitRoots } from './root-quota.ts';
import type { AgentPlacement } from './spec.ts';
import type { LaidTrees } from './trees.ts';

export interface PlacingGround extends Pick<AgentPlacement, 'installation' | 'run' | 'toolboxVolume' | 'runtime'> {
  readonly docker: Docker;
  readonly keeper: KeeperClient;
  readonly trees: LaidTrees;
  readonly workspace: WorkspaceKind;
  /** Where the store volume lies on the engine's host. */
  readonly storeFolder: string;
}

/** What sandboxes start from besides their tree. */
export interface Start extends Pick<AgentPlacement, 'gatewayVolume'> {
  readonly image: AgentImage;
  /** Id of the set-up whose layers they stand on; null: there is none. */
  readonly setUp: string | null;
}

type Folders = Pick<AgentPlacement, 'workspace' | 'home'>;

export class Placing {
  readonly #ground: PlacingGround;
  #limitsRoots: Promise<boolean> | null = null;

  constructor(ground: PlacingGround) {
    this.#ground = ground;
  }

  /** Its tree was laid out before. */
  async place(spec: SandboxSpec, { image, setUp, gatewayVolume }: Start): Promise<AgentPlacement> {
    const { docker, installation, run, toolboxVolume, runtime, workspace } = this.#ground;
    const folders = workspace === 'copy' ? await this.#copy(spec, setUp) : await this.#overlay(spec, setUp);
    this.#limitsRoots ??= canLimitRoots(docker, { image: image.id, installation, run });
    const limitsRoot = await this.#limitsRoots;
    const context = spec.contextFiles === undefined ? null : { folder: this.#inStore(contextFolder(spec.attempt)) };
    return { installation, run, image, toolboxVolume, gatewayVolume, limitsRoot, context, runtime, ...folders };
  }

  async #overlay(spec: SandboxSpec, setUp: string | null): Promise<Folders> {
    const { keeper, trees } = this.#ground;
    const [lower, folders] = await Promise.all([
      keeper.stackOf(trees.layerOf(spec)),
      keeper.prepareAttempt({ ...filesOf(spec), setUp }),
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
    const { keeper, trees } = this.#ground;
    const tree = trees.layerOf(spec);
    const { workspace, home } = await keeper.prepareCopy({ ...filesOf(spec), tree, setUp });
    return { workspace: { folder: this.#inStore(workspace) }, home: { folder: this.#inStore(home) } };
  }

  #inStore(folder: string): string {
    return `${this.#ground.storeFolder}/${folder}`;
  }
}

/** What the keeper lays out for an attempt besides its tree. */
function filesOf({ attempt: id, homeFiles, contextFiles: context }: SandboxSpec) {
  return { id, homeFiles, ...(context === undefined ? {} : { context }) };
}
