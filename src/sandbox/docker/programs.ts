/** Whether the agents' image holds the programs that an engine starts by name: seen before anything of a run is started. */

import path from 'node:path';
import type Docker from 'dockerode';
import type { Container } from 'dockerode';
import { environmentError } from '../../errors.ts';
import type { AgentImage } from './agent-image.ts';
import { exists } from './fitting.ts';
import { labels, RUN_LABEL } from './names.ts';
import { packageRoot } from './package-root.ts';

/** Where an image that does not say has its programs. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface ProgramCheck {
  readonly image: AgentImage;
  readonly programs: readonly string[];
  readonly installation: string;
  readonly run: string;
}

/** Environment error PROGRAM_NOT_IN_IMAGE for the first that is not on the image's PATH. Nothing of the image is run. */
export async function requirePrograms(docker: Docker, check: ProgramCheck): Promise<void> {
  const { image, programs, installation, run } = check;
  if (programs.length === 0) return;
  // An image can only be looked into through a container.
  const container = await docker.createContainer({
    Image: image.id,
    Entrypoint: ['/never-started'],
    Labels: labels(installation, 'agent', { [RUN_LABEL]: run }),
    HostConfig: { NetworkMode: 'none' },
  });
  try {
    for (const program of programs) {
      if (!(await isOnPath(container, program, image.path ?? DEFAULT_PATH))) throw missing(image, program);
    }
  } finally {
    await container.remove({ force: true, v: true });
  }
}

async function isOnPath(container: Container, program: string, folders: string): Promise<boolean> {
  for (const folder of folders.split(':')) {
    if (folder.startsWith('/') && (await exists(container, path.posix.join(folder, program)))) return true;
  }
  return false;
}

function missing(image: AgentImage, program: string): Error {
  const hint = image.isOurs
    ? `fetch it once, the image is then made with it: ${path.join(packageRoot(), 'scripts/fetch-clis.sh')}`
    : `install ${program} in that image, or leave --image out`;
  return environmentError('PROGRAM_NOT_IN_IMAGE', `the image ${image.name} has no program "${program}"`, { hint });
}
