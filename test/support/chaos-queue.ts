/** Rounds of work for the tests of chaos, and what must be true of a repository whatever was killed at it. */

import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import Database from 'better-sqlite3';
import { expect } from 'vitest';
import { openStateForReading, type State } from '../../src/state/state.ts';
import { type CutRun, leftInDocker } from './endurance.ts';
import type { Scratch } from './scratch.ts';

/** What each agent does: says that it was here and what it found of those before it, and leaves a file of some size. */
export const COMMAND = `mkdir -p journal seen big; echo working; sleep 0.3
echo "$ORCHESTRATE_TASK_ID.$ORCHESTRATE_ATTEMPT" >> "journal/$ORCHESTRATE_TASK_ID"
cat journal/* > "seen/$ORCHESTRATE_TASK_ID"
yes "$ORCHESTRATE_TASK_ID.$ORCHESTRATE_ATTEMPT" | head -c 100000 > "big/$ORCHESTRATE_TASK_ID"; echo done`;

/** Tasks by letter, with what each depends on. */
const QUEUE: Readonly<Record<string, readonly string[]>> = { a: [], b: ['a'], c: [] };

export class ChaosQueue {
  #round = 0;
  /** What was told as done, in this round: the attempt by task. */
  readonly #acknowledged = new Map<string, string>();
  /** Patches that were told of, in all rounds. */
  readonly #patches = new Set<string>();

  constructor(readonly scratch: Scratch) {}

  /** A commit more, and tasks from there. */
  async submit(): Promise<void> {
    const { scratch } = this;
    this.#round += 1;
    this.#acknowledged.clear();
    await scratch.write({ 'round.txt': `${this.#round}\n` });
    await scratch.git('add', '--all');
    await scratch.git('commit', '--quiet', '--message', `round ${this.#round}`);
    const lines = Object.entries(QUEUE).map(([letter, dependsOn]) => {
      const id = this.#named(letter);
      const above = dependsOn.map((one) => this.#named(one));
      return JSON.stringify({ key: id, description: id, title: id, dependsOn: above });
    });
    const file = path.join(scratch.folder, 'queue.jsonl');
    await writeFile(file, `${lines.join('\n')}\n`);
    await scratch.must(['submit', '--batch', file]);
  }

  /** What a run has told stays true, of this one and of those before it; says whether all is done. */
  isDoneAfter(run: CutRun): boolean {
    for (const { type, task = '', attempt = '', status } of run.events) {
      if (type === 'task.ended' && status === 'succeeded') this.#acknowledged.set(task, attempt);
      if (type === 'patch.created') this.#patches.add(attempt);
    }
    return withState(this.scratch, (state) => {
      for (const [task, attempt] of this.#acknowledged) {
        const { state: is } = state.task(state.resolveTask(task));
        const patch = state.patchOf(state.resolveTask(task))?.id;
        expect({ task, is, patch }).toEqual({ task, is: 'succeeded', patch: attempt });
      }
      const known = new Set<string>(state.patches().map(({ id }) => id));
      expect([...this.#patches].filter((patch) => !known.has(patch))).toEqual([]);
      return state.tasks().every((task) => task.state === 'succeeded');
    });
  }

  /** Tasks that were given up because the engine failed them too often; they are wanted again. */
  async retryGivenUp(): Promise<string[]> {
    const lost = withState(this.scratch, (state) =>
      state
        .tasks()
        .filter((task) => task.state === 'failed')
        .map(({ id }) => ({ id, outcome: state.attemptsOf(id).at(-1)?.outcome })),
    );
    for (const { id, outcome } of lost) {
      expect({ id, outcome }).toEqual({ id, outcome: 'lost' });
      await this.scratch.must(['retry', id]);
    }
    return lost.map(({ id }) => id);
  }

  /** Each task of this round was done once, all of it is there, and nothing else. */
  async expectWhole(): Promise<void> {
    const { scratch } = this;
    const patches = new Map(Object.keys(QUEUE).map((letter) => [letter, this.#doneOnce(letter)]));
    const refs = (await scratch.git('for-each-ref', '--format=%(refname)', 'refs/orchestrate')).split('\n');
    expect(refs.filter((ref) => ref.endsWith('/wip'))).toEqual([]);
    for (const patch of this.#patches) expect(refs).toContain(`refs/orchestrate/${patch.replace('.', '/')}/result`);
    for (const [letter, patch] of patches) await this.#expectTree(letter, patch, patches);
    expect(await leftInDocker(scratch)).toEqual(['volume store']);
    const git = path.join(scratch.repository, '.git');
    const files = await readdir(git, { recursive: true });
    expect(files.filter((name) => name.endsWith('.lock'))).toEqual([]);
    expect(files.filter((name) => /^orchestrate\/(quarantine|git\/merge-|landing)[^/]*\//.test(name))).toEqual([]);
    expect(await scratch.git('status', '--porcelain')).toBe('');
    expect(await scratch.git('rev-list', '--count', 'HEAD')).toBe(`${this.#round + 1}`);
    await scratch.git('fsck', '--strict');
    expectSound(scratch);
  }

  #named(letter: string): string {
    return `${letter}${this.#round}`;
  }

  #doneOnce(letter: string): string {
    return withState(this.scratch, (state) => doneOnce(state, this.#named(letter)));
  }

  async #expectTree(letter: string, patch: string, patches: ReadonlyMap<string, string>): Promise<void> {
    const { scratch } = this;
    const [task = '', n = ''] = patch.split('.');
    const ref = `refs/orchestrate/${task}/${n}/result`;
    const changed = await scratch.git('diff', '--name-only', `${ref}^`, ref);
    expect(changed.split('\n')).toEqual([`big/${task}`, `journal/${task}`, `seen/${task}`]);
    // It may go on with what was kept of attempts at it that were lost.
    const journal = (await scratch.git('show', `${ref}:journal/${task}`)).split('\n');
    expect(journal.at(-1)).toBe(patch);
    for (const line of journal) expect(line.split('.')[0]).toBe(task);
    const before = (QUEUE[letter] ?? []).map((one) => patches.get(one) ?? '');
    const seen = (await scratch.git('show', `${ref}:seen/${task}`)).split('\n');
    expect(seen).toEqual(expect.arrayContaining([...before, patch]));
    const big = await scratch.git('show', `${ref}:big/${task}`);
    expect(`${big}\n`.slice(0, 100_000)).toBe(`${patch}\n`.repeat(100_000).slice(0, 100_000));
  }
}

/** The one attempt at a task that succeeded, after others that were lost alone; its patch is the only one that waits. */
export function doneOnce(state: State, task: string): string {
  const id = state.resolveTask(task);
  const attempts = state.attemptsOf(id);
  const done = attempts.filter((attempt) => attempt.outcome === 'succeeded');
  expect(done.map((attempt) => attempt.id)).toEqual([attempts.at(-1)?.id]);
  expect(attempts.filter((attempt) => !['succeeded', 'lost'].includes(attempt.outcome ?? ''))).toEqual([]);
  const pending = state.patches().filter((patch) => patch.task === id && patch.state === 'pending');
  expect(pending.map((patch) => patch.id)).toEqual([done[0]?.id]);
  return done[0]?.id ?? '';
}

export function expectSound(scratch: Scratch): void {
  const database = new Database(path.join(scratch.repository, '.git/orchestrate/state.db'), { readonly: true });
  try {
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(database.pragma('foreign_key_check')).toEqual([]);
  } finally {
    database.close();
  }
}

export function withState<Result>(scratch: Scratch, look: (state: State) => Result): Result {
  const state = openStateForReading(path.join(scratch.repository, '.git/orchestrate'));
  if (state === null) throw new Error('there is no state');
  try {
    return look(state);
  } finally {
    state.close();
  }
}
