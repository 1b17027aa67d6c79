/**
 * The engines that are command line programs, at work in sandboxes of the product's own driver against a scripted model. Until
 * a run does it with its gateway, the server's Unix socket is laid into the container and a forwarder stands before it.
 */

import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { AgentEvent, Assignment, Engine, EngineVerdict } from '../../src/engine/engine.ts';
import { GATEWAY_PORT } from '../../src/gateway/protocol.ts';
import type { TaskId } from '../../src/types.ts';
import { PromptCache } from './model-server/prompt-cache.ts';
import type { ModelRequest, Script } from './model-server/script.ts';
import { ModelServer } from './model-server/server.ts';
import { type Alteration, SandboxBench, TOOLBOX_NODE } from './sandbox.ts';

/** What the sandbox has instead of a key; the server lets nothing else in. */
const TOKEN = 'sk-test-cli-bench';
const MOUNT = '/mnt/model';
const FORWARDER = path.resolve(import.meta.dirname, 'forward.mjs');

export interface CliRun {
  readonly title?: string;
  readonly specialist?: Assignment['specialist'];
  /** What the model service remembers of other agents. */
  readonly cache?: PromptCache;
}

export interface CliEnd {
  readonly exitCode: number;
  readonly verdict: EngineVerdict;
  readonly events: readonly AgentEvent[];
  /** Paths that the agent changed. */
  readonly changed: readonly string[];
  /** What the model was asked, oldest first. */
  readonly requests: readonly ModelRequest[];
  /** As it was printed. */
  readonly output: string;
}

export class CliBench implements AsyncDisposable {
  readonly #sandboxes: SandboxBench;
  readonly #folder: string;
  #runs = 0;

  private constructor(sandboxes: SandboxBench, folder: string) {
    this.#sandboxes = sandboxes;
    this.#folder = folder;
  }

  static async open(files: Readonly<Record<string, string>>): Promise<CliBench> {
    const folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-cli-'));
    await chmod(folder, 0o755);
    return new CliBench(await SandboxBench.open({ files, programs: ['claude', 'codex'] }), folder);
  }

  /** Runs one task to its end. */
  async run(engine: Engine, description: string, script: Script, options: CliRun = {}): Promise<CliEnd> {
    const { title = 'A task', specialist, cache = new PromptCache() } = options;
    this.#runs += 1;
    const name = `${this.#runs}.sock`;
    const socket = path.join(this.#folder, name);
    await using server = await ModelServer.start({ script, key: TOKEN, cache, listen: { socket } });
    await chmod(socket, 0o777);
    const task = `cli-${this.#runs}` as TaskId;
    const session = engine.begin(
      { task, attempt: 1, role: 'test-engineer', specialist, title, description },
      { url: `http://127.0.0.1:${GATEWAY_PORT}`, token: TOKEN },
    );
    const { argv, env, homeFiles } = session.program;
    const forwarder = { path: 'forward.mjs', content: await readFile(FORWARDER), mode: 0o644 };
    const forwarded = [
      TOOLBOX_NODE,
      `/home/agent/${forwarder.path}`,
      `${MOUNT}/${name}`,
      String(GATEWAY_PORT),
      ...argv,
    ];
    const events: AgentEvent[] = [];
    const live = await this.#sandboxes.start(forwarded, {
      program: { argv: forwarded, env, homeFiles: [...homeFiles, forwarder] },
      limits: { memoryBytes: 2 * 1024 ** 3, cpus: 2 },
      alter: this.#mounted,
      onOutput: (chunk) => events.push(...session.read(chunk)),
    });
    const { exitCode, changed, output } = await live.end();
    await live.discard();
    return { exitCode, verdict: session.verdict(exitCode), events, changed, requests: server.modelRequests, output };
  }

  readonly #mounted: Alteration = (body) => {
    const mount = { Type: 'bind' as const, Source: this.#folder, Target: MOUNT, ReadOnly: true };
    body.HostConfig.Mounts = [...(body.HostConfig.Mounts ?? []), mount];
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sandboxes[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
