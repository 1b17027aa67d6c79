/** Model services that want us to wait: what agents are held still for, and until when. */

import { serviceName } from '../engine/upstreams.ts';
import type { ModelApi } from '../types.ts';
import { timeText } from './deadline.ts';

/** A shorter wait is not worth holding containers still for, milliseconds. */
const WORTH_PAUSING_MS = 2_000;
/** How long after the stated time agents go on where nobody says that they may: a gateway that was started anew forgot. */
const RESUME_ANYWAY_MS = 2_000;

export interface LimitListener {
  /** Again with a later time. */
  onPause(reason: string, until: Date): void;
  /** No service wants us to wait any more. */
  onResume(): void;
}

export interface Limit {
  readonly until: Date;
  readonly reason: string;
}

export class ServiceLimits implements Disposable {
  readonly #listener: LimitListener;
  readonly #limited = new Map<ModelApi, Limit & { readonly timer: NodeJS.Timeout }>();

  constructor(listener: LimitListener) {
    this.#listener = listener;
  }

  /** Those that stand now. */
  get standing(): Iterable<Limit> {
    return this.#limited.values();
  }

  /** @param status what the service answered with */
  pause(api: ModelApi, status: number, until: Date): void {
    if (until.getTime() - Date.now() < WORTH_PAUSING_MS) return;
    const reason = `${serviceName(api)} wants us to wait (${status}) until ${timeText(until, new Date())}`;
    clearTimeout(this.#limited.get(api)?.timer);
    const timer = setTimeout(() => this.resume(api), until.getTime() - Date.now() + RESUME_ANYWAY_MS);
    this.#limited.set(api, { until, reason, timer });
    this.#listener.onPause(reason, until);
  }

  resume(api: ModelApi): void {
    clearTimeout(this.#limited.get(api)?.timer);
    if (!this.#limited.delete(api) || this.#limited.size > 0) return;
    this.#listener.onResume();
  }

  [Symbol.dispose](): void {
    for (const { timer } of this.#limited.values()) clearTimeout(timer);
  }
}
