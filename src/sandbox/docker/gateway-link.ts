/** Starts the gateway's container, or finds the one of an earlier run again, and opens control sessions into it. */

import type { Duplex } from 'node:stream';
import type Docker from 'dockerode';
import type { Container } from 'dockerode';
import { engineFailure, isStatus } from './engine-errors.ts';
import { gatewayName, labels, RUN_LABEL } from './names.ts';
import { GATEWAY_VOLUME_OPTIONS, type GatewayPlacement, gatewayContainer } from './spec.ts';
import { openProgram } from './streams.ts';

export interface GatewayLink {
  /** Mounted read-only where an agent may reach the gateway. */
  readonly volume: string;
  /** A new control session: the standard input and output of a bridge into the gateway. */
  open(): Promise<Duplex>;
  /** Removes container and volume; no sandbox may be using it any more. Idempotent. */
  remove(): Promise<void>;
}

export interface GatewayRequest extends Pick<GatewayPlacement, 'installation' | 'run' | 'image' | 'dials'> {
  /** The guest that it is for alone; null: the repository's. */
  readonly guest: string | null;
  /** What the gateway's programs write to stderr, for the log. */
  onDiagnostic(line: string): void;
}

/** Makes sure that the gateway runs. One of an earlier run goes on with what it knows, unless it is of another version. */
export async function startGateway(docker: Docker, request: GatewayRequest): Promise<GatewayLink> {
  const { installation, guest, onDiagnostic, ...placement } = request;
  const name = gatewayName(installation, guest);
  const remove = () => removeGateway(docker, installation, guest);
  try {
    // The repository's outlives a run that is cut off, a guest's is swept with what else that left.
    const volumeLabels = labels(installation, 'gateway', guest === null ? {} : { [RUN_LABEL]: guest });
    const ensure = () => runningGateway(docker, { ...placement, installation, name, volume: name }, volumeLabels);
    await ensure();
    return {
      volume: name,
      remove,
      async open() {
        // Somebody may have ended it: the next one finds the agents waiting at the same socket.
        return openProgram(await ensure(), { argv: ['node', '/orchestrate/gateway/bridge.js'] }, onDiagnostic);
      },
    };
  } catch (cause) {
    await remove().catch(() => {});
    throw engineFailure('the gateway could not be started', cause);
  }
}

/** Removes what is there of an installation's gateway, or of a guest's. */
export async function removeGateway(docker: Docker, installation: string, guest: string | null): Promise<void> {
  const name = gatewayName(installation, guest);
  await docker.getContainer(name).remove({ force: true, v: true }).catch(ignore(404, 409));
  await docker.getVolume(name).remove().catch(ignore(404, 409));
}

async function runningGateway(
  docker: Docker,
  placement: GatewayPlacement,
  volumeLabels: Record<string, string>,
): Promise<Container> {
  const { name, volume, image, dials } = placement;
  const found = await docker
    .getContainer(name)
    .inspect()
    .catch((error) => {
      if (isStatus(error, 404)) return null;
      throw error;
    });
  if (found !== null) {
    const network = found.HostConfig.NetworkMode;
    const isSame = found.Config.Image === image && (network !== 'none' || !dials);
    const container = docker.getContainer(found.Id);
    if (isSame && found.State.Running && !found.State.Paused) return container;
    await container.remove({ force: true, v: true });
  }
  await docker.createVolume({
    Name: volume,
    Driver: 'local',
    DriverOpts: { ...GATEWAY_VOLUME_OPTIONS },
    Labels: volumeLabels,
  });
  const container = await docker.createContainer(gatewayContainer(placement));
  await container.start();
  return container;
}

function ignore(...statuses: readonly number[]): (error: unknown) => void {
  return (error) => {
    if (!statuses.some((status) => isStatus(error, status))) throw error;
  };
}
