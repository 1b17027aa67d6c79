/** A repository with finished tasks and approved patches, made by plumbing: fast enough for twenty of them in every test. */

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { findRepository, type Repository } from '../../src/git/repository.ts';
import type { CheckedTree, Checker } from '../../src/review/checker.ts';
import type { CheckRecord, TaskRecord } from '../../src/state/records.ts';
import { openState, type State } from '../../src/state/state.ts';
import { type AttemptId, NO_USAGE, type ObjectId, type RunId, type TaskId } from '../../src/types.ts';
import { type ScratchOptions, type ScratchRepository, scratchRepository } from './git.ts';
import { PLACE } from './queue.ts';

export interface SceneTask {
  readonly title: string;
  /** Files of the result on top of its start; null deletes. */
  readonly files: Readonly<Record<string, string | null>>;
  readonly dependsOn?: readonly string[];
  /** The patch whose result it starts from; not given: HEAD. */
  readonly on?: AttemptId;
  /** A further attempt at this task instead of a task of its own. */
  readonly again?: TaskId;
  /** Default: it is approved. */
  readonly decision?: 'none' | 'rejected';
}

export class MergeScene implements AsyncDisposable {
  private constructor(
    readonly work: ScratchRepository,
    readonly repo: Repository,
    readonly state: State,
  ) {}

  static async create(files: Readonly<Record<string, string>> = {}, options?: ScratchOptions): Promise<MergeScene> {
    const work = await scratchRepository(options);
    for (const [name, content] of Object.entries(files)) await work.write(name, content);
    if (Object.keys(files).length > 0) await work.commit('files');
    return MergeScene.open(work);
  }

  /** What is in a repository already. */
  static async open(work: ScratchRepository): Promise<MergeScene> {
    const repo = await findRepository(work.root, work.env);
    return new MergeScene(work, repo, openState(repo.stateDir));
  }

  async add(task: SceneTask): Promise<AttemptId> {
    const { state, work } = this;
    const start = task.on === undefined ? await work.id('HEAD') : (state.patch(task.on)?.commit ?? '');
    const [baseTree, baseCommit] = [(await work.id(`${start}^{tree}`)) as ObjectId, start as ObjectId];
    const tree = this.treeWith(baseTree, task.files);
    const commit = (await work.git('commit-tree', '-p', start, '-m', task.title, tree)) as ObjectId;
    const added = this.#queued(task);
    const run = state.beginRun({
      ...{ id: `RUN-${added.id}.${state.attemptsOf(added.id).length}` as RunId, pid: process.pid, base: baseCommit },
      ...{ deadline: null, budgetUsd: null, budgetTokens: null },
    });
    const claim = state.claimNext(run, PLACE);
    if (claim?.task.id !== added.id) throw new Error(`expected to claim ${added.id}`);
    const { id } = claim.attempt;
    state.attemptStarted(id, run.fence, { tree: baseTree, commit: baseCommit });
    const size = { files: Object.keys(task.files).length, insertions: 1, deletions: 0 };
    state.endAttempt(id, run.fence, {
      ...{ outcome: 'succeeded', taskState: 'succeeded', exitCode: 0, reason: null },
      ...{ usage: NO_USAGE, egressDenied: [], summary: null },
      patch: {
        ...{ id, task: added.id as TaskId, state: 'pending', reason: null, size, flags: [] },
        baseTree,
        baseCommit,
        tree,
        commit,
      },
    });
    state.endRun(run.id);
    if (task.decision !== 'none') state.setPatchState(id, ['pending'], task.decision ?? 'approved');
    return id;
  }

  #queued({ title, dependsOn = [], again }: SceneTask): TaskRecord {
    if (again !== undefined) {
      this.state.retryTask(again, { from: null });
      return this.state.task(again);
    }
    const priority = 'high';
    const [added] = this.state.addTasks([{ title, description: title, agent: 'general', priority, dependsOn }]);
    if (added === undefined) throw new Error('the state added nothing');
    return added;
  }

  /** The tree `on` with other files. */
  treeWith(on: string, files: SceneTask['files']): ObjectId {
    const { root, folder, env } = this.work;
    const index = { ...env, GIT_INDEX_FILE: path.join(folder, 'scene-index') };
    const git = (args: readonly string[], input = ''): string =>
      execFileSync('git', args, { cwd: root, env: index, input, encoding: 'utf8' }).trim();
    git(['read-tree', on]);
    const zero = '0'.repeat(on.length);
    const entries = Object.entries(files).map(([name, content]) => {
      if (content === null) return `0 ${zero}\t${name}\n`;
      return `100644 ${git(['hash-object', '-w', '--stdin'], content)}\t${name}\n`;
    });
    // Deletions first: a folder may become a file.
    git(['update-index', '--index-info'], entries.sort().join(''));
    return git(['write-tree']) as ObjectId;
  }

  /** A commit by somebody else, on the branch that is checked out or on another one, without a work tree. */
  async commitBehind(ref: string, files: SceneTask['files']): Promise<string> {
    const tip = await this.work.id(ref);
    const tree = this.treeWith(await this.work.id(`${ref}^{tree}`), files);
    const commit = await this.work.git('commit-tree', '-p', tip, '-m', 'meanwhile', tree);
    await this.work.git('update-ref', ref, commit, tip);
    return commit;
  }

  states(): Record<string, string> {
    return Object.fromEntries(this.state.patches().map((patch) => [patch.id, patch.state]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.state.close();
    await this.work.remove();
  }
}

/** What a check sees of a tree: its files by name. */
export type Files = ReadonlyMap<string, string>;

/** Checks that are functions of the files. A verdict `flaky` is one that failed first and then passed. */
export class FunctionChecker implements Checker {
  readonly checked: CheckedTree[] = [];

  constructor(
    readonly work: ScratchRepository,
    readonly judge: (files: Files, on: CheckedTree) => boolean | 'flaky' | Promise<boolean | 'flaky'>,
  ) {}

  async check(on: CheckedTree, commands: readonly string[]): Promise<readonly CheckRecord[]> {
    this.checked.push(on);
    const listed = (await this.work.git('ls-tree', '-r', '-z', on.tree)).split('\0').filter(Boolean);
    const files = new Map<string, string>();
    for (const entry of listed) {
      const [head = '', name = ''] = entry.split('\t');
      files.set(name, await this.work.git('cat-file', 'blob', head.split(' ')[2] ?? ''));
    }
    const verdict = await this.judge(files, on);
    return commands.map((command) => ({
      ...{ command, exitCode: verdict === true ? 0 : 1, durationMs: 1, tree: on.tree },
      ...{ isFlaky: verdict === 'flaky', log: `checks/${on.name}.log` },
    }));
  }
}
