/** When somebody is told of a run: at its end, and when it goes on only with them. Rarely: who is told too often reads nothing. */

import type { EventBus, OrchestrateEvent } from '../events.ts';
import type { RunId } from '../types.ts';
import { type Notice, type NoticeCounts, noticeBody } from './notice.ts';

/** What belongs together is told together. */
const BUNDLE_MS = 15_000;
/** Between two messages that it needs somebody. */
const BETWEEN_MS = 10 * 60_000;
/** What starts nothing for a shorter time passes by itself. */
const HELD_MS = 5 * 60_000;
/** For everything that is still to be told when the run has ended. */
const END_MS = 15_000;

export interface NotifierParts {
  readonly bus: EventBus;
  readonly repository: string;
  counts(): NoticeCounts;
  /** Null: it was taken; else why not, for people. Never rejects. */
  post(body: string, signal: AbortSignal): Promise<string | null>;
  /** Called once at most: the first message that was not taken. */
  onFailure(problem: string): void;
}

interface Need {
  readonly kind: string;
  readonly reason: string;
  readonly next: string;
}

export class Notifier {
  readonly #parts: NotifierParts;
  readonly #stopListening: () => void;
  readonly #told = new Set<string>();
  #needs: Need[] = [];
  #run: RunId | null = null;
  #end: { readonly reason: string | null } | null = null;
  #bundle: NodeJS.Timeout | null = null;
  #held: NodeJS.Timeout | null = null;
  #lastMs = Number.NEGATIVE_INFINITY;
  #sending: Promise<void> = Promise.resolve();
  readonly #over = new AbortController();
  #hasFailed = false;

  constructor(parts: NotifierParts) {
    this.#parts = parts;
    this.#stopListening = parts.bus.on((event) => this.#hear(event));
  }

  /** No run could begin, or it ended without a word, by this fault: the first line of its message is told. */
  failed(message: string): void {
    this.#end ??= { reason: message.split('\n', 1)[0] ?? '' };
  }

  /** Tells the end, where there was one, and resolves when everything is told, after 15 seconds at the latest. */
  async close(): Promise<void> {
    this.#stopListening();
    clearTimeout(this.#bundle ?? undefined);
    clearTimeout(this.#held ?? undefined);
    if (this.#end !== null) this.#tellEnd(this.#end.reason);
    const timer = setTimeout(() => this.#over.abort(), END_MS);
    await this.#sending;
    clearTimeout(timer);
  }

  #hear(event: OrchestrateEvent): void {
    switch (event.type) {
      case 'run.started':
        this.#run = event.run;
        break;
      case 'run.ended':
        this.#end = { reason: event.reason };
        break;
      case 'run.paused':
        this.#onPaused(event.cause ?? 'unknown', event.reason);
        break;
      case 'run.resumed':
        clearTimeout(this.#held ?? undefined);
        this.#needs = this.#needs.filter(({ kind }) => kind !== 'reviews' && !kind.startsWith('held '));
        break;
      case 'run.stopping':
        if (event.cause === 'key') this.#need({ kind: 'key', reason: event.reason, next: 'orchestrate doctor' });
        if (event.cause === 'budget') this.#need({ kind: 'budget', reason: event.reason, next: 'orchestrate report' });
        break;
    }
  }

  #onPaused(cause: string, reason: string): void {
    clearTimeout(this.#held ?? undefined);
    if (cause === 'reviews') {
      this.#need({ kind: 'reviews', reason: `it waits for reviews, ${reason}`, next: 'orchestrate review' });
      return;
    }
    const need = { kind: `held ${cause}`, reason: `it starts nothing, ${reason}`, next: 'orchestrate status' };
    this.#held = setTimeout(() => this.#need(need), HELD_MS).unref();
  }

  #need(need: Need): void {
    if (this.#told.has(need.kind) || this.#needs.some(({ kind }) => kind === need.kind)) return;
    this.#needs.push(need);
    this.#bundle ??= setTimeout(() => this.#tellNeeds(), this.#bundleMs()).unref();
  }

  #bundleMs(): number {
    return Math.max(BUNDLE_MS, this.#lastMs + BETWEEN_MS - performance.now());
  }

  #tellNeeds(): void {
    this.#bundle = null;
    const [first] = this.#needs;
    if (first === undefined) return;
    const reason = this.#needs.map((need) => need.reason).join('; ');
    for (const { kind } of this.#needs) this.#told.add(kind);
    this.#needs = [];
    this.#lastMs = performance.now();
    this.#tell({ event: 'needs-you', reason, next: first.next });
  }

  /** With what it needed and was not told yet. */
  #tellEnd(reason: string | null): void {
    const needs = this.#needs.map((need) => need.reason).filter((need) => need !== reason);
    const reasons = [...(reason === null ? [] : [reason]), ...needs];
    const { patchesPending } = this.#parts.counts();
    const next = patchesPending > 0 ? 'orchestrate review' : 'orchestrate report';
    this.#tell({ event: 'run.ended', reason: reasons.length === 0 ? null : reasons.join('; '), next });
  }

  /** One after the other, so that they arrive in order. */
  #tell(notice: Pick<Notice, 'event' | 'reason' | 'next'>): void {
    const { repository, counts, post, onFailure } = this.#parts;
    const body = noticeBody({ ...notice, repository, run: this.#run, counts: counts() });
    this.#sending = this.#sending.then(async () => {
      const problem = await post(body, this.#over.signal);
      if (problem === null || this.#hasFailed) return;
      this.#hasFailed = true;
      onFailure(problem);
    });
  }
}
