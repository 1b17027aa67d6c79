/** Starts the gateway's container, or finds the one of an earlier run again, and opens control sessions into it. */

import type { Duplex } from 'node:stream';
import type Docker from 'dockerode';
import { healthOf } from './calls.ts';
import { engineFailure, ignoreStatus } from './engine-errors.ts';
import { gatewayName, labels, RUN_LABEL } from './names.ts';
import { removeContainer } from './remove-container.ts';
import { runningSideCar, type SideCar } from './side-car.ts';
import { GATEWAY_VOLUME_OPTIONS, type GatewayPlacement, gatewayContainer } from './spec.ts';
import { openProgram } from './streams.ts';

export interface GatewayLink {
  /** Mounted read-only where an agent may reach the gateway. */
  readonly volume: string;
  /**
   * A new control session: the standard input and output of a bridge into the gateway.
   * @param anew the one that is there has hung: it is replaced
   */
  open(anew?: boolean): Promise<Duplex>;
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
    const sideCar = gatewaySideCar(docker, { ...placement, installation, name, volume: name }, volumeLabels);
    const engine = healthOf(docker);
    await engine.steadily(() => runningSideCar(docker, sideCar));
    return {
      volume: name,
      remove,
      async open(anew) {
        const program = { argv: ['node', '/orchestrate/gateway/bridge.js'] };
        // Somebody may have ended it: the next one finds the agents waiting at the same socket.
        const open = async () => openProgram(await runningSideCar(docker, sideCar, anew), program, onDiagnostic);
        try {
          return await engine.steadily(open);
        } catch (cause) {
          throw engineFailure('the gateway could not be started anew', cause);
        }
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
  await removeContainer(docker.getContainer(name));
  await docker.getVolume(name).remove().catch(ignoreStatus(404, 409));
}

function gatewaySideCar(docker: Docker, placement: GatewayPlacement, volumeLabels: Record<string, string>): SideCar {
  const { name, volume, image, dials } = placement;
  return {
    name,
    body: gatewayContainer(placement),
    fits: ({ Config, HostConfig }) => Config.Image === image && (HostConfig.NetworkMode !== 'none' || !dials),
    prepare: () =>
      docker.createVolume({
        Name: volume,
        Driver: 'local',
        DriverOpts: { ...GATEWAY_VOLUME_OPTIONS },
        Labels: volumeLabels,
      }),
  };
}
