/**
 * The circuit-breaker: before a request is passed on, the most that it can cost is set aside in the accounts of its
 * attempt and of the run, so that requests side by side cannot pass a cap together.
 */

import type { Caps, Spent } from '../types.ts';
import type { Cost } from './price.ts';
import type { SliceUse, WantedSlices } from './protocol.ts';

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
  /** The caps are a slice of what several gateways share, and more may be granted: what does not fit waits for that. */
  mayGrow = false;
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
    const cap = this.caps[unit] ?? Number.POSITIVE_INFINITY;
    return cap - this.used(unit) + (unit === 'usd' ? ROUNDING : 0);
  }

  /** What is gone for good. */
  used(unit: Unit): number {
    return this.spent[unit] + this.unsettled[unit];
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
  /** It is less than the most: the request is cut when it is gone. */
  readonly isLess: boolean;
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

interface Waiting {
  readonly wanted: Wanted;
  /** Whether it waits for the run's account alone, which could grow. */
  readonly wantsMore: boolean;
}

export class Budget {
  readonly run = new Account('run');
  readonly #waiting = new Map<() => void, Waiting>();
  readonly #onWanting: (slices: WantedSlices) => void;
  #wantingToTell = false;
  #told = '';

  /** @param onWanting told when requests wait for a bigger slice */
  constructor(onWanting: (slices: WantedSlices) => void = () => {}) {
    this.#onWanting = onWanting;
  }

  /** Whether anything is. */
  caps(attempt: Account): boolean {
    return [attempt.caps, this.run.caps].some(({ usd, tokens }) => usd !== null || tokens !== null);
  }

  /** Whether dollars are capped for this attempt's requests. */
  capsDollars(attempt: Account): boolean {
    return attempt.caps.usd !== null || this.run.caps.usd !== null;
  }

  /**
   * Sets the request's most aside; waits while only the reservations of other requests stand in its way, in order, or for a
   * bigger slice.
   * @throws OverBudget; the signal's reason
   */
  async reserve(attempt: Account, wanted: Wanted, signal: AbortSignal): Promise<Reservation> {
    for (;;) {
      signal.throwIfAborted();
      const own = shareIn(attempt, wanted);
      const ofRun = shareIn(this.run, wanted);
      if (own !== null && ofRun !== null) {
        return new Reservation([own, ofRun], { settled: () => this.#wake(), short: () => this.#tellWanting() });
      }
      await this.#turn({ wanted, wantsMore: own !== null && this.run.mayGrow }, signal);
    }
  }

  /** Lets everybody who waits look again, after caps were changed. */
  reconsider(): void {
    this.#told = '';
    this.#wake();
  }

  /** The run's slice is this one from here on; `isFinal`: there will be no more. */
  grant(slice: Caps, isFinal: boolean): void {
    this.run.caps = slice;
    this.run.mayGrow = !isFinal;
    this.reconsider();
  }

  /** Lowers the run's slice to what is used and reserved, which is the answer; it may grow again. */
  giveBack(): SliceUse {
    const { run } = this;
    const used = { usd: run.used('usd'), tokens: run.used('tokens') };
    const reserved = { ...run.reserved };
    run.caps = sliceOf(run.caps, { used, reserved });
    // Who waits under a final slice waits for requests of this gateway, whose end lets it ask for more.
    run.mayGrow = true;
    return { used, reserved };
  }

  #turn(waiting: Waiting, signal: AbortSignal): Promise<void> {
    if (waiting.wantsMore) this.#tellWanting();
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        this.#waiting.delete(done);
        resolve();
      };
      signal.addEventListener('abort', done);
      this.#waiting.set(done, waiting);
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting.keys()]) wake();
  }

  /** Once for all that begin to wait in one go. */
  #tellWanting(): void {
    if (this.#wantingToTell) return;
    this.#wantingToTell = true;
    queueMicrotask(() => {
      this.#wantingToTell = false;
      if (!this.run.mayGrow) return;
      const slices = this.#wantedSlices();
      const told = JSON.stringify(slices);
      if (told === this.#told) return;
      this.#told = told;
      this.#onWanting(slices);
    });
  }

  #wantedSlices(): WantedSlices {
    const waiting = [...this.#waiting.values()].filter(({ wantsMore }) => wantsMore).map(({ wanted }) => wanted.worst);
    const modest = waiting.reduce<Cost | undefined>(
      (a, b) => (a !== undefined && a.tokens <= b.tokens ? a : b),
      undefined,
    );
    return { least: this.#sliceFor(modest === undefined ? [] : [modest]), most: this.#sliceFor(waiting) };
  }

  /** With which these could be let in beside what is under way. */
  #sliceFor(requests: readonly Cost[]): Spent {
    const sum = (unit: Unit): number => {
      // A request can come to more than its most was taken to be.
      const underWay = Math.max(this.run.reserved[unit], this.run.running[unit]);
      return requests.reduce((before, worst) => before + (worst[unit] ?? 0), this.run.used(unit) + underWay);
    };
    return { usd: sum('usd'), tokens: sum('tokens') };
  }
}

/** The slice of a gateway that has nothing to spare; a unit without a cap stays without. */
export function sliceOf(caps: Caps, { used, reserved }: SliceUse): Caps {
  return {
    usd: caps.usd === null ? null : used.usd + reserved.usd,
    tokens: caps.tokens === null ? null : used.tokens + reserved.tokens,
  };
}

/** What to set aside in an account; null: it must wait. @throws OverBudget */
function shareIn(account: Account, wanted: Wanted): Share | null {
  const [usd, tokens] = [shareOf(account, 'usd', wanted), shareOf(account, 'tokens', wanted)];
  if (usd === null || tokens === null) return null;
  const { worst } = wanted;
  return { account, amount: { usd, tokens }, isLess: usd < (worst.usd ?? 0) || tokens < worst.tokens };
}

function shareOf(account: Account, unit: Unit, { worst, least }: Wanted): number | null {
  const most = worst[unit] ?? 0;
  if (most <= account.left(unit)) return most;
  if (account.mayGrow || most <= account.leftWhenAlone(unit)) return null;
  if (((least ?? worst)[unit] ?? 0) > account.leftWhenAlone(unit)) throw new OverBudget(account.scope, unit);
  // It may use all that is left, alone: what is spent over a cap is then never more than one request's most.
  return account.reserved[unit] > 0 ? null : account.left(unit);
}

interface Told {
  settled(): void;
  /** It uses more than its slice has, which may grow. */
  short(): void;
}

/** To be settled once, whatever becomes of the request. */
export class Reservation {
  readonly #shares: readonly Share[];
  readonly #tell: Told;
  #known: Cost = { usd: 0, tokens: 0 };
  #settled = false;

  constructor(shares: readonly Share[], tell: Told) {
    this.#shares = shares;
    this.#tell = tell;
    this.#each((account, unit, amount) => {
      account.reserved[unit] += amount;
    });
  }

  /** Tells what the request has used so far; the answer names the cap that is passed by now, null: none. */
  progress(known: Cost): OverBudget | null {
    this.#run(known);
    for (const { account, isLess } of this.#shares) {
      for (const unit of UNITS) {
        if (account.running[unit] <= account.leftWhenAlone(unit)) continue;
        if (isLess || !account.mayGrow) return new OverBudget(account.scope, unit);
        this.#tell.short();
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
    this.#tell.settled();
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
