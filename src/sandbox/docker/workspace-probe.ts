/**
 * Which kind of workspace an engine can do: overlay mounts fail at a container's start only, so one is started, once per
 * engine and kernel, and the answer is kept as a label of a volume.
 */

import { createHash } from 'node:crypto';
import type Docker from 'dockerode';
import type { KeeperClient } from '../../keeper/client.ts';
import type { WorkspaceKind } from '../../types.ts';
import { isStatus } from './engine-errors.ts';
import { labels, PROBED_LABEL, SHARED } from './names.ts';
import { probeContainer } from './spec.ts';

/** What the probe needs of a host that is being made ready. */
export interface ProbePlace {
  readonly installation: string;
  readonly run: string;
  readonly keeper: KeeperClient;
  readonly image: string;
  /** Where the store volume lies on the engine's host. */
  readonly storeFolder: string;
}

/** Changes a folder in every way that an overlay has a mark for, and looks at the result. */
const CHANGES = `set -e
rm gone; rm -r made-again; mkdir made-again; echo new >made-again/new
test ! -e gone; test ! -e made-again/old; test "$(cat kept)" = kept; test "$(cat made-again/new)" = new`;

const LOWER = ['gone', 'kept', 'made-again/old'];

/** What an earlier run found out about this engine; null when none did. */
export async function rememberedWorkspace(docker: Docker): Promise<WorkspaceKind | null> {
  try {
    const { Labels: found } = await docker.getVolume(await memoryName(docker)).inspect();
    const kind = found?.[PROBED_LABEL];
    return kind === 'overlay' || kind === 'copy' ? kind : null;
  } catch (error) {
    if (isStatus(error, 404)) return null;
    throw error;
  }
}

/** `overlay` where agents' changes in one arrive and the keeper can read its marks, else `copy`. Asks the engine once. */
export async function probeWorkspace(docker: Docker, place: ProbePlace): Promise<WorkspaceKind> {
  const known = await rememberedWorkspace(docker);
  if (known !== null) return known;
  const kind = (await overlayWorks(docker, place)) ? 'overlay' : 'copy';
  await docker.createVolume({
    Name: await memoryName(docker),
    Labels: { ...labels(SHARED, 'cache'), [PROBED_LABEL]: kind },
  });
  return kind;
}

async function overlayWorks(docker: Docker, place: ProbePlace): Promise<boolean> {
  const { keeper } = place;
  const under = `probe-lower-${place.run.toLowerCase()}`;
  const over = `probe-upper-${place.run.toLowerCase()}`;
  try {
    // A home holds files of the agents' user: what a lower layer is.
    const homeFiles = LOWER.map((path) => ({ path, content: Buffer.from(path), mode: 0o644 }));
    await keeper.prepareAttempt({ id: under, homeFiles });
    const { upper, work } = await keeper.prepareAttempt({ id: over, homeFiles: [] });
    const inStore = (folder: string): string => `${place.storeFolder}/${folder}`;
    const workspace = { lower: [inStore(`a/${under}/h`)], upper: inStore(upper), work: inStore(work) };
    const body = probeContainer({ ...place, workspace, script: CHANGES });
    return (await endsWell(docker, body)) && (await keeper.readsOverlay(over));
  } finally {
    for (const id of [under, over]) await keeper.removeAttempt(id);
  }
}

/** A mount that fails is the engine's answer 500 to the start. */
async function endsWell(docker: Docker, body: ReturnType<typeof probeContainer>): Promise<boolean> {
  const container = await docker.createContainer(body);
  try {
    await container.start();
    const { StatusCode: code } = (await container.wait()) as { StatusCode: number };
    return code === 0;
  } catch (error) {
    if (isStatus(error, 500) || isStatus(error, 400)) return false;
    throw error;
  } finally {
    await container.remove({ force: true, v: true });
  }
}

/** Named after what decides: a new kernel or engine is asked again. */
async function memoryName(docker: Docker): Promise<string> {
  const info = (await docker.info()) as Partial<Record<'ID' | 'KernelVersion' | 'ServerVersion' | 'Driver', string>>;
  const engine = [info.ID, info.KernelVersion, info.ServerVersion, info.Driver].join('\0');
  return `orchestrate-probe-${createHash('sha256').update(engine).digest('hex').slice(0, 12)}`;
}
