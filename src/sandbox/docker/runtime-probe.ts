/**
 * Whether a runtime gives sandboxes all that they need: real ones are started with it, once per engine, kernel, runtime and
 * version of ours, and what was found is kept as a label of a volume. What it lacks is refused, never done without.
 */

import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { Container, ContainerCreateOptions } from 'dockerode';
import { contextFolder, type KeeperClient } from '../../keeper/client.ts';
import type { AttemptId, ObjectId, TaskId, WorkspaceKind } from '../../types.ts';
import type { OutputChunk, SandboxSpec } from '../sandbox.ts';
import { readAgentImage } from './agent-image.ts';
import { healthOf } from './calls.ts';
import { ignoreStatus, isStatus } from './engine-errors.ts';
import { exists } from './fitting.ts';
import { labels, RUN_LABEL, RUNTIME_LABEL, SHARED } from './names.ts';
import { fault, type ProvenRuntime, type RuntimeFault, TOLD, type Trial, unfitRuntime } from './runtime-faults.ts';
import { LAST_UNTIL_DEADLINE, LATE_FILE, LISTENER, LOOK, LOOKED, ROOT_FILE, type RuntimeLook } from './runtime-look.ts';
import { engineRuntimes, type InnerLook, levelOf, type Runtime, unknownRuntime } from './runtimes.ts';
import { DockerSandbox } from './sandbox.ts';
import {
  AGENT_HOME,
  type AgentPlacement,
  agentContainer,
  BACKSTOP_MS,
  GATEWAY_VOLUME_OPTIONS,
  gatewayContainer,
} from './spec.ts';

/** Some hang at a start, or for ever in it. */
const STAGE_TIMEOUT_MS = 60_000;
const LIMITS = { memoryBytes: 512 * 1024 ** 2, cpus: 1, pids: 512, diskBytes: 64 * 1024 ** 2 };
const DEADLINE_MS = 1_000;
const ENDED_BY_DEADLINE = 124;
const ENDED_BY_SIGTERM = 143;
const NO_OBJECT = '0'.repeat(40) as ObjectId;
/** What the workspace holds to begin with. */
const LOWER = ['gone', 'kept', 'made-again/old'];

/** What the probe needs of a host that is being made ready. */
export interface RuntimeProbePlace {
  readonly installation: string;
  readonly run: string;
  readonly keeper: KeeperClient;
  /** Of the side-cars: nothing of the user's runs in a probe. */
  readonly sidecar: string;
  readonly toolboxVolume: string;
  /** Where the store volume lies on the engine's host. */
  readonly storeFolder: string;
  /** The workspaces that the user wants; null: overlay where it works, else copy. */
  readonly workspace: WorkspaceKind | null;
  onProgress(line: string): void;
}

/** As it is kept; `of` names what it was found out for. */
interface Memory extends ProvenRuntime {
  readonly of: string;
}

async function memoryOf(docker: Docker, name: string): Promise<Memory | null> {
  try {
    const { Labels: found } = await docker.getVolume(name).inspect();
    const text = found?.[RUNTIME_LABEL];
    return text === undefined ? null : (JSON.parse(text) as Memory);
  } catch (error) {
    if (isStatus(error, 404)) return null;
    throw error;
  }
}

/**
 * Asks the engine once. Environment errors: RUNTIME_UNFIT with every reason, RUNTIME_UNKNOWN where the engine does not know
 * it after all. A failure is not remembered: whoever mends the runtime tries again.
 */
export async function proveRuntime(docker: Docker, runtime: Runtime, place: RuntimeProbePlace): Promise<ProvenRuntime> {
  const of = [place.toolboxVolume, place.sidecar, place.workspace].join(' ');
  const name = await memoryName(docker, runtime);
  const known = await memoryOf(docker, name);
  if (known?.of === of) return known;
  place.onProgress(`trying the runtime ${runtime.name}, once for this engine`);
  const proven = await tryOut(docker, runtime, place);
  // Labels of a volume stay what they were first.
  if (known !== null) await docker.getVolume(name).remove().catch(ignoreStatus(404));
  await docker.createVolume({
    Name: name,
    Labels: { ...labels(SHARED, 'cache'), [RUNTIME_LABEL]: JSON.stringify({ of, ...proven }) },
  });
  return proven;
}

async function tryOut(docker: Docker, runtime: Runtime, place: RuntimeProbePlace): Promise<ProvenRuntime> {
  const engine = await engineRuntimes(docker);
  const first = place.workspace ?? 'overlay';
  const found = await tryWith(docker, runtime, { ...place, workspace: first });
  if (found.faults.length === 0) return { level: levelOf(found.look, engine), workspace: first };
  const isWorkspaceAlone = found.faults.every(({ trial }) => trial === 'workspace' || trial === 'start');
  if (place.workspace === null && isWorkspaceAlone) {
    const copied = await tryWith(docker, runtime, { ...place, workspace: 'copy' });
    if (copied.faults.length === 0) return { level: levelOf(copied.look, engine), workspace: 'copy' };
  }
  throw unfitRuntime(runtime, found.faults);
}

interface Found {
  readonly look: InnerLook;
  readonly faults: readonly RuntimeFault[];
}

/** Where one kind of workspace is tried, and how to undo what that took. */
interface Bench extends RuntimeProbePlace {
  readonly docker: Docker;
  readonly workspace: WorkspaceKind;
  readonly attempt: AttemptId;
  readonly undo: (() => Promise<unknown>)[];
}

/** Starts the sandboxes with one kind of workspace, and removes all that they needed. */
async function tryWith(
  docker: Docker,
  runtime: Runtime,
  place: RuntimeProbePlace & Pick<Bench, 'workspace'>,
): Promise<Found> {
  const undo: Bench['undo'] = [];
  try {
    const attempt = `runtime-${place.run.toLowerCase()}` as AttemptId;
    const bench = { ...place, docker, attempt, undo };
    const at = await layOut(bench, runtime);
    const found = await lookInside(bench, at);
    if (found.faults.some(({ trial }) => trial === 'start')) return found;
    const faults = [...found.faults, ...(await lastUntilDeadline(bench, at))];
    const isReadable = place.workspace === 'copy' || (await place.keeper.readsOverlay(attempt));
    return {
      look: found.look,
      faults: isReadable ? faults : [...faults, fault('workspace', 'its marks cannot be read')],
    };
  } finally {
    // One that hangs in its start holds up its removal; the next run finds it by its labels.
    for (const act of undo.reverse()) await within(act(), 'a removal').catch(() => {});
  }
}

/** Folders as of an attempt, on a lower layer that has what is changed. */
async function layOut(bench: Bench, runtime: Runtime): Promise<AgentPlacement> {
  const { docker, keeper, installation, run, attempt, storeFolder, toolboxVolume, undo } = bench;
  const under = `${attempt}-lower`;
  for (const id of [under, attempt]) undo.push(() => keeper.removeAttempt(id));
  const homeFiles = LOWER.map((path) => ({ path, content: Buffer.from(path), mode: 0o644 }));
  await keeper.prepareAttempt({ id: under, homeFiles });
  const folders = await keeper.prepareAttempt({ id: attempt, homeFiles: [], context: [] });
  const inStore = (folder: string): string => `${storeFolder}/${folder}`;
  const [upper, work] = [inStore(folders.upper), inStore(folders.work)];
  const [homeUpper, homeWork] = [inStore(folders.homeUpper), inStore(folders.homeWork)];
  const lower = [inStore(`a/${under}/h`)];
  return {
    ...{ installation, run, toolboxVolume, limitsRoot: false, runtime: runtime.name },
    gatewayVolume: await startListener(bench),
    image: await readAgentImage(docker, bench.sidecar, true),
    workspace: bench.workspace === 'copy' ? { folder: lower[0] ?? '' } : { lower, upper, work },
    home:
      bench.workspace === 'copy' ? { folder: homeUpper } : { lower: [inStore('h')], upper: homeUpper, work: homeWork },
    context: { folder: inStore(contextFolder(attempt)) },
  };
}

/** Listens where the gateway would, in a container like the gateway's; gives its volume. */
async function startListener({ docker, installation, run, attempt, sidecar, undo }: Bench): Promise<string> {
  const name = `orchestrate-${installation}-${attempt}-gateway`;
  const volumeLabels = labels(installation, 'gateway', { [RUN_LABEL]: run });
  undo.push(() => docker.getVolume(name).remove());
  await docker.createVolume({
    Name: name,
    Driver: 'local',
    DriverOpts: { ...GATEWAY_VOLUME_OPTIONS },
    Labels: volumeLabels,
  });
  const body = gatewayContainer({ installation, run, name, image: sidecar, volume: name, dials: false });
  const container = await docker.createContainer({ ...body, Entrypoint: ['tini', '--', 'node', '-e', LISTENER] });
  undo.push(() => container.remove({ force: true, v: true }));
  await container.start();
  return name;
}

/** A sandbox as an agent has it, but for what `alter` changes. */
async function createSandbox(
  bench: Bench,
  at: AgentPlacement,
  program: {
    readonly script: string;
    readonly timeoutMs: number;
    alter?(body: ContainerCreateOptions): ContainerCreateOptions;
  },
): Promise<{ readonly container: Container; readonly sandbox: DockerSandbox }> {
  const { docker, keeper, installation, attempt, undo } = bench;
  const spec: SandboxSpec = {
    ...{ attempt, task: 'runtime' as TaskId, containerName: `orchestrate-${installation}-${attempt}` },
    ...{ tree: NO_OBJECT, commit: NO_OBJECT, homeFiles: [], limits: LIMITS, timeoutMs: program.timeoutMs },
    ...{ argv: ['node', '-e', program.script], env: { HOME: AGENT_HOME } },
    ...{ hasGateway: true, toolboxToken: null },
  };
  const body = agentContainer(spec, at);
  const container = await docker.createContainer(program.alter?.(body) ?? body).catch(async (error) => {
    const isUnknown = isStatus(error, 400) && /unknown runtime/i.test(String(error));
    throw isUnknown ? unknownRuntime(at.runtime ?? '', (await engineRuntimes(docker)).all) : error;
  });
  undo.push(() => container.remove({ force: true, v: true }).catch(ignoreStatus(404)));
  const parts = {
    container,
    engine: healthOf(docker),
    keeper,
    objectFormat: 'sha1' as const,
    attempt,
    tree: NO_OBJECT,
    diskBytes: LIMITS.diskBytes,
  };
  return { container, sandbox: new DockerSandbox(parts) };
}

const NOTHING_SEEN: InnerLook = { version: '', log: '', uidMap: '' };

async function lookInside(bench: Bench, at: AgentPlacement): Promise<Found> {
  const { container, sandbox } = await createSandbox(bench, at, { script: LOOK, timeoutMs: 10 * STAGE_TIMEOUT_MS });
  try {
    await within(container.start(), 'the start');
  } catch (error) {
    return { look: NOTHING_SEEN, faults: [fault('start', error)] };
  }
  const lines = linesOf(sandbox.output());
  // A log that nobody reads to its end would hold this process.
  bench.undo.push(async () => void lines.return(undefined).catch(() => {}));
  const first = await within(lines.next(), 'the look inside').catch((error: Error) => error);
  if (first instanceof Error || first.value !== LOOKED)
    return {
      look: NOTHING_SEEN,
      faults: [fault('start', first instanceof Error ? first : (first.value ?? 'it ended at once'))],
    };
  const faults: RuntimeFault[] = [];
  const attempt = async (trial: Trial, act: () => Promise<unknown>): Promise<void> => {
    await within(act(), 'it').catch((error) => faults.push(fault(trial, error)));
  };
  await bench.keeper.putContext([{ id: bench.attempt, files: [{ name: LATE_FILE, content: Buffer.from('late') }] }]);
  const look = await lookOf(lines);
  await attempt('pause', () => pauseAndGoOn(container));
  const afterwards = await lookOf(lines);
  await attempt('stats', async () => {
    if ((await sandbox.cpuMs()) <= 0) throw new Error('no CPU time is told');
  });
  await attempt('signals', async () => {
    await sandbox.stop();
    const { ExitCode: code } = (await container.inspect()).State;
    if (code !== ENDED_BY_SIGTERM) throw new Error(`SIGTERM ends it with ${code}`);
  });
  await container.remove({ force: true, v: true });
  const seen = afterwards ?? look;
  if (seen === null) return { look: NOTHING_SEEN, faults: [fault('start', 'nothing is seen of what runs in it')] };
  const ownFaults = TOLD.flatMap((trial) => {
    const why = seen[trial];
    return why === null ? [] : [fault(trial, why ?? 'process 1 was ended from inside')];
  });
  return { look: seen, faults: [...ownFaults, ...faults] };
}

async function pauseAndGoOn(container: Container): Promise<void> {
  await container.pause();
  try {
    if (!(await container.inspect()).State.Paused) throw new Error('it is not held still');
  } finally {
    await container.unpause();
  }
}

/** The toolbox's own deadline, which is that much later than ours; and what a set-up needs: a root file system that is kept. */
async function lastUntilDeadline(bench: Bench, at: AgentPlacement): Promise<RuntimeFault[]> {
  const { container, sandbox } = await createSandbox(bench, at, {
    ...{ script: LAST_UNTIL_DEADLINE, timeoutMs: DEADLINE_MS - BACKSTOP_MS },
    alter: (body) => ({ ...body, HostConfig: { ...body.HostConfig, ReadonlyRootfs: false } }),
  });
  try {
    await within(container.start(), 'the start');
    const { exitCode } = await within(sandbox.ended(), 'the deadline');
    const faults = exitCode === ENDED_BY_DEADLINE ? [] : [fault('deadline', `it ended with ${exitCode}`)];
    return (await exists(container, ROOT_FILE)) ? faults : [...faults, fault('root', 'the engine does not see them')];
  } catch (error) {
    return [fault('deadline', error)];
  }
}

async function* linesOf(output: AsyncIterable<OutputChunk>): AsyncGenerator<string> {
  let text = '';
  for await (const { data } of output) {
    const lines = (text + data.toString('utf8')).split('\n');
    text = lines.pop() ?? '';
    yield* lines;
  }
  if (text !== '') yield text;
}

/** Null where the sandbox ended without telling. */
async function lookOf(lines: AsyncGenerator<string>): Promise<RuntimeLook | null> {
  const next = await within(lines.next(), 'the look inside').catch(() => null);
  if (next === null || next.done === true) return null;
  try {
    return JSON.parse(next.value) as RuntimeLook;
  } catch {
    return null;
  }
}

async function within<Result>(act: Promise<Result>, what: string): Promise<Result> {
  const timer = new AbortController();
  const late = wait(STAGE_TIMEOUT_MS, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`${what} took longer than ${STAGE_TIMEOUT_MS / 1000} s`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([act, late]);
  } finally {
    timer.abort();
  }
}

/** Named after what decides: a new kernel or engine, or another program under the name, is asked again. */
async function memoryName(docker: Docker, runtime: Runtime): Promise<string> {
  const info = (await docker.info()) as Partial<Record<'ID' | 'KernelVersion' | 'ServerVersion' | 'Driver', string>>;
  const engine = [info.ID, info.KernelVersion, info.ServerVersion, info.Driver, JSON.stringify(runtime)].join('\0');
  return `orchestrate-runtime-${createHash('sha256').update(engine).digest('hex').slice(0, 12)}`;
}
