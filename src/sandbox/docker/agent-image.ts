/**
 * The image that agents run in, read before anything is made of it. Its metadata is not trusted: what a container does is
 * in our create body alone, and what could reach around that (variables, volumes) is found here.
 */

import type Docker from 'dockerode';
import { environmentError } from '../../errors.ts';
import { OUR_MOUNTS } from './spec.ts';

export interface AgentImage {
  /** Content id: containers are made of it, wherever the tag points meanwhile. */
  readonly id: string;
  /** As the user named it. */
  readonly name: string;
  readonly isOurs: boolean;
  /** Names of the variables that the image would set for every container. */
  readonly variables: readonly string[];
  /** Where the image keeps its programs; null where it does not say. */
  readonly path: string | null;
}

/** Image architectures that an engine's machine runs. */
const RUNS: Readonly<Record<string, readonly string[]>> = { amd64: ['amd64', '386'], arm64: ['arm64'] };

/** What the typings lack or call something else. */
interface ImageFacts {
  readonly Id: string;
  readonly Os?: string;
  readonly Architecture?: string;
  readonly Config?: {
    readonly Env?: readonly string[] | null;
    readonly Volumes?: Readonly<Record<string, unknown>> | null;
  } | null;
}

/**
 * Reads an image that is on the engine. Environment errors: WRONG_ARCHITECTURE when this engine's machine cannot run it,
 * IMAGE_VOLUME when it declares a volume that would lie over ours.
 */
export async function readAgentImage(docker: Docker, name: string, isOurs: boolean): Promise<AgentImage> {
  const [facts, version] = await Promise.all([
    docker.getImage(name).inspect() as Promise<ImageFacts>,
    docker.version() as Promise<{ Arch: string }>,
  ]);
  requireArchitecture(name, facts, version.Arch);
  requireHarmlessVolumes(name, Object.keys(facts.Config?.Volumes ?? {}));
  const variables = (facts.Config?.Env ?? []).map((variable) => splitVariable(variable));
  const path = variables.find(([key]) => key === 'PATH')?.[1] ?? '';
  return {
    id: facts.Id,
    name,
    isOurs,
    variables: [...new Set(variables.map(([key]) => key))].filter((key) => key !== ''),
    path: path === '' ? null : path,
  };
}

/** Before our toolbox fails to start with a message about a file format. */
export function requireArchitecture(name: string, image: Omit<ImageFacts, 'Id'>, engine: string): void {
  const own = image.Architecture || engine;
  const os = image.Os || 'linux';
  if (os === 'linux' && (RUNS[engine] ?? [engine]).includes(own)) return;
  throw environmentError(
    'WRONG_ARCHITECTURE',
    `the image ${name} is for ${os}/${own}, the Docker engine's machine is linux/${engine}`,
    {
      hint: `pull or build it for that machine: docker pull --platform linux/${engine} ${name}`,
    },
  );
}

/**
 * An image's VOLUME cannot be switched off, only covered by a mount at the same place. One below a mount of ours would hide
 * a part of the workspace, whose changes would be lost, or of the toolbox.
 */
export function requireHarmlessVolumes(name: string, volumes: readonly string[]): void {
  const inOurs = (volume: string): boolean => OUR_MOUNTS.some((mount) => volume.startsWith(`${mount}/`));
  const found = volumes.find((volume) => normalised(volume) === '/' || inOurs(normalised(volume)));
  if (found === undefined) return;
  throw environmentError(
    'IMAGE_VOLUME',
    `the image ${name} declares a volume at ${found}, which would lie over what is mounted there`,
    {
      hint: 'take the VOLUME line out of its Dockerfile',
    },
  );
}

function normalised(folder: string): string {
  const parts: string[] = [];
  for (const part of folder.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

function splitVariable(variable: string): readonly [string, string] {
  const at = variable.indexOf('=');
  return at < 0 ? [variable, ''] : [variable.slice(0, at), variable.slice(at + 1)];
}
