/**
 * A gateway's slice of the run's budget, between its client and the ledger; what the gateway of a run that was cut off had
 * counted beyond what is written down is found here as well.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { sliceOf } from '../gateway/budget.ts';
import type { GatewayClient } from '../gateway/client.ts';
import type { AttemptTotals, Before, Configuration, GatewayEvent, SliceUse } from '../gateway/protocol.ts';
import { type AttemptId, type Caps, type Spent, tokensOf } from '../types.ts';
import type { BudgetSlices, SliceHolder } from './budget-slices.ts';

/** A run's gateway among several. */
export interface Slices {
  readonly ledger: BudgetSlices;
  /** Of the host; no other gateway of the ledger has it. */
  readonly name: string;
}

const NOTHING_SPENT: Spent = { usd: 0, tokens: 0 };
/** How soon a gateway that could not be reached is told again. */
const RETRY_MS = 1_000;

export class HeldSlice implements SliceHolder {
  readonly usedUp: SliceHolder['usedUp'];
  readonly #client: GatewayClient;
  readonly #slices: Slices;
  readonly #disposed = new AbortController();
  /** What the gateway had counted of attempts before we came. */
  readonly #found = new Map<string, AttemptTotals>();
  /** Attempts whose earlier use is accounted for. */
  readonly #known = new Set<AttemptId>();
  #use: SliceUse = { used: NOTHING_SPENT, reserved: NOTHING_SPENT };

  constructor(client: GatewayClient, slices: Slices, usedUp: SliceHolder['usedUp']) {
    this.#client = client;
    this.#slices = slices;
    this.usedUp = usedUp;
  }

  /** Configures the gateway, with nothing to spend yet. */
  async begin(configuration: Configuration): Promise<void> {
    const caps = sliceOf(configuration.caps, this.#use);
    const sliced: Configuration = { ...configuration, caps, isSlice: true, spent: NOTHING_SPENT };
    await this.#client.configure(sliced);
    const use = await this.#client.giveBack();
    // For one that takes its place: its count goes on.
    await this.#client.configure({ ...sliced, caps: sliceOf(caps, use), spent: use.used });
    for (const totals of await this.#client.totals()) this.#found.set(totals.attempt, totals);
    this.#use = use;
  }

  /** Its first slice is on its way then. */
  join(): void {
    this.#slices.ledger.join(this.#slices.name, this, this.#use);
  }

  grant(slice: Caps, isFinal: boolean): Promise<void> {
    return this.#insist(() => this.#client.grant(slice, isFinal));
  }

  giveBack(): Promise<SliceUse> {
    return this.#insist(() => this.#client.giveBack());
  }

  /**
   * Around an attempt's being let in.
   * @param used what is written down of it, of which the usage counts as spent already
   */
  async open(attempt: AttemptId, used: Before | undefined, act: (before: Before | undefined) => Promise<void>) {
    const { ledger, name } = this.#slices;
    const isKnown = this.#known.has(attempt);
    this.#known.add(attempt);
    if (isKnown || used === undefined) return act(used);
    const counted = this.#found.get(attempt);
    if (counted === undefined) {
      const { usd, tokens } = used.unsettled;
      return usd + tokens > 0 ? ledger.bring(name, used.unsettled, () => act(used)) : act(used);
    }
    ledger.found({
      usd: Math.max(0, (counted.usage.usd ?? 0) + counted.unsettled.usd - (used.usage.usd ?? 0)),
      tokens: Math.max(0, tokensOf(counted.usage) + counted.unsettled.tokens - tokensOf(used.usage)),
    });
    return act(counted);
  }

  take(event: GatewayEvent): void {
    const { ledger, name } = this.#slices;
    if (event.type === 'wants-budget') ledger.wants(name, event);
    if (event.type === 'unsettled' || event.type === 'configured') ledger.stirred(name);
  }

  /** A cap of the run is reached: every gateway's `usedUp` is told. */
  tellUsedUp(reason: string): void {
    this.#slices.ledger.usedUp(this.#slices.name, reason);
  }

  /** Its requests are over: what it did not spend is for the others. Takes as long as the gateway is away. */
  retire(): Promise<void> {
    return this.#slices.ledger.retire(this.#slices.name);
  }

  /** Unless it was retired all that it holds counts as spent from here on. */
  letGo(): void {
    this.#disposed.abort(new Error('the gateway was let go'));
    this.#slices.ledger.lost(this.#slices.name);
  }

  async #insist<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    const { signal } = this.#disposed;
    for (;;) {
      signal.throwIfAborted();
      try {
        return await call();
      } catch {
        // Whoever waits for it is told when its host is given up: the ledger does not wait for one that is lost.
        await delay(RETRY_MS, undefined, { signal });
      }
    }
  }
}
