/** What a review stands on: the state, the repository, and how stories are made of them. */

import { setTimeout } from 'node:timers/promises';
import { OrchestrateError } from '../../src/errors.ts';
import { readHead } from '../../src/git/apply.ts';
import type { Repository } from '../../src/git/repository.ts';
import { updateForecast } from '../../src/merge/forecast.ts';
import { mergesOnto } from '../../src/merge/onto.ts';
import { isSensitive } from '../../src/patch/inspect/codes.ts';
import { verdictOf } from '../../src/review/verdict.ts';
import type { PatchRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import type { AttemptId } from '../../src/types.ts';
import type { Context } from '../context.ts';
import { reviewOrder, type Waiting } from './order.ts';
import { type Story, storyOf } from './story.ts';
import { targetForecast } from './target.ts';

/** So long is waited for the forecast before the first story; the rest of it is made beside the review. */
const FORECAST_MS = 300;

export class Ground implements AsyncDisposable {
  readonly #closing = new AbortController();
  readonly #forecast: Promise<void>;
  #isCompared = false;

  private constructor(
    readonly context: Context,
    readonly repository: Repository,
    readonly state: State,
  ) {
    this.#forecast = this.#bringForecastUp();
  }

  static async open(context: Context): Promise<Ground> {
    const [repository, state] = await Promise.all([context.repository(), context.state()]);
    const ground = new Ground(context, repository, state);
    await Promise.race([ground.#forecast, setTimeout(FORECAST_MS, undefined, { ref: false })]);
    return ground;
  }

  /** Until every patch was compared with all others. */
  compared(): Promise<void> {
    return this.#forecast;
  }

  /** All that are pending, in the order in which they are looked at. */
  waiting(): AttemptId[] {
    const patches = this.state.patches().filter(({ state }) => state === 'pending');
    const conflicting = new Set(this.state.conflicts().flatMap(({ left, right }) => [left, right]));
    return reviewOrder(patches.map((patch) => this.#waiting(patch, conflicting)));
  }

  /** As it is now. */
  patch(id: AttemptId): PatchRecord {
    const patch = this.state.patch(id);
    if (patch === null) throw new Error(`the state lost the patch ${id}`);
    return patch;
  }

  /** Whether it is in another state, or another patch, than when it was seen. */
  isChanged(seen: PatchRecord): boolean {
    const now = this.patch(seen.id);
    return now.state !== seen.state || now.tree !== seen.tree || now.baseTree !== seen.baseTree;
  }

  /** Of some patches, in their order, as they are now. */
  async stories(ids: readonly AttemptId[]): Promise<Story[]> {
    const { state, repository } = this;
    const head = await readHead(repository);
    const told = ids.map((id) => this.patch(id));
    const merges = await mergesOnto(repository, state, { tree: head.tree, patches: told });
    const sources = { state, patches: state.patches(), conflicts: state.conflicts(), isCompared: this.#isCompared };
    return Promise.all(
      told.map((patch) => {
        const merge = merges.get(patch.id);
        if (merge === undefined) throw new Error(`nobody merged ${patch.id}`);
        return storyOf({ ...sources, target: targetForecast(head, merge) }, patch);
      }),
    );
  }

  async story(id: AttemptId): Promise<Story> {
    const [story] = await this.stories([id]);
    if (story === undefined) throw new Error(`there is no story of ${id}`);
    return story;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#forecast;
  }

  async #bringForecastUp(): Promise<void> {
    const { signal } = this.#closing;
    try {
      await updateForecast(this.repository, this.state, { signal });
      this.#isCompared = !signal.aborted;
    } catch (error) {
      // A review goes on without it, and each story says that it is not there.
      if (!(error instanceof OrchestrateError)) throw error;
    }
  }

  #waiting(patch: PatchRecord, conflicting: ReadonlySet<AttemptId>): Waiting {
    return {
      id: patch.id,
      foundations: this.state.foundationsOf(patch.id),
      isRed: verdictOf(patch) === 'failed',
      isInConflict: conflicting.has(patch.id),
      isFlagged: patch.flags.some(({ code }) => isSensitive(code)),
    };
  }
}
