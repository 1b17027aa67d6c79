/** What an agent says while it works, told as events of the run, and its own account of what it used. */

import type { AgentEvent } from '../engine/engine.ts';
import type { EventBody } from '../events.ts';
import type { AttemptTotals } from '../gateway/protocol.ts';
import type { AttemptEnd, AttemptRecord } from '../state/records.ts';
import { NO_USAGE, type Usage } from '../types.ts';
import { NoProgress } from './no-progress.ts';

/** Accounts that differ by more than this part, and by more than this many dollars, are worth a word. */
const DIFFERENCE = { part: 0.1, usd: 0.01 } as const;

interface Told {
  emit(event: EventBody): void;
  onUsage(usage: Usage): void;
  /** Null where nobody meters: then the agent's own account is all there is. */
  readonly gateway: object | null;
}

export class Talk {
  readonly #to: Told;
  readonly #attempt: Pick<AttemptRecord, 'id' | 'task'>;
  readonly #progress = new NoProgress();
  readonly #stuck = new AbortController();
  #reported: Usage | null = null;

  constructor(to: Told, attempt: Pick<AttemptRecord, 'id' | 'task'>) {
    this.#to = to;
    this.#attempt = attempt;
  }

  /** Aborted, with a sentence as the reason, when the agent goes round in circles. */
  get stuck(): AbortSignal {
    return this.#stuck.signal;
  }

  tell(event: AgentEvent): void {
    const { emit, onUsage, gateway } = this.#to;
    const { id: attempt, task } = this.#attempt;
    switch (event.type) {
      case 'text':
        emit({ type: 'agent.output', task, attempt, stream: event.stream, text: event.text });
        break;
      case 'tool':
        emit({ type: 'agent.tool', task, attempt, tool: event.tool, detail: event.detail });
        break;
      case 'result': {
        const reason = this.#progress.see(event);
        if (reason !== null) this.#stuck.abort(reason);
        break;
      }
      case 'usage':
        this.#reported = event.usage;
        if (gateway !== null) break;
        onUsage(event.usage);
        emit({ type: 'usage', task, attempt, usage: event.usage });
        break;
    }
  }

  /** What counts in the end: what was metered, else what the agent said. */
  counted(totals: AttemptTotals | null): Pick<AttemptEnd, 'usage' | 'egressDenied'> {
    const metered = totals !== null && totals.requests > 0 ? totals.usage : null;
    if (metered !== null && this.#reported !== null) this.#compare(metered, this.#reported);
    // Refusals on the way to a model have no other host to name.
    const hosts = totals?.denied.map(({ host }) => host).filter((host) => host !== '-') ?? [];
    const egressDenied = [...new Set(hosts)];
    return { usage: metered ?? this.#reported ?? NO_USAGE, egressDenied };
  }

  #compare(metered: Usage, reported: Usage): void {
    if (metered.usd === null || reported.usd === null) return;
    const apart = Math.abs(metered.usd - reported.usd);
    if (apart <= DIFFERENCE.usd || apart <= DIFFERENCE.part * metered.usd) return;
    const { id: attempt, task } = this.#attempt;
    const message = `the agent says it cost $${reported.usd.toFixed(2)}, the gateway counted $${metered.usd.toFixed(2)}`;
    this.#to.emit({ type: 'warning', task, attempt, message });
  }
}
