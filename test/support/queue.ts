/** Puts tasks and patches into a scratch repository's state, as a run would leave them, without any Docker. */

import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { AttemptEnd, RunRecord } from '../../src/state/records.ts';
import { openState, type State } from '../../src/state/state.ts';
import { acquireLock } from '../../src/tasks/lock.ts';
import type { AttemptId, AttemptOutcome, Flag, ObjectId, PatchState, RunId, TaskId } from '../../src/types.ts';
import { NO_USAGE } from '../../src/types.ts';
import type { Scratch } from './scratch.ts';

export interface FinishedTask {
  readonly title: string;
  readonly description?: string;
  readonly dependsOn?: readonly string[];
  /** Files of the result on top of the base; null deletes. */
  readonly files?: Readonly<Record<string, string | Buffer | null>>;
  /** Revision that the attempt started from (default HEAD). */
  readonly base?: string;
  readonly outcome?: AttemptOutcome;
  readonly patch?: Extract<PatchState, 'pending' | 'salvaged'>;
  readonly summary?: string;
  readonly reason?: string;
  readonly flags?: readonly Flag[];
  readonly transcript?: string | Buffer;
}

export const PLACE = {
  ...{ host: 'local', engine: 'command', timeoutMs: 60_000, diskBytes: 2 ** 30 },
  container: (id: TaskId, n: number) => `${id}-${n}`,
};

/** Opens the state of a scratch repository; the caller closes it. */
export function stateOf(scratch: Scratch): State {
  return openState(path.join(scratch.repository, '.git/orchestrate'));
}

/** Adds a task and ends one attempt at it. Returns the patch's id, and a commit of its result to stack others on. */
export async function finishTask(
  scratch: Scratch,
  finished: FinishedTask,
): Promise<{ task: TaskId; id: string; result: string }> {
  const base = await scratch.git('rev-parse', `${finished.base ?? 'HEAD'}^{commit}`);
  const baseTree = (await scratch.git('rev-parse', `${base}^{tree}`)) as ObjectId;
  const { tree, commit } = await resultOf(scratch, base, finished.files ?? {});
  const state = stateOf(scratch);
  try {
    const description = finished.description ?? finished.title;
    const [task] = state.addTasks([
      {
        title: finished.title,
        description,
        agent: 'test-engineer',
        priority: 'high',
        dependsOn: finished.dependsOn ?? [],
      },
    ]);
    if (task === undefined) throw new Error('the state added nothing');
    const run = state.beginRun({
      ...{ id: `RUN-${task.id}` as RunId, pid: process.pid, base: base as ObjectId },
      ...{ deadline: null, budgetUsd: null, budgetTokens: null },
    });
    const claim = state.claimNext(run, PLACE);
    if (claim?.task.id !== task.id) throw new Error(`expected to claim ${task.id}`);
    const { id } = claim.attempt;
    state.appendEvent(
      {
        at: new Date().toISOString(),
        type: 'task.started',
        task: task.id,
        attempt: id,
        title: task.title,
        agent: task.agent,
        host: 'local',
      },
      run.id,
    );
    state.attemptStarted(id, run.fence, { tree: baseTree, commit: base as ObjectId });
    const outcome = finished.outcome ?? (tree === baseTree ? 'no-changes' : 'succeeded');
    const failed = outcome !== 'succeeded' && outcome !== 'no-changes';
    const size = { files: Object.keys(finished.files ?? {}).length, insertions: 1, deletions: 0 };
    const ended = state.endAttempt(id, run.fence, {
      ...{
        outcome,
        taskState: failed ? 'failed' : 'succeeded',
        exitCode: failed ? 1 : 0,
        reason: finished.reason ?? null,
      },
      ...{ usage: NO_USAGE, egressDenied: [], summary: finished.summary ?? null },
      patch:
        tree === baseTree
          ? null
          : {
              ...{ id, task: task.id, state: finished.patch ?? (failed ? 'salvaged' : 'pending'), reason: null, size },
              ...{
                baseTree,
                baseCommit: base as ObjectId,
                tree,
                commit: commit as ObjectId,
                flags: finished.flags ?? [],
              },
            },
    });
    if (!ended) throw new Error(`${id} did not end`);
    state.endRun(run.id);
    await scratch.git('update-ref', `refs/orchestrate/${task.id}/1/result`, commit);
    if (finished.transcript !== undefined) await writeTranscript(scratch, id, finished.transcript);
    return { task: task.id, id, result: commit };
  } finally {
    state.close();
  }
}

/** A coordinator that this test plays: it holds the lock and a run until it is disposed of. */
export class PlayedRun implements AsyncDisposable {
  private constructor(
    readonly scratch: Scratch,
    readonly state: State,
    readonly run: RunRecord,
    readonly release: () => void,
  ) {}

  static async begin(scratch: Scratch): Promise<PlayedRun> {
    const state = stateOf(scratch);
    const startedAt = new Date().toISOString();
    const lock = acquireLock(state.directory, { pid: process.pid, startedAt, command: 'orchestrate run' });
    if ('heldBy' in lock) throw new Error('another process holds the lock');
    const base = (await scratch.git('rev-parse', 'HEAD')) as ObjectId;
    const nothing = { deadline: null, budgetUsd: null, budgetTokens: null };
    const run = state.beginRun({ id: 'RUN-PLAYED' as RunId, pid: process.pid, base, ...nothing });
    return new PlayedRun(scratch, state, run, () => lock.release());
  }

  /** Claims the next task and says that its agent runs. */
  async start(): Promise<AttemptId> {
    const claim = this.state.claimNext(this.run, PLACE);
    if (claim === null) throw new Error('nothing was queued');
    const tree = (await this.scratch.git('rev-parse', 'HEAD^{tree}')) as ObjectId;
    this.state.attemptStarted(claim.attempt.id, this.run.fence, { tree, commit: this.run.base });
    return claim.attempt.id;
  }

  /** Ends an attempt with what its agent had written. */
  async end(
    attempt: AttemptId,
    how: Pick<AttemptEnd, 'outcome' | 'taskState'>,
    files: NonNullable<FinishedTask['files']> = {},
  ): Promise<void> {
    const baseCommit = this.run.base;
    const baseTree = (await this.scratch.git('rev-parse', 'HEAD^{tree}')) as ObjectId;
    const { tree, commit } = await resultOf(this.scratch, baseCommit, files);
    const task = attempt.slice(0, attempt.lastIndexOf('.')) as TaskId;
    const size = { files: Object.keys(files).length, insertions: 1, deletions: 0 };
    const state = how.outcome === 'succeeded' ? ('pending' as const) : ('salvaged' as const);
    const made = { id: attempt, task, state, baseTree, baseCommit, tree, commit: commit as ObjectId, size };
    const ended = this.state.endAttempt(attempt, this.run.fence, {
      ...{ ...how, exitCode: null, reason: null, usage: NO_USAGE, egressDenied: [], summary: null },
      patch: tree === baseTree ? null : { ...made, flags: [], reason: null },
    });
    if (!ended) throw new Error(`${attempt} did not end`);
  }

  /** Resolves with the next thing that another process asks of the run. */
  async asked(): Promise<ReturnType<State['takeRequests']>> {
    for (;;) {
      const requests = this.state.takeRequests();
      if (requests.length > 0) return requests;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** As if the process had been killed: the lock is free, the run has no end. */
  die(): void {
    this.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.state.endRun(this.run.id);
    this.release();
    this.state.close();
  }
}

export async function writeTranscript(scratch: Scratch, attempt: string, content: string | Buffer): Promise<void> {
  const folder = path.join(scratch.repository, '.git/orchestrate/transcripts');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, `${attempt}.log`), content);
}

/** A tree and a commit of it, made in a linked work tree of their own, so that the user's is left alone. */
async function resultOf(
  scratch: Scratch,
  base: string,
  files: NonNullable<FinishedTask['files']>,
): Promise<{ tree: ObjectId; commit: string }> {
  const folder = path.join(scratch.folder, `result-${crypto.randomUUID()}`);
  await scratch.git('worktree', 'add', '--quiet', '--detach', folder, base);
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    if (content === null) await rm(file);
    else await writeFile(file, content);
  }
  await scratch.git('-C', folder, 'add', '--all');
  await scratch.git('-C', folder, 'commit', '--quiet', '--allow-empty', '--message', 'result');
  const commit = await scratch.git('-C', folder, 'rev-parse', 'HEAD');
  const tree = (await scratch.git('rev-parse', `${commit}^{tree}`)) as ObjectId;
  await scratch.git('worktree', 'remove', '--force', folder);
  return { tree, commit };
}
