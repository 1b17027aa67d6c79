/** What other terminals ask of a run (`kill`, `stop`), as signals for the agents at work. */

import type { State } from '../state/state.ts';
import type { AttemptId, TaskId } from '../types.ts';
import { KILLED_BY_USER } from './supervise.ts';

/** CLI.md: a request is seen within a quarter of a second. */
const LOOK_EVERY_MS = 200;

interface AtWork {
  readonly task: TaskId;
  readonly kill: AbortController;
}

export class Control implements Disposable {
  readonly #state: State;
  readonly #run: AbortSignal;
  readonly #onAsked: () => void;
  readonly #atWork = new Map<AttemptId, AtWork>();
  readonly #stopStarting = new AbortController();
  readonly #stopNow = new AbortController();
  readonly #timer: NodeJS.Timeout;

  /** `run` is aborted when the whole run is to end now. `onAsked` is told when somebody first asks it to stop. */
  constructor(state: State, run: AbortSignal, onAsked: () => void) {
    this.#state = state;
    this.#run = run;
    this.#onAsked = onAsked;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  /** Aborted when nothing more is to be started. */
  get stopStarting(): AbortSignal {
    return AbortSignal.any([this.#run, this.#stopStarting.signal]);
  }

  /** Aborted when all that is under way is to end now. */
  get stopNow(): AbortSignal {
    return AbortSignal.any([this.#run, this.#stopNow.signal]);
  }

  /** Aborted when this attempt is to end now; the reason is KILLED_BY_USER where it alone is meant. */
  signalFor(attempt: { readonly id: AttemptId; readonly task: TaskId }): AbortSignal {
    const kill = new AbortController();
    this.#atWork.set(attempt.id, { task: attempt.task, kill });
    return AbortSignal.any([this.#run, this.#stopNow.signal, kill.signal]);
  }

  /** Nothing more is started; with `now` the agents at work are ended too, which `why` is the reason of. */
  stop({ now, why }: { readonly now: boolean; readonly why?: string }): void {
    this.#stopStarting.abort();
    if (now) this.#stopNow.abort(why);
  }

  ended(attempt: AttemptId): void {
    this.#atWork.delete(attempt);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const request of this.#state.takeRequests()) {
      if (request.kind !== 'kill') {
        if (!this.stopStarting.aborted) this.#onAsked();
        this.stop({ now: request.kind === 'stop-now' });
      }
      for (const { task, kill } of this.#atWork.values()) {
        if (request.kind === 'kill' && request.task === task) kill.abort(KILLED_BY_USER);
      }
    }
  }
}
