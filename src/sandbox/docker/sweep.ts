/** Finds by label what an installation left in a Docker engine, and removes it. */

import type Docker from 'dockerode';
import type { Service } from 'dockerode';
import { removeService } from '../swarm/service.ts';
import { engineFailure, ignoreStatus, isStatus } from './engine-errors.ts';
import {
  ATTEMPT_LABEL,
  KIND_LABEL,
  LABEL,
  MADE_IMAGES,
  type ObjectKind,
  RUN_LABEL,
  SENT_IMAGE,
  SHARED,
} from './names.ts';

/** How some engines name an image without a tag. */
const UNTAGGED = '<none>:<none>';

/** What only runs need: nothing of it is left when none works. */
export const RUN_KINDS: readonly ObjectKind[] = ['agent', 'keeper', 'gateway', 'check', 'setup', 'placement'];

export interface SweepOptions {
  /** Only objects of these kinds. `cache` includes what all repositories of the engine share. */
  readonly kinds: readonly ObjectKind[];
  /** Only say what would go. */
  readonly dryRun: boolean;
  /** Objects of this run stay: it is at work. */
  readonly liveRun?: string | null;
  /** Objects of these stay, too: shells of people. Asked once what is there was listed, so that none is overlooked. */
  readonly guests?: (() => readonly string[]) | undefined;
  /** Objects of these attempts stay: their work is still to be collected. */
  readonly keepAttempts?: readonly string[];
  /** Only objects of these types; not given: of all. */
  readonly types?: readonly Swept['type'][];
  /** Only what was created before; not given: whatever its age. */
  readonly createdBefore?: Date | null;
}

export interface Swept {
  readonly type: 'service' | 'container' | 'volume' | 'image';
  readonly name: string;
  readonly kind: string;
}

const TYPES: readonly Swept['type'][] = ['service', 'container', 'volume', 'image'];

interface Found extends Swept {
  readonly run: string | undefined;
  remove(): Promise<unknown>;
}

/**
 * Removes what belongs to `installation` and to no live run: services of a Swarm that the
 * engine manages first, then containers, volumes, images. What somebody
 * uses or has removed meanwhile is passed over. Returns what was (or would be) removed.
 */
export async function sweep(docker: Docker, installation: string, options: SweepOptions): Promise<Swept[]> {
  try {
    const swept: Swept[] = [];
    const takesShared = options.kinds.includes('cache') && !(await isSharedInUse(docker, installation));
    const owners = takesShared ? [installation, SHARED] : [installation];
    const searches = { service: findServices, container: findContainers, volume: findVolumes, image: findImages };
    for (const type of options.types ?? TYPES) {
      for (const owner of owners) {
        const found = await searches[type](docker, { ...options, owner });
        const guests = options.guests?.() ?? [];
        for (const object of found) {
          if (guests.includes(object.run ?? '')) continue;
          if (options.dryRun || (await removed(object))) swept.push(nameOf(object));
        }
      }
    }
    return swept;
  } catch (cause) {
    throw engineFailure('what earlier runs left could not be removed', cause);
  }
}

/** Runs of other repositories count on the shared images and volumes between two of their containers, too. */
export async function isSharedInUse(docker: Docker, installation: string): Promise<boolean> {
  const running = await docker.listContainers({ filters: { label: [LABEL] } });
  return running.some((container) => container.Labels[LABEL] !== installation);
}

interface Search extends SweepOptions {
  readonly owner: string;
}

type Labels = Readonly<Record<string, string>> | null | undefined;

/** None where the engine manages no Swarm (503). */
async function findServices(docker: Docker, search: Search): Promise<Found[]> {
  if (!search.kinds.includes('placement')) return [];
  const services = await docker
    .listServices({ filters: { label: [`${LABEL}=${search.owner}`] } })
    .catch((error): Service[] => {
      ignoreStatus(503)(error);
      return [];
    });
  return services
    .filter((service) => isWanted(service.Spec?.Labels, Date.parse(service.CreatedAt ?? ''), search))
    .map((service) => ({
      type: 'service',
      name: service.Spec?.Name ?? service.ID,
      kind: service.Spec?.Labels?.[KIND_LABEL] ?? '',
      run: service.Spec?.Labels?.[RUN_LABEL],
      remove: () => removeService(docker, service.ID),
    }));
}

async function findContainers(docker: Docker, search: Search): Promise<Found[]> {
  const containers = await docker.listContainers({ all: true, filters: { label: [`${LABEL}=${search.owner}`] } });
  return containers
    .filter((container) => isWanted(container.Labels, container.Created * 1000, search))
    .map((container) => ({
      type: 'container',
      name: container.Names[0]?.replace(/^\//, '') ?? container.Id,
      kind: container.Labels[KIND_LABEL] ?? '',
      run: container.Labels[RUN_LABEL],
      remove: () => docker.getContainer(container.Id).remove({ force: true, v: true }),
    }));
}

async function findVolumes(docker: Docker, search: Search): Promise<Found[]> {
  const { Volumes: volumes } = await docker.listVolumes({ filters: { label: [`${LABEL}=${search.owner}`] } });
  return (volumes ?? [])
    .filter((volume) => isWanted(volume.Labels, createdOf(volume), search))
    .map((volume) => ({
      type: 'volume',
      name: volume.Name,
      kind: volume.Labels[KIND_LABEL] ?? '',
      run: volume.Labels[RUN_LABEL],
      remove: () => docker.getVolume(volume.Name).remove(),
    }));
}

/** Only caches are images, but for those that people made; without `force`, one that a container uses stays. */
async function findImages(docker: Docker, search: Search): Promise<Found[]> {
  if (!search.kinds.includes('cache')) return [];
  const images = await docker.listImages({ filters: { label: [`${LABEL}=${search.owner}`] } });
  const names = images
    .filter((image) => isWanted(image.Labels, image.Created * 1000, search))
    .flatMap(({ RepoTags: tags, Id: id }) => {
      const names = tags?.filter((tag) => tag !== UNTAGGED) ?? [];
      return names.length === 0 ? [id] : names.filter((tag) => MADE_IMAGES.some((made) => tag.startsWith(`${made}:`)));
    });
  const sent = search.owner === SHARED ? await sentImages(docker, search) : [];
  return [...new Set([...names, ...sent])].map((name) => ({
    ...{ type: 'image', name, kind: 'cache', run: undefined },
    remove: () => docker.getImage(name).remove(),
  }));
}

/** They have the labels of whoever made them. */
async function sentImages(docker: Docker, { createdBefore = null }: Search): Promise<string[]> {
  const images = await docker.listImages({ filters: { reference: [SENT_IMAGE] } });
  return images
    .filter(({ Created: seconds }) => createdBefore === null || seconds * 1000 < createdBefore.getTime())
    .flatMap(({ RepoTags: tags }) => tags?.filter((tag) => tag.startsWith(`${SENT_IMAGE}:`)) ?? []);
}

/** `createdAt` in milliseconds; NaN where the engine does not say. */
function isWanted(labels: Labels, createdAt: number, search: Search): boolean {
  if (!search.kinds.some((kind) => kind === labels?.[KIND_LABEL])) return false;
  const run = labels?.[RUN_LABEL];
  if (run !== undefined && run === search.liveRun) return false;
  const attempt = labels?.[ATTEMPT_LABEL];
  if (attempt !== undefined && search.keepAttempts?.includes(attempt) === true) return false;
  const limit = search.createdBefore ?? null;
  return limit === null || createdAt < limit.getTime();
}

function createdOf(volume: object): number {
  return 'CreatedAt' in volume && typeof volume.CreatedAt === 'string' ? Date.parse(volume.CreatedAt) : Number.NaN;
}

/** False where somebody uses it (409); gone already (404) is as good as removed. */
async function removed(object: Found): Promise<boolean> {
  try {
    await object.remove();
    return true;
  } catch (error) {
    if (isStatus(error, 404)) return true;
    if (isStatus(error, 409)) return false;
    throw error;
  }
}

function nameOf({ type, name, kind }: Found): Swept {
  return { type, name, kind };
}
