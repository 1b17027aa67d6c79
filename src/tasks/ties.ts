/** What the run's gateway does to one attempt, from before its sandbox exists to its end. */

import type { EventBody } from '../events.ts';
import type { AttemptRecord } from '../state/records.ts';
import { NO_USAGE, type Spent, type Usage } from '../types.ts';
import type { AttemptHooks } from './gateway.ts';

export interface TiesParts {
  readonly attempt: Pick<AttemptRecord, 'id' | 'task'>;
  emit(event: EventBody): void;
  /** The attempt's usage so far is to be written down. */
  onUsage(usage: Usage): void;
  /** So is what it may have cost beside. */
  onUnsettled(spent: Spent): void;
  /** Its task is paused for this reason, or goes on (null). */
  onPaused(reason: string | null): void;
}

export class Ties implements AttemptHooks {
  /** Aborted, with a sentence as the reason, when the attempt has used up its budget. */
  readonly budget: AbortSignal;
  /** Called whenever the gateway has news of the agent: it is at work. */
  onActive = (): void => {};
  /** As the gateway metered it. */
  usage: Usage = NO_USAGE;
  readonly #parts: TiesParts;
  readonly #budget = new AbortController();
  #isPaused = false;
  #listener: ((isPaused: boolean) => void) | null = null;

  constructor(parts: TiesParts) {
    this.#parts = parts;
    this.budget = this.#budget.signal;
  }

  /** Tells at once where it is paused already, then at each change, until it is watched by nobody (null). */
  watch(listener: ((isPaused: boolean) => void) | null): void {
    this.#listener = listener;
    if (this.#isPaused) listener?.(true);
  }

  onUsage(usage: Usage): void {
    const { attempt, emit, onUsage } = this.#parts;
    this.usage = usage;
    this.onActive();
    onUsage(usage);
    emit({ type: 'usage', task: attempt.task, attempt: attempt.id, usage });
  }

  onUnsettled(spent: Spent): void {
    this.#parts.onUnsettled(spent);
  }

  onDenied(host: string, reason: string): void {
    const { attempt, emit } = this.#parts;
    emit({ type: 'egress.denied', task: attempt.task, attempt: attempt.id, host, reason });
  }

  onBudget(reason: string): void {
    this.#budget.abort(reason);
  }

  onPause(reason: string, until: Date): void {
    const { attempt, emit, onPaused } = this.#parts;
    onPaused(reason);
    emit({ type: 'task.paused', task: attempt.task, attempt: attempt.id, reason, until: until.toISOString() });
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#listener?.(true);
  }

  onResume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    const { attempt, emit, onPaused } = this.#parts;
    onPaused(null);
    emit({ type: 'task.resumed', task: attempt.task, attempt: attempt.id });
    this.#listener?.(false);
  }
}
