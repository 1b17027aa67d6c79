/**
 * The circuit-breaker: before a request is passed on, the most that it can cost is set aside in the accounts of its
 * attempt and of the run, so that requests side by side cannot pass a cap together.
 */

import type { Caps, Spent } from '../types.ts';
import type { Cost } from './price.ts';

export type Unit = 'usd' | 'tokens';
export type Scope = 'attempt' | 'run';

const UNITS: readonly Unit[] = ['usd', 'tokens'];
const NO_CAPS: Caps = { usd: null, tokens: null };
/** Sums of many small fractions: this much dollars more is the same. */
const ROUNDING = 1e-9;

/** A request would go over this cap; waiting does not help. */
export class OverBudget extends Error {
  override readonly name = 'OverBudget';

  constructor(
    readonly scope: Scope,
    readonly unit: Unit,
  ) {
    super(`the ${scope}'s budget in ${unit} is used up`);
  }
}

export class Account {
  readonly scope: Scope;
  caps: Caps = NO_CAPS;
  readonly spent = { usd: 0, tokens: 0 };
  /** What requests of gateways that are gone may have cost. */
  readonly unsettled = { usd: 0, tokens: 0 };
  /** Reservations of requests that are under way. */
  readonly reserved = { usd: 0, tokens: 0 };
  /** What these requests are known to have used so far. */
  readonly running = { usd: 0, tokens: 0 };

  constructor(scope: Scope) {
    this.scope = scope;
  }

  /** What is left when everything under way costs its most. */
  left(unit: Unit): number {
    return this.leftWhenAlone(unit) - this.reserved[unit];
  }

  /** What is left once everything under way has come to nothing. */
  leftWhenAlone(unit: Unit): number {
    const gone = this.spent[unit] + this.unsettled[unit];
    return (this.caps[unit] ?? Number.POSITIVE_INFINITY) - gone + (unit === 'usd' ? ROUNDING : 0);
  }

  /** Counts as if it were spent. */
  addUnsettled({ usd, tokens }: Spent): void {
    this.unsettled.usd += usd;
    this.unsettled.tokens += tokens;
  }
}

interface Share {
  readonly account: Account;
  readonly amount: { readonly usd: number; readonly tokens: number };
}

export interface Wanted {
  /** The most that the request can cost. */
  readonly worst: Cost;
  /**
   * What it must have at least: with this it is let in when the most does not fit, since it can be cut when the money is
   * gone. Null: it cannot be cut.
   */
  readonly least: Cost | null;
}

export class Budget {
  readonly run = new Account('run');
  readonly #waiting = new Set<() => void>();

  /** Whether anything is. */
  caps(attempt: Account): boolean {
    return [attempt.caps, this.run.caps].some(({ usd, tokens }) => usd !== null || tokens !== null);
  }

  /** Whether dollars are capped for this attempt's requests. */
  capsDollars(attempt: Account): boolean {
    return attempt.caps.usd !== null || this.run.caps.usd !== null;
  }

  /**
   * Sets the request's most aside; waits while only the reservations of other requests stand in its way, in order.
   * @throws OverBudget; the signal's reason
   */
  async reserve(attempt: Account, wanted: Wanted, signal: AbortSignal): Promise<Reservation> {
    const accounts = [attempt, this.run];
    for (;;) {
      signal.throwIfAborted();
      const shares = sharesOf(accounts, wanted);
      if (shares !== null) return new Reservation(shares, () => this.#settled());
      await this.#turn(signal);
    }
  }

  /** Lets everybody who waits look again, after caps were changed. */
  reconsider(): void {
    this.#settled();
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        this.#waiting.delete(done);
        resolve();
      };
      signal.addEventListener('abort', done);
      this.#waiting.add(done);
    });
  }

  #settled(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

/** What to set aside in each account; null: it must wait for others. @throws OverBudget */
function sharesOf(accounts: readonly Account[], wanted: Wanted): readonly Share[] | null {
  const shares: Share[] = [];
  let mustWait = false;
  for (const account of accounts) {
    const amount = { usd: 0, tokens: 0 };
    for (const unit of UNITS) {
      const share = shareOf(account, unit, wanted);
      if (share === null) mustWait = true;
      else amount[unit] = share;
    }
    shares.push({ account, amount });
  }
  return mustWait ? null : shares;
}

function shareOf(account: Account, unit: Unit, { worst, least }: Wanted): number | null {
  const most = worst[unit] ?? 0;
  if (most <= account.left(unit)) return most;
  if (most <= account.leftWhenAlone(unit)) return null;
  if (((least ?? worst)[unit] ?? 0) > account.leftWhenAlone(unit)) throw new OverBudget(account.scope, unit);
  // It may use all that is left, alone: what is spent over a cap is then never more than one request's most.
  return account.reserved[unit] > 0 ? null : account.left(unit);
}

/** To be settled once, whatever becomes of the request. */
export class Reservation {
  readonly #shares: readonly Share[];
  readonly #onSettled: () => void;
  #known: Cost = { usd: 0, tokens: 0 };
  #settled = false;

  constructor(shares: readonly Share[], onSettled: () => void) {
    this.#shares = shares;
    this.#onSettled = onSettled;
    this.#each((account, unit, amount) => {
      account.reserved[unit] += amount;
    });
  }

  /** Tells what the request has used so far; the answer names the cap that is passed by now, null: none. */
  progress(known: Cost): OverBudget | null {
    this.#run(known);
    for (const { account } of this.#shares) {
      for (const unit of UNITS) {
        if (account.running[unit] > account.leftWhenAlone(unit)) return new OverBudget(account.scope, unit);
      }
    }
    return null;
  }

  /** Harmless when it was settled before. */
  settle(actual: Cost): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#run({ usd: 0, tokens: 0 });
    this.#each((account, unit, amount) => {
      account.reserved[unit] -= amount;
      account.spent[unit] += actual[unit] ?? 0;
    });
    this.#onSettled();
  }

  #run(known: Cost): void {
    this.#each((account, unit) => {
      account.running[unit] += (known[unit] ?? 0) - (this.#known[unit] ?? 0);
    });
    this.#known = known;
  }

  #each(act: (account: Account, unit: Unit, amount: number) => void): void {
    for (const { account, amount } of this.#shares) for (const unit of UNITS) act(account, unit, amount[unit]);
  }
}
