/**
 * Sandboxes of the product's own driver on a scratch repository, for tests that look at them from the inside. What a
 * container is made of can be changed per attempt: the engine that the driver is given passes its create body through.
 */

import { createHash, randomBytes } from 'node:crypto';
import path from 'node:path';
import Docker, { type ContainerCreateOptions, type HostConfig } from 'dockerode';
import { shellProgram } from '../../src/engine/command.ts';
import type { AgentProgram } from '../../src/engine/engine.ts';
import { resolveBase } from '../../src/git/base.ts';
import { outgoing } from '../../src/git/outgoing.ts';
import { findRepository } from '../../src/git/repository.ts';
import { openDockerHost } from '../../src/sandbox/docker/host.ts';
import type { BaseTree, OutputChunk, RunningSandbox, SandboxHost, SetUpEgress } from '../../src/sandbox/sandbox.ts';
import type { AttemptId, Flag, Limits, ObjectId, TaskId, WorkspaceKind } from '../../src/types.ts';
import { Scratch } from './scratch.ts';

/** The environment that `--engine-command` promises (CLI.md), no variable more. */
export const PROMISED_ENVIRONMENT: readonly string[] = [
  'HOME',
  'ORCHESTRATE_ATTEMPT',
  'ORCHESTRATE_CONTEXT_DIR',
  'ORCHESTRATE_PROMPT_FILE',
  'ORCHESTRATE_ROLE',
  'ORCHESTRATE_TASK_ID',
  'PATH',
];

/** The Node of the toolbox: runs a probe in any image. */
export const TOOLBOX_NODE = '/opt/orchestrate/bin/node';

const LIMITS: Limits = { memoryBytes: 1024 ** 3, cpus: 1, pids: 512, diskBytes: 1024 ** 3 };
/** Of an agent's output, the end is kept. */
const KEPT_OUTPUT = 1024 ** 2;

export type Body = ContainerCreateOptions & { HostConfig: AnyHostConfig };
/** With the fields that the typings lack. */
export type AnyHostConfig = HostConfig & {
  CgroupnsMode?: string;
  MaskedPaths?: string[];
  ReadonlyPaths?: string[];
};
/** Takes a defence out of a container before it is created. */
export type Alteration = (body: Body) => void;

export interface SandboxRun {
  readonly timeoutMs?: number;
  readonly limits?: Partial<Limits>;
  readonly alter?: Alteration | undefined;
  /** In place of the command. */
  readonly program?: AgentProgram;
  /** Given each piece of output, in order. */
  readonly onOutput?: (chunk: OutputChunk) => void;
  /** A tree that was prepared; not given: that of the repository's first commit. */
  readonly on?: Pick<BaseTree, 'tree' | 'commit'>;
}

export interface SandboxEnd {
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  readonly output: string;
  readonly outputBytes: number;
  /** The collected tree's id and the paths that differ from the base's. */
  readonly tree: ObjectId;
  readonly changed: readonly string[];
  readonly flags: readonly Flag[];
}

export interface SetUpEnd {
  readonly output: string;
  readonly restored: readonly string[];
}

export interface LiveSandbox {
  readonly container: Docker.Container;
  readonly running: RunningSandbox;
  /** Resolves once the agent has printed this. */
  printed(text: string): Promise<void>;
  /** What it has printed so far. */
  output(): string;
  /** Waits for the end, collects, discards. */
  end(): Promise<SandboxEnd>;
  discard(): Promise<void>;
}

/** Applies the alteration that is registered for a container's name. */
class AlteringDocker extends Docker {
  readonly alterations = new Map<string, Alteration>();

  // biome-ignore lint/suspicious/noExplicitAny: dockerode overloads it with a callback, which nobody here uses
  override createContainer(body: ContainerCreateOptions): any {
    const altered = structuredClone(body) as Body;
    this.alterations.get(body.name ?? '')?.(altered);
    return super.createContainer(altered);
  }
}

interface BenchParts {
  readonly scratch: Scratch;
  readonly host: SandboxHost;
  readonly tree: ObjectId;
  readonly commit: ObjectId;
}

/** One host on one scratch repository; sandboxes on it may run at the same time. */
export class SandboxBench implements AsyncDisposable {
  readonly docker: Docker;
  readonly #docker: AlteringDocker;
  readonly #parts: BenchParts;
  readonly installation: string;
  #attempts = 0;

  private constructor(docker: AlteringDocker, installation: string, parts: BenchParts) {
    this.docker = docker;
    this.#docker = docker;
    this.installation = installation;
    this.#parts = parts;
  }

  /** @param options `image`: the agents' image, null for ours; `files`: what is committed; `programs`: what it must hold */
  static async open(
    options: {
      readonly image?: string | null;
      readonly files?: Readonly<Record<string, string>>;
      readonly programs?: readonly string[];
      readonly workspace?: WorkspaceKind;
      /** Another engine than the machine's, which is sent what images it lacks. */
      readonly engine?: Docker.DockerOptions;
      readonly onProgress?: (line: string) => void;
    } = {},
  ): Promise<SandboxBench> {
    const scratch = await Scratch.create(options.files ?? { 'README.md': '# Sample\n' });
    try {
      const repository = await findRepository(scratch.repository, scratch.env);
      const { tree, commit } = await resolveBase(repository, { includeDirty: false });
      const docker = new AlteringDocker(options.engine);
      const installation = randomBytes(6).toString('hex');
      const host = await openDockerHost({
        ...{
          name: 'local',
          docker,
          installation,
          run: `R${installation}`,
          image: options.image ?? null,
          programs: options.programs ?? [],
          keep: [],
          workspace: options.workspace ?? null,
          imagesFrom: options.engine === undefined ? null : new Docker(),
        },
        ...outgoing(repository, 1),
        objectFormat: repository.objectFormat,
        onProgress: options.onProgress ?? (() => {}),
        onWarning: () => {},
      });
      await host.prepareTree({ tree, commit, near: null });
      return new SandboxBench(docker, installation, { scratch, host, tree, commit });
    } catch (error) {
      await scratch[Symbol.asyncDispose]();
      throw error;
    }
  }

  get scratch(): Scratch {
    return this.#parts.scratch;
  }

  get host(): SandboxHost {
    return this.#parts.host;
  }

  /** What is committed. */
  get base(): Pick<BaseTree, 'tree' | 'commit'> {
    const { tree, commit } = this.#parts;
    return { tree, commit };
  }

  /** Sets up, whatever was before; sandboxes that start afterwards start from what it made. */
  async setUp(command: string, egress: SetUpEgress | null = null): Promise<SetUpEnd> {
    const { host, tree, commit } = this.#parts;
    const spec = { command, inputs: '', tree, commit, limits: LIMITS, timeoutMs: 60_000, egress };
    const created = await host.createSetUp(spec);
    try {
      const running = await created.start();
      const output = new Output(undefined);
      const followed = output.follow(running);
      const { exitCode } = await running.ended();
      await followed;
      if (exitCode !== 0) throw new Error(`the set-up ended with ${exitCode}: ${output.text}`);
      const { restored } = await created.keep();
      return { output: output.text, restored: restored.paths };
    } finally {
      await created.discard();
    }
  }

  /** Starts one attempt: `command` is a program with arguments, or a line for `sh -c` as `--engine-command` takes it. */
  async start(command: string | readonly string[], options: SandboxRun = {}): Promise<LiveSandbox> {
    this.#attempts += 1;
    const attempt = `probe-${this.#attempts}.1` as AttemptId;
    const task = `probe-${this.#attempts}` as TaskId;
    const containerName = `orchestrate-${this.installation}-${attempt}`;
    const { host } = this.#parts;
    const { tree, commit } = options.on ?? this.#parts;
    const line = typeof command === 'string' ? command : 'true';
    const program =
      options.program ?? shellProgram(line, { task, attempt: 1, role: 'prober', title: 'Probe', description: 'Probe' });
    if (options.alter !== undefined) this.#docker.alterations.set(containerName, options.alter);
    const created = await host.create({
      ...{ attempt, task, containerName, tree, commit, ...program },
      ...(typeof command === 'string' ? {} : { argv: command }),
      limits: { ...LIMITS, ...options.limits },
      timeoutMs: options.timeoutMs ?? 60_000,
      hasGateway: false,
      toolboxToken: null,
    });
    try {
      const running = await created.start();
      return this.#live(this.docker.getContainer(containerName), running, options.onOutput);
    } catch (error) {
      await created.discard();
      throw error;
    }
  }

  /** Runs one attempt to its end. */
  async run(command: string | readonly string[], options: SandboxRun = {}): Promise<SandboxEnd> {
    const live = await this.start(command, options);
    try {
      return await live.end();
    } finally {
      await live.discard();
    }
  }

  #live(container: Docker.Container, running: RunningSandbox, onOutput: SandboxRun['onOutput']): LiveSandbox {
    const output = new Output(onOutput);
    const followed = output.follow(running);
    const ended = running.ended();
    followed.catch(() => {});
    ended.catch(() => {});
    return {
      container,
      running,
      output: () => output.text,
      printed: (text) => output.includes(text),
      discard: async () => {
        // Also the way to end one that would never: removing needs no end.
        await (running as unknown as { discard(): Promise<void> }).discard();
        await followed.catch(() => {});
      },
      end: async () => {
        const sandbox = await ended;
        await followed;
        const collection = await sandbox.collect();
        const changed: string[] = [];
        for await (const change of collection.changes) {
          changed.push(change.path.toString('latin1'));
          if (change.kind === 'file') for await (const _ of change.content);
        }
        const { exitCode, outOfMemory } = sandbox;
        const ending = { tree: await collection.tree, changed: changed.sort(), flags: collection.flags };
        return { exitCode, outOfMemory, output: output.text, outputBytes: output.bytes, ...ending };
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.host[Symbol.asyncDispose]();
    const filters = { label: [`orchestrate=${this.installation}`] };
    for (const { Id } of await this.docker.listContainers({ all: true, filters })) {
      await this.docker.getContainer(Id).remove({ force: true, v: true });
    }
    for (const { Name } of (await this.docker.listVolumes({ filters })).Volumes ?? []) {
      await this.docker.getVolume(Name).remove();
    }
    for (const { Id } of await this.docker.listImages({ filters })) await this.docker.getImage(Id).remove();
    await this.#parts.scratch[Symbol.asyncDispose]();
  }
}

class Output {
  text = '';
  bytes = 0;
  #hasEnded = false;
  readonly #waiting: { text: string; found(): void; lost(error: Error): void }[] = [];
  readonly #onOutput: SandboxRun['onOutput'];

  constructor(onOutput: SandboxRun['onOutput']) {
    this.#onOutput = onOutput;
  }

  async follow(running: RunningSandbox): Promise<void> {
    try {
      for await (const chunk of running.output()) {
        const { data } = chunk;
        this.#onOutput?.(chunk);
        this.bytes += data.length;
        this.text = (this.text + data.toString('utf8')).slice(-KEPT_OUTPUT);
        for (const one of this.#waiting) if (this.text.includes(one.text)) one.found();
      }
    } finally {
      this.#hasEnded = true;
      for (const one of this.#waiting)
        one.lost(new Error(`the agent ended without printing ${one.text}: ${this.text}`));
    }
  }

  includes(text: string): Promise<void> {
    return new Promise((found, lost) => {
      if (this.text.includes(text)) found();
      else if (this.#hasEnded) lost(new Error(`the agent did not print ${text}: ${this.text}`));
      else this.#waiting.push({ text, found, lost });
    });
  }
}

/** Name of a throw-away image or container of a test. */
export function testName(what: string): string {
  return `orchestrate-test-${what}-${createHash('sha256').update(randomBytes(8)).digest('hex').slice(0, 8)}`;
}

export const FIXTURES = path.resolve(import.meta.dirname, '../fixtures');
