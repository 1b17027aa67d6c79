/** Numbered calls: each number is worked once, whatever is lost on the way, and its answer kept until it is acknowledged. */

import { CallFault } from '../../session/protocol.ts';
import type { ToolAnswer } from '../toolbox.ts';

/** Answers kept at most; whoever asks for more must acknowledge first. */
const MAX_KEPT = 64;

export class Ledger {
  readonly #kept = new Map<number, Promise<ToolAnswer>>();
  #last = 0;
  /** Calls share a shell and a file tree: one after the other. */
  #previous: Promise<unknown> = Promise.resolve();

  /**
   * The answer to call `n`: `work` is begun for the number after the last one, and never for one that was seen before.
   * @throws CallFault TOOL_CALL_OUT_OF_ORDER (detail.next: the number that would be taken), TOOL_CALL_FORGOTTEN (it was
   * acknowledged), TOOL_CALLS_UNACKNOWLEDGED
   */
  call(n: number, work: () => Promise<ToolAnswer>): Promise<ToolAnswer> {
    const known = this.#kept.get(n);
    if (known !== undefined) return known;
    const next = this.#last + 1;
    if (n < next) throw new CallFault('TOOL_CALL_FORGOTTEN', `call ${n} was acknowledged already`, { next });
    if (n > next) throw new CallFault('TOOL_CALL_OUT_OF_ORDER', `call ${n} comes before call ${next}`, { next });
    if (this.#kept.size >= MAX_KEPT) {
      throw new CallFault('TOOL_CALLS_UNACKNOWLEDGED', `${MAX_KEPT} answers wait to be acknowledged`, { next });
    }
    const answer = this.#previous.then(work).catch(
      (error: unknown): ToolAnswer => ({
        text: `the tool failed: ${error instanceof Error ? error.message : String(error)}`,
        isError: true,
      }),
    );
    this.#last = n;
    this.#previous = answer;
    this.#kept.set(n, answer);
    return answer;
  }

  /** Forgets the answers up to and with `n`. */
  acknowledge(n: number): void {
    for (const kept of this.#kept.keys()) if (kept <= n) this.#kept.delete(kept);
  }
}
