/** The product's own driver, opened as a run opens it, to time one sandbox without a queue. */

import { once } from 'node:events';
import Docker from 'dockerode';
import { execa } from 'execa';
import { resolveBase } from '../src/git/base.ts';
import { outgoing } from '../src/git/outgoing.ts';
import { findRepository } from '../src/git/repository.ts';
import { openDockerHost } from '../src/sandbox/docker/host.ts';
import { type AttemptHooks, type GatewayOptions, openRunGateway } from '../src/tasks/gateway.ts';
import type { AttemptId, TaskId } from '../src/types.ts';
import type { Contestant } from './measure.ts';

/** Of one timing. */
const CALLS = 20;
/** Asks nobody and lets nobody out. */
const CLOSED_GATEWAY: GatewayOptions = {
  secret: 'bench',
  dial: () => Promise.reject(new Error('nothing is dialled')),
  plan: { apis: [], models: null, allow: [], caps: { usd: null, tokens: null }, setUpAllow: [] },
  configuration: {
    ...{ upstreams: [], egressVia: 'coordinator', extraCa: null, prices: {} },
    ...{ caps: { usd: null, tokens: null }, spent: { usd: 0, tokens: 0 } },
  },
};
const NO_HOOKS: AttemptHooks = {
  ...{ onActive: () => {}, onUsage: () => {}, onDenied: () => {} },
  ...{ onBudget: () => {}, onPause: () => {}, onResume: () => {} },
};

export interface BenchHost extends AsyncDisposable {
  /** From the creation of a sandbox to the first byte that its program writes. */
  readonly firstInstruction: Contestant;
  /** A sandbox that serves tools, for as long as `use` takes. */
  withTools(use: (sandbox: ToolSandbox) => Promise<void>): Promise<void>;
}

export interface ToolSandbox {
  readonly container: string;
  /** `true` by the tool of the API engine, through gateway and toolbox. */
  readonly toolCall: Contestant;
}

export async function openBenchHost(at: string, installation: string): Promise<BenchHost> {
  const repository = await findRepository(at, process.env);
  const { tree, commit } = await resolveBase(repository, { includeDirty: false });
  const host = await openDockerHost({
    name: 'local',
    docker: new Docker(),
    installation,
    run: 'bench',
    image: null,
    keep: [],
    workspace: null,
    ...outgoing(repository, 1),
    objectFormat: repository.objectFormat,
    onProgress: () => {},
    onWarning: (line) => process.stderr.write(`${line}\n`),
  });
  await host.prepareTree({ tree, commit, near: null });
  const limits = { memoryBytes: 2 ** 30, cpus: 2, pids: 256, diskBytes: 2 ** 30 };
  let count = 0;
  let ending: Promise<void> = Promise.resolve();
  return {
    firstInstruction: {
      name: 'ours',
      per: 1,
      async run() {
        count += 1;
        const created = await host.create({
          attempt: `bench.${count}` as AttemptId,
          task: 'bench' as TaskId,
          containerName: `orchestrate-bench-${process.pid}-${count}`,
          tree,
          commit,
          argv: ['/bin/sh', '-c', 'echo ready'],
          env: { PATH: '/usr/bin:/bin', HOME: '/home/agent' },
          homeFiles: [],
          limits,
          timeoutMs: 60_000,
          hasGateway: false,
          toolboxToken: null,
        });
        const running = await created.start();
        for await (const _ of running.output()) break;
        ending = running.ended().then((ended) => ended.discard());
      },
      settle: () => ending,
    },
    async withTools(use) {
      await using gateway = await openRunGateway(host, CLOSED_GATEWAY);
      const attempt = 'bench.tools' as AttemptId;
      await gateway.admit(attempt, NO_HOOKS);
      const container = `orchestrate-bench-${process.pid}-tools`;
      const created = await host.create({
        ...{ attempt, task: 'bench' as TaskId, containerName: container, tree, commit, limits },
        ...{ argv: [], env: { PATH: '/usr/bin:/bin', HOME: '/home/agent' }, homeFiles: [], timeoutMs: 600_000 },
        ...{ hasGateway: true, toolboxToken: gateway.toolboxToken(attempt) },
      });
      const running = await created.start();
      const never = new AbortController().signal;
      const toolbox = gateway.toolboxOf(attempt, never);
      let n = 0;
      try {
        await use({ container, toolCall: { name: 'ours', per: CALLS, run: callMany } });
      } finally {
        await toolbox.finish();
        await (await running.ended()).discard();
      }
      async function callMany(): Promise<void> {
        for (let call = 0; call < CALLS; call += 1) {
          n += 1;
          await toolbox.call({ n, tool: 'bash', input: { command: 'true' }, timeoutMs: 60_000 }, never);
          await toolbox.acknowledge(n);
        }
      }
    },
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

/** What anybody would do for a tool call. */
export function dockerExec(container: string): Contestant {
  return {
    name: 'docker exec … /bin/true',
    per: 1,
    async run() {
      await execa('docker', ['exec', container, '/bin/true']);
    },
  };
}

/** The same with the docker client and the same image. */
export function dockerRun(image: string): Contestant {
  let ending: Promise<void> = Promise.resolve();
  return {
    name: 'docker run --rm --network none',
    per: 1,
    async run() {
      const child = execa('docker', ['run', '--rm', '--network', 'none', image, 'echo', 'ready'], { buffer: false });
      ending = child.then(() => {});
      await once(child.stdout, 'data');
    },
    settle: () => ending,
  };
}
