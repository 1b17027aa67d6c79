/** The product's own driver, opened as a run opens it, to time one sandbox without a queue. */

import { once } from 'node:events';
import Docker from 'dockerode';
import { execa } from 'execa';
import { resolveBase } from '../src/git/base.ts';
import { rootCommit } from '../src/git/commits.ts';
import { packOfTree } from '../src/git/objects.ts';
import { findRepository } from '../src/git/repository.ts';
import { openDockerHost } from '../src/sandbox/docker/host.ts';
import type { AttemptId, TaskId } from '../src/types.ts';
import type { Contestant } from './measure.ts';

export interface BenchHost extends AsyncDisposable {
  /** From the creation of a sandbox to the first byte that its program writes. */
  readonly firstInstruction: Contestant;
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
    history: 1,
    historyOf: () => Promise.reject(new Error('a bench needs no history')),
    objectFormat: repository.objectFormat,
    async packOf() {
      const commit = await rootCommit(repository, tree);
      return { commit, pack: packOfTree(repository, tree, { commit }) };
    },
    onProgress: () => {},
    onWarning: (line) => process.stderr.write(`${line}\n`),
  });
  await host.prepareTree({ tree, commit, near: null });
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
          limits: { memoryBytes: 2 ** 30, cpus: 2, pids: 256, diskBytes: 2 ** 30 },
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
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
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
