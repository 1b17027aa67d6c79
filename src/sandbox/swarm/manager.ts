/** Questions to the manager of a Swarm, and what its failures mean. */

import type Docker from 'dockerode';
import type { CreateServiceOptions } from 'dockerode';
import { environmentError, OrchestrateError } from '../../errors.ts';
import { healthOf } from '../docker/calls.ts';
import { engineFailure, isStatus, isUnanswered } from '../docker/engine-errors.ts';
import { KIND_LABEL, LABEL } from '../docker/names.ts';
import { type RawNode, type RawTask, readNodes, type SwarmNode } from './reading.ts';
import { removeService } from './service.ts';

/** All placements of an installation, as they were at one moment. */
export interface Sight {
  readonly nodes: readonly SwarmNode[];
  /** Ids of services by their name. */
  readonly services: ReadonlyMap<string, string>;
  /** By the service's id; each has one at most. */
  readonly tasks: ReadonlyMap<string, RawTask>;
}

interface SwarmInfo {
  readonly NodeID: string;
  readonly LocalNodeState: string;
  readonly ControlAvailable: boolean;
  readonly RemoteManagers: readonly { readonly Addr: string }[] | null;
}

export class SwarmManager {
  private constructor(
    readonly docker: Docker,
    readonly installation: string,
    /** The id of the node that answers. */
    readonly self: string,
  ) {}

  /** Environment error NOT_A_SWARM where the engine manages none. */
  static async of(docker: Docker, installation: string): Promise<SwarmManager> {
    healthOf(docker);
    const { Swarm: swarm } = (await docker.info().catch((cause) => {
      throw engineFailure('the Docker engine could not be asked for its Swarm', cause);
    })) as { readonly Swarm?: Partial<SwarmInfo> };
    if (swarm?.ControlAvailable !== true || swarm.NodeID === undefined) throw notASwarm(swarm ?? {});
    return new SwarmManager(docker, installation, swarm.NodeID);
  }

  async nodes(): Promise<readonly SwarmNode[]> {
    return readNodes((await this.docker.listNodes()) as readonly RawNode[], this.self);
  }

  async look(): Promise<Sight> {
    const filters = { label: [`${LABEL}=${this.installation}`, `${KIND_LABEL}=placement`] };
    // In this order: a service that is there has its task looked for after it.
    const services = await this.docker.listServices({ filters });
    const [tasks, nodes] = await Promise.all([
      this.docker.listTasks({ filters }) as Promise<readonly RawTask[]>,
      this.nodes(),
    ]);
    return {
      nodes,
      services: new Map(services.map((service) => [service.Spec?.Name ?? '', service.ID])),
      tasks: new Map(tasks.map((task) => [task.ServiceID, task])),
    };
  }

  /** Its id. What has its name goes: a creation whose reply was lost, or an earlier placement of the same attempt. */
  async create(service: CreateServiceOptions): Promise<string> {
    try {
      return (await this.docker.createService(service)).id;
    } catch (error) {
      if (!isStatus(error, 409) || service.Name === undefined) throw error;
      await removeService(this.docker, service.Name);
      return (await this.docker.createService(service)).id;
    }
  }

  /** Resolves when the engine answers, or is known not to. */
  async ping(): Promise<void> {
    await healthOf(this.docker).look();
  }
}

/**
 * The manager does not answer, or knows no leader just now: another try is right. Any other failure is thrown, as our error.
 * Returns a phrase that says so.
 */
export function trouble(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  if (isStatus(error, 503)) {
    if (/not a swarm manager/i.test(said)) throw notASwarm({ LocalNodeState: 'active' });
    return `the Swarm cannot say: ${said}`;
  }
  if (isUnanswered(error)) return 'the manager of the Swarm does not answer';
  if (error instanceof OrchestrateError) throw error;
  throw environmentError('SWARM_REFUSED', `the Swarm refused to place an agent: ${said}`, {
    cause: error,
    hint: 'orchestrate doctor',
  });
}

function notASwarm({ LocalNodeState: state = 'inactive', RemoteManagers: managers }: Partial<SwarmInfo>): Error {
  const at = (managers ?? []).map(({ Addr: address }) => address.replace(/:\d+$/, '')).join(', ');
  const [what, hint] =
    state === 'active'
      ? [
          'is a worker of its Swarm and no manager',
          `name a manager with --host${at === '' ? '' : `; they are at ${at}`}`,
        ]
      : state === 'locked'
        ? ['is locked out of its Swarm', 'unlock it: docker swarm unlock']
        : ['is in no Swarm', 'make one: docker swarm init, then docker swarm join on the other machines'];
  return environmentError('NOT_A_SWARM', `the Docker engine ${what}`, { hint });
}
