/** The service that stands for one attempt in a Swarm: what it asks for, what it is called, and how it goes. */

import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { CreateServiceOptions } from 'dockerode';
import type { AttemptId } from '../../types.ts';
import { ignoreStatus, isStatus } from '../docker/engine-errors.ts';
import { ATTEMPT_LABEL, labels, PLACEMENT_NAME, RUN_LABEL } from '../docker/names.ts';
import type { RawTask } from './reading.ts';

/** Each node's own. */
export const PLACEMENT_IMAGE = `${PLACEMENT_NAME}:1`;

/** Gives an image of ours, which holds tini, that name on its engine. */
export async function tagPlacementImage(docker: Docker, sidecar: string): Promise<void> {
  const at = PLACEMENT_IMAGE.lastIndexOf(':');
  const name = { repo: PLACEMENT_IMAGE.slice(0, at), tag: PLACEMENT_IMAGE.slice(at + 1) };
  await docker.getImage(sidecar).tag(name);
}

/** Nobody on most systems; the engine maps it to nothing. */
const NOBODY = '65534:65534';
/** tini and sleep, and room to spare. */
const PIDS = 8;
const SECOND_NS = 1e9;
/** Of a DNS label, which a service's name must be. */
const MOST_LETTERS = 63;
/** For Swarm to tell the tasks of a service that it is over: one round of its own. */
const SETTLED_TIMEOUT_MS = 5_000;
const LOOK_AGAIN_MS = 100;
const MOST_TRIES = 5;

/** What an attempt needs of the node that it lands on. */
export interface Need {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Labels that the node must have: `gpu` with the value `true`, or `disk=ssd`. */
  readonly labels: readonly string[];
}

export interface Owner {
  readonly installation: string;
  readonly run: string;
  /** The processor that sandboxes' image is for, as the engine calls it; null: any. */
  readonly architecture: string | null;
}

/** Deterministic, so that a creation whose reply was lost is met again as a name conflict. */
export function serviceName(installation: string, attempt: AttemptId): string {
  const at = attempt.lastIndexOf('.');
  const [task, n] = [attempt.slice(0, at), attempt.slice(at + 1)];
  const name = `orchestrate-${installation}-${task}_${n}`;
  if (name.length <= MOST_LETTERS) return name;
  const end = `_${createHash('sha256').update(attempt).digest('hex').slice(0, 12)}_${n}`;
  return `${name.slice(0, MOST_LETTERS - end.length)}${end}`;
}

/**
 * A job of one task that holds what the attempt may use and does nothing: no right, no file to write, no output.
 * @param avoided ids of nodes that it must not land on
 */
export function placementService(
  attempt: AttemptId,
  need: Need,
  { installation, run, architecture, avoided }: Owner & { readonly avoided: readonly string[] },
): CreateServiceOptions {
  const ours = labels(installation, 'placement', { [RUN_LABEL]: run, [ATTEMPT_LABEL]: attempt });
  const memory = { MemoryBytes: need.memoryBytes };
  return {
    Name: serviceName(installation, attempt),
    Labels: ours,
    TaskTemplate: {
      ContainerSpec: {
        Image: PLACEMENT_IMAGE,
        Labels: ours,
        Command: ['tini', '--', 'sleep', 'infinity'],
        ...{ Hostname: 'placement', User: NOBODY, ReadOnly: true, CapabilityDrop: ['ALL'] },
        // Older engines pass over it.
        Privileges: { NoNewPrivileges: true } as object,
        StopGracePeriod: SECOND_NS,
      },
      // A limit below the reservation is refused.
      Resources: {
        Reservations: { NanoCPUs: nanoCpus(need), ...memory },
        Limits: { ...memory, Pids: PIDS },
      },
      RestartPolicy: { Condition: 'none' },
      Placement: {
        Constraints: [...need.labels.map(constraint), ...avoided.map((node) => `node.id!=${node}`)],
        Platforms: [{ OS: 'linux', Architecture: architecture ?? '' }],
      },
      LogDriver: { Name: 'none' },
    },
    Mode: { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 1 } },
  };
}

function constraint(label: string): string {
  const [name, ...value] = label.split('=');
  return `node.labels.${name}==${value.length === 0 ? 'true' : value.join('=')}`;
}

function nanoCpus({ cpus }: Need): number {
  return Math.round(cpus * 1e9);
}

/**
 * Removes it with its task. One that is gone is harmless.
 * @param service name or id
 */
export async function removeService(docker: Docker, service: string): Promise<void> {
  try {
    const id = await emptied(docker, service);
    await docker.getService(id).remove();
  } catch (error) {
    if (!isStatus(error, 404)) throw error;
  }
}

/**
 * Changes its job to one of nothing, which ends the task. Engines before 24 let a job's task run on, and hold what it had
 * reserved, when its service is removed (moby#44312). Returns its id.
 */
async function emptied(docker: Docker, service: string): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    const found = (await docker.getService(service).inspect()) as InspectedService;
    const { ID: id, Version: version, Spec: spec } = found;
    const nothing = { ...spec, Mode: { ReplicatedJob: { MaxConcurrent: 0, TotalCompletions: 0 } } };
    try {
      await docker.getService(id).update({ _query: { version: version.Index }, _body: nothing });
    } catch (error) {
      ignoreStatus(400, 500)(error);
      // 500 is also what it says where Swarm itself has changed it since it was looked at.
      if (isStatus(error, 500) && tries < MOST_TRIES) continue;
      // An engine that will not have it is one that ends the task by itself.
      return id;
    }
    await settled(docker, id);
    return id;
  }
}

interface InspectedService {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: object;
}

/** Resolves when none of its tasks is to run any more, or after a while. */
async function settled(docker: Docker, service: string): Promise<void> {
  const until = Date.now() + SETTLED_TIMEOUT_MS;
  do {
    const tasks: readonly RawTask[] = await docker.listTasks({ filters: { service: [service] } });
    if (tasks.every(({ DesiredState: state }) => state === 'remove' || state === 'shutdown')) return;
    await wait(LOOK_AGAIN_MS);
  } while (Date.now() < until);
}
