/** Makes one Docker engine ready for a run: images, toolbox, store, keeper. */

import { KeeperClient } from '../../keeper/client.ts';
import type { SandboxHost } from '../sandbox.ts';
import { healthOf } from './calls.ts';
import { engineFailure } from './engine-errors.ts';
import type { DockerHostOptions } from './host-options.ts';
import { ensureImages } from './images.ts';
import { startKeeper } from './keeper-link.ts';
import { sweepEarlierRuns } from './leftovers.ts';
import { keeperName } from './names.ts';
import { PreparedHost } from './prepared-host.ts';
import { requirePrograms } from './programs.ts';
import { saidOfRuntime } from './runtime-faults.ts';
import { proveRuntime } from './runtime-probe.ts';
import { chooseRuntime, type RuntimeInfo, readRuntimes } from './runtimes.ts';
import { ensureStore, leaveStore, removeLeftAttempts } from './store.ts';
import { probeWorkspace } from './workspace-probe.ts';

/** Makes the engine ready: images, toolbox, store, keeper. What fails is an OrchestrateError of kind `environment`. */
export async function openDockerHost(options: DockerHostOptions): Promise<SandboxHost> {
  const { docker, installation, run } = options;
  const engine = healthOf(docker);
  engine.watch();
  const { image, dockerfile = null, imagesFrom = null, onProgress } = options;
  const makeImages = () => ensureImages(docker, { image, dockerfile }, onProgress, imagesFrom);
  let host: PreparedHost | null = null;
  try {
    const info = (await docker.info()) as RuntimeInfo & { readonly NCPU: number; readonly MemTotal: number };
    const runtimes = readRuntimes(info);
    const capacity = { cpus: info.NCPU, memoryBytes: info.MemTotal };
    const runtime = chooseRuntime(options.runtime ?? null, runtimes);
    const [images, store] = await Promise.all([makeImages(), ensureStore(docker, options), sweepEarlierRuns(options)]);
    await requirePrograms(docker, { image: images.agent, programs: options.programs ?? [], installation, run });
    const keeper = await startKeeper(
      docker,
      {
        installation,
        run,
        name: keeperName(installation, run),
        image: images.sidecar,
        storeVolume: store.name,
        toolboxVolume: images.toolboxVolume,
      },
      {
        onDiagnostic: (line) => options.onWarning(`keeper: ${line}`),
        onRestart: async () => {
          options.onWarning('the keeper is gone or hangs: it is started anew');
          // Whatever nobody used meanwhile may have been removed.
          host?.forgetTrees();
          await Promise.all([makeImages(), ensureStore(docker, options)]);
        },
      },
    );
    try {
      const client = new KeeperClient(keeper.transport);
      await removeLeftAttempts(client, options.keep);
      const storeFolder = store.folder;
      const place = { installation, run, keeper: client, storeFolder };
      const basis = { images, makeImages, keeper, client, storeFolder, capacity };
      if (runtime === null) {
        const workspace = options.workspace ?? (await probeWorkspace(docker, { ...place, image: images.sidecar }));
        host = new PreparedHost(options, { ...basis, isolation: runtimes.level, workspace, runtime: null });
        return host;
      }
      const proven = await proveRuntime(docker, runtime, {
        ...{ ...place, sidecar: images.sidecar, toolboxVolume: images.toolboxVolume, workspace: options.workspace },
        onProgress: options.onProgress,
      });
      const known = { level: runtimes.level, wanted: options.workspace };
      for (const line of saidOfRuntime(runtime, proven, known)) options.onWarning(line);
      const { level: isolation, workspace } = proven;
      host = new PreparedHost(options, { ...basis, isolation, workspace, runtime: runtime.name });
      return host;
    } catch (cause) {
      await keeper.remove().catch(() => {});
      throw cause;
    }
  } catch (cause) {
    await leaveStore(docker, options).catch(() => {});
    engine[Symbol.dispose]();
    await options.connection?.[Symbol.asyncDispose]();
    throw engineFailure(`the Docker host ${options.name} could not be made ready`, cause);
  }
}
