/** The forecast of conflicts during a run: in the background, one look after the other, and never the run's trouble. */

import type { EventBody } from '../events.ts';
import { nameSome } from '../git/bytes.ts';
import type { Repository } from '../git/repository.ts';
import { MOST_RESULTS, updateForecast } from '../merge/forecast.ts';
import type { Result } from '../state/forecasts.ts';
import type { State } from '../state/state.ts';
import type { AttemptId, TaskId } from '../types.ts';

interface Parts {
  readonly repository: Repository;
  readonly state: State;
  /** Aborted: nothing more is looked at. */
  readonly signal: AbortSignal;
  emit(event: EventBody): void;
}

export class RunForecast {
  readonly #parts: Parts;
  /** The newest snapshots of agents at work. */
  readonly #underWay = new Map<AttemptId, Result>();
  readonly #said = new Set<string>();
  #work: Promise<void> = Promise.resolve();
  #isAsked = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** An agent at work had this when a snapshot was taken. */
  snapshotKept(result: Result): void {
    this.#underWay.set(result.id, result);
    this.#look();
  }

  /** An attempt has ended: it may have left a patch. */
  attemptEnded(id: AttemptId, hasPatch: boolean): void {
    this.#underWay.delete(id);
    if (hasPatch) this.#look();
  }

  /** Once nothing more comes: resolves when all is looked at. */
  async end(): Promise<void> {
    await this.#work;
  }

  /** What comes while one look waits for another is seen by it. */
  #look(): void {
    if (this.#isAsked || this.#parts.signal.aborted) return;
    this.#isAsked = true;
    this.#work = this.#work.then(async () => {
      this.#isAsked = false;
      await this.#update().catch((error: unknown) => {
        this.#warnOnce(`no forecast of conflicts: ${error instanceof Error ? error.message : String(error)}`);
      });
    });
  }

  async #update(): Promise<void> {
    const { repository, state, signal, emit } = this.#parts;
    const underWay = [...this.#underWay.values()];
    const { found, isCut } = await updateForecast(repository, state, { underWay, signal });
    for (const { left, right, paths } of found) {
      const message = `will not merge with ${left} (${nameSome(paths)})`;
      emit({ type: 'warning', task: right.slice(0, right.lastIndexOf('.')) as TaskId, attempt: right, message });
    }
    if (isCut) this.#warnOnce(`only the newest ${MOST_RESULTS} patches are in the forecast of conflicts`);
  }

  #warnOnce(message: string): void {
    if (this.#said.has(message)) return;
    this.#said.add(message);
    this.#parts.emit({ type: 'warning', message });
  }
}
