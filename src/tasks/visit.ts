/** A sandbox for a person: made like an agent's, and thrown away when the person leaves. */

import { PLAIN_ENVIRONMENT } from '../engine/command.ts';
import type { BaseTree, SandboxHost } from '../sandbox/sandbox.ts';
import type { AttemptId, Limits, TaskId } from '../types.ts';
import { Watermarks } from './watermarks.ts';

/** A forgotten shell ends then, even without us. Milliseconds. */
const VISIT_TIMEOUT_MS = 24 * 3_600_000;

/** Does nothing for as long as it may, in any image: the toolbox's Node is in each sandbox. */
const IDLE_PROGRAM = ['/opt/orchestrate/bin/node', '-e', 'setInterval(() => {}, 2 ** 30)'];

export interface Visit {
  readonly host: SandboxHost;
  /** Stands for the task that there is not; no task has this id. */
  readonly task: TaskId;
  readonly containerName: string;
  readonly start: BaseTree;
  readonly limits: Limits;
  /** The sandbox is ended, because it has written more than it may, or the host has hardly anything left. */
  onShort(reason: string): void;
}

/** Starts the sandbox, lets `use` have it, and removes it whatever happens. */
export async function visitSandbox<Result>(visit: Visit, use: () => Promise<Result>): Promise<Result> {
  const { host, task, containerName, start, limits } = visit;
  await host.prepareTree(start);
  const attempt = `${task}.1` as AttemptId;
  const created = await host.create({
    ...{ attempt, task, containerName, tree: start.tree, commit: start.commit },
    ...{ argv: IDLE_PROGRAM, env: PLAIN_ENVIRONMENT, homeFiles: [], limits, timeoutMs: VISIT_TIMEOUT_MS },
    ...{ hasGateway: false, toolboxToken: null },
  });
  try {
    const running = await created.start();
    const stopWatching = new Watermarks(() => host.resources()).watch(attempt, {
      limitBytes: limits.diskBytes,
      memoryBytes: () => running.memoryBytes(),
      onShort: ({ reason }) => {
        visit.onShort(reason);
        running.kill().catch(() => {});
      },
    });
    try {
      return await use();
    } finally {
      stopWatching();
    }
  } finally {
    await created.discard();
  }
}
