/** Tasks whose results stand on each other, as a run leaves them: real git and a real state, agents that are functions. */

import { importChanges, type TreeChange } from '../../src/git/quarantine.ts';
import { findRepository, type Repository } from '../../src/git/repository.ts';
import { collectPatch } from '../../src/patch/collect.ts';
import type { AttemptRecord, PatchRecord, RunRecord } from '../../src/state/records.ts';
import { openState, type State } from '../../src/state/state.ts';
import { type StartTree, startTreeOf } from '../../src/tasks/start-tree.ts';
import { type AttemptId, type Flag, NO_USAGE, type ObjectId, type RunId, type TaskId } from '../../src/types.ts';
import { type ScratchRepository, scratchRepository } from './git.ts';
import { PLACE } from './queue.ts';

/** Path to content; null deletes. */
export type Files = Readonly<Record<string, string | null>>;

export class Stack implements AsyncDisposable {
  private constructor(
    readonly work: ScratchRepository,
    readonly repository: Repository,
    readonly state: State,
    private run: RunRecord,
  ) {}

  static async create(files: Readonly<Record<string, string>> = {}): Promise<Stack> {
    const work = await scratchRepository();
    for (const [path, content] of Object.entries(files)) await work.write(path, content);
    await work.commit('files');
    const repository = await findRepository(work.root, work.env);
    const state = openState(repository.stateDir);
    return new Stack(work, repository, state, begun(state, (await work.id('HEAD')) as ObjectId));
  }

  /** Another run, from what HEAD is now. */
  async newRun(): Promise<void> {
    this.run = begun(this.state, (await this.work.id('HEAD')) as ObjectId);
  }

  add(title: string, dependsOn: readonly string[] = []): TaskId {
    const [task] = this.state.addTasks([
      { title, description: title, agent: 'test-engineer', priority: 'normal', dependsOn },
    ]);
    if (task === undefined) throw new Error('nothing was added');
    return task.id;
  }

  /** An agent begins with this task. */
  async claim(task: string): Promise<{ attempt: AttemptRecord; start: StartTree }> {
    const claim = this.state.claimNext(this.run, { ...PLACE, only: [task as TaskId] });
    if (claim === null) throw new Error(`${task} cannot be claimed`);
    const { attempt } = claim;
    const runBase = { commit: this.run.base, tree: (await this.work.id(`${this.run.base}^{tree}`)) as ObjectId };
    const start = await startTreeOf(this.repository, this.state, runBase, attempt);
    if ('with' in start) throw new Error(`${task} cannot start: ${start.paths.join(', ')}`);
    this.state.attemptStarted(attempt.id, this.run.fence, start);
    return { attempt, start };
  }

  /** An agent ends, and left these files. */
  async end(
    { attempt, start }: { attempt: AttemptRecord; start: StartTree },
    files: Files,
    flags: readonly Flag[] = [],
  ): Promise<AttemptId> {
    let tree: ObjectId;
    {
      await using expected = await importChanges(this.repository, start, changesOf(files));
      tree = expected.tree;
    }
    const collection = { changes: changesOf(files), tree: Promise.resolve(tree), flags, count: 1 };
    const origin = { attempt: attempt.id, task: attempt.task, start };
    const { patch } = await collectPatch(this.repository, { collect: async () => collection }, origin);
    const ended = this.state.endAttempt(attempt.id, this.run.fence, {
      ...{ outcome: patch === null ? 'no-changes' : 'succeeded', taskState: 'succeeded', exitCode: 0, reason: null },
      ...{ usage: NO_USAGE, egressDenied: [], summary: null, patch },
    });
    if (!ended) throw new Error(`${attempt.id} did not end`);
    return attempt.id;
  }

  /** A task, worked to its end. */
  async finish(title: string, files: Files, dependsOn: readonly string[] = []): Promise<AttemptId> {
    return this.end(await this.claim(this.add(title, dependsOn)), files);
  }

  /** Once more. */
  async again(task: string, files: Files): Promise<AttemptId> {
    if (this.state.task(task as TaskId).state !== 'queued') this.state.retryTask(task as TaskId, { from: null });
    return this.end(await this.claim(task), files);
  }

  patch(id: string): PatchRecord {
    const patch = this.state.patch(id as AttemptId);
    if (patch === null) throw new Error(`there is no patch ${id}`);
    return patch;
  }

  /** Of all patches. */
  states(): Record<string, string> {
    return Object.fromEntries(this.state.patches().map(({ id, state }) => [id, state]));
  }

  /** A tree with other files. */
  async tree(of: ObjectId, files: Files): Promise<ObjectId> {
    await using made = await importChanges(this.repository, { tree: of }, changesOf(files));
    await made.publish();
    return made.tree;
  }

  /** All files of a tree with their contents. */
  async files(tree: string): Promise<Record<string, string>> {
    const names = (await this.work.git('ls-tree', '-r', '-z', '--name-only', tree)).split('\0').filter(Boolean);
    const contents = await Promise.all(names.map((name) => this.work.bytes('cat-file', 'blob', `${tree}:${name}`)));
    return Object.fromEntries(names.map((name, at) => [name, String(contents[at])]));
  }

  /** Names below `refs/orchestrate`, with what they point at. */
  async refs(): Promise<Record<string, string>> {
    const lines = await this.work.git('for-each-ref', '--format=%(refname:lstrip=2) %(objectname)', 'refs/orchestrate');
    return Object.fromEntries(
      lines
        .split('\n')
        .filter(Boolean)
        .map((line) => line.split(' ')),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.state.close();
    await this.work.remove();
  }
}

function begun(state: State, base: ObjectId): RunRecord {
  const id = `RUN-${Math.random()}` as RunId;
  return state.beginRun({ id, pid: process.pid, base, deadline: null, budgetUsd: null, budgetTokens: null });
}

async function* changesOf(files: Files): AsyncGenerator<TreeChange> {
  const all = Object.entries(files).map(([path, content]) => [Buffer.from(path), content] as const);
  for (const [path, content] of all) if (content === null) yield { kind: 'delete', path };
  for (const [path, text] of all) {
    if (text === null) continue;
    const bytes = Buffer.from(text);
    const content = (async function* () {
      yield bytes;
    })();
    yield { kind: 'file', path, mode: '100644', size: bytes.length, content };
  }
}
