/**
 * A run's hard cap over several gateways: each holds a slice, asks for more when requests wait, and gives back what lies
 * idle when others need it. What is handed out and what was spent before are together never more than the cap.
 */

import type { SliceUse, WantedSlices } from '../gateway/protocol.ts';
import type { Caps, Spent } from '../types.ts';

/** A gateway, as the ledger knows it. Both calls may take as long as it is away; they reject when it was let go. */
export interface SliceHolder {
  /** Its slice is so big from here on, in its own count; saying it twice is harmless. */
  grant(slice: Caps, isFinal: boolean): Promise<void>;
  /** Lowers its slice to what is used and reserved; the slice is not final any more. */
  giveBack(): Promise<SliceUse>;
  /** The run's budget is used up; `isNews` for the one that noticed, the first time. */
  usedUp(reason: string, isNews: boolean): void;
}

type Unit = 'usd' | 'tokens';
type Amount = { -readonly [U in Unit]: Spent[U] };

interface Member {
  readonly holder: SliceHolder;
  /** Its count when it joined: spent before, not from its slice. */
  readonly base: Spent;
  /** In its count. */
  readonly slice: Amount;
  /** What attempts bring that it is about to count, until it has told; by so many. */
  readonly brought: Amount;
  brings: number;
  /** As it told when it last gave back. */
  reserved: Spent;
  /** Nothing is idle there and no reservation has ended, as far as is known. */
  isSpare: boolean;
  /** Grows with whatever makes its last word out of date. */
  changes: number;
  isAsked: boolean;
  isAway: boolean;
  /** Calls to it, one after the other. */
  calls: Promise<unknown>;
}

/** Of what is left: the first slice, and what is granted at least to one that needs more. */
const PART = 1 / 8;
const UNITS: readonly Unit[] = ['usd', 'tokens'];
/** Sums of many small fractions: so much is nothing. */
const ROUNDING: Spent = { usd: 1e-9, tokens: 0 };

export class BudgetSlices {
  readonly #caps: Caps;
  readonly #units: readonly Unit[];
  readonly #spent: Amount;
  readonly #members = new Map<string, Member>();
  /** What those want that did not get it yet, the longest wait first. */
  readonly #queue = new Map<Member, WantedSlices>();
  /** The one with the last of the money. */
  #final: Member | null = null;
  #isUsedUp = false;

  /** @param spent by earlier runs that this one goes on for; whatever their gateways, found again, have counted is in it */
  constructor(caps: Caps, spent: Spent) {
    this.#caps = caps;
    this.#units = UNITS.filter((unit) => caps[unit] !== null);
    this.#spent = { ...spent };
  }

  /** What nobody holds; less than nothing where requests came to more than their most. A unit without a cap: infinite. */
  left(unit: Unit): number {
    const handed = [...this.#members.values()].map((member) => handedTo(member)[unit]);
    return (this.#caps[unit] ?? Number.POSITIVE_INFINITY) - handed.reduce((a, b) => a + b, this.#spent[unit]);
  }

  /**
   * It gets its first slice. One of the same name before it counts as having spent all that it held.
   * @param use what it told when it gave back all that it had, with nothing idle in its slice since
   */
  join(name: string, holder: SliceHolder, { used, reserved }: SliceUse): void {
    this.leave(name, null);
    const member: Member = {
      ...{ holder, base: used, slice: sumOf(used, reserved), brought: { usd: 0, tokens: 0 }, brings: 0, reserved },
      ...{ isSpare: true, changes: 0, isAsked: false, isAway: false, calls: Promise.resolve() },
    };
    this.#members.set(name, member);
    this.#grant(member, (unit) => whole(unit, this.left(unit) * PART));
  }

  /** It is no part of the run any more, having spent so much from its slice; null: not known, so all that it held counts. */
  leave(name: string, spentForGood: Spent | null): void {
    const member = this.#members.get(name);
    if (member === undefined) return;
    this.#members.delete(name);
    this.#queue.delete(member);
    if (this.#final === member) this.#final = null;
    this.found(spentForGood ?? handedTo(member));
    this.#serve();
  }

  /** The same for one that can be asked; nothing may be under way there. */
  async retire(name: string): Promise<void> {
    const member = this.#members.get(name);
    if (member === undefined) return;
    await this.#ask(member);
    this.leave(name, null);
  }

  /** It cannot be reached: until it answers again all that it holds counts as spent, and nobody waits for it. */
  lost(name: string): void {
    const member = this.#members.get(name);
    if (member === undefined) return;
    member.isAway = true;
    void this.#ask(member);
    this.#serve();
  }

  /** Requests wait there. */
  wants(name: string, wanted: WantedSlices): void {
    const member = this.#members.get(name);
    if (member === undefined) return;
    this.#queue.set(member, wanted);
    this.#serve();
  }

  /** A request has ended there, or it was started anew: it may have something to give back. */
  stirred(name: string): void {
    const member = this.#members.get(name);
    if (member === undefined) return;
    outdate(member);
    this.#serve();
  }

  /** More than `spent` told was spent before. */
  found(amount: Spent): void {
    add(this.#spent, amount, 1);
  }

  /** Around an act that makes a gateway count what an attempt may have spent before, which `spent` did not tell of. */
  async bring(name: string, amount: Spent, act: () => Promise<void>): Promise<void> {
    const member = this.#members.get(name);
    if (member === undefined) return act();
    member.brings += 1;
    add(member.brought, amount, 1);
    try {
      await act();
      outdate(member);
      if (!(await this.#ask(member))) this.found(amount);
    } catch (error) {
      this.found(amount);
      throw error;
    } finally {
      member.brings -= 1;
      add(member.brought, amount, -1);
      this.#serve();
    }
  }

  /** A gateway with a final slice had to refuse or cut a request. */
  usedUp(name: string, reason: string): void {
    const isNews = !this.#isUsedUp;
    this.#isUsedUp = true;
    const noticed = this.#members.get(name);
    noticed?.holder.usedUp(reason, isNews);
    for (const member of this.#members.values()) if (member !== noticed) member.holder.usedUp(reason, false);
  }

  #serve(): void {
    this.#reopen();
    for (const [member, wanted] of [...this.#queue])
      if (!member.isAsked && !member.isAway) this.#serveOne(member, wanted);
  }

  #serveOne(member: Member, { least, most }: WantedSlices): void {
    if (this.#fits(member, most)) {
      this.#grantWanted(member, most);
      return;
    }
    const others = [...this.#members.values()].filter((other) => other !== member && !other.isAway);
    for (const other of others) if (!other.isSpare && !other.isAsked) void this.#ask(other);
    // The answers bring us back here, as does the end of each request under way.
    if (others.some(({ isSpare, brings }) => !isSpare || brings > 0)) return;
    if (this.#fits(member, least)) this.#grantWanted(member, most);
    else if (!others.some((other) => this.#hasReserved(other))) this.#grant(member, (unit) => this.left(unit), true);
  }

  #hasReserved({ reserved }: Member): boolean {
    return this.#units.some((unit) => reserved[unit] > ROUNDING[unit]);
  }

  #fits({ slice }: Member, wanted: Spent): boolean {
    return this.#units.every((unit) => wanted[unit] - slice[unit] <= Math.max(0, this.left(unit)) + ROUNDING[unit]);
  }

  #grantWanted(member: Member, most: Spent): void {
    this.#grant(member, (unit) => {
      const needed = most[unit] - member.slice[unit];
      return needed <= 0 ? 0 : Math.min(this.left(unit), Math.max(needed, whole(unit, this.left(unit) * PART)));
    });
  }

  /** The gateway says again what it wants where that is not all. */
  #grant(member: Member, more: (unit: Unit) => number, isFinal = false): void {
    this.#queue.delete(member);
    for (const unit of this.#units) {
      const amount = Math.max(0, more(unit));
      member.slice[unit] += amount;
      if (amount > 0) outdate(member);
    }
    if (isFinal) this.#final = member;
    else if (this.#final === member) this.#final = null;
    const { usd, tokens } = member.slice;
    const slice = { usd: this.#caps.usd === null ? null : usd, tokens: this.#caps.tokens === null ? null : tokens };
    void this.#call(member, () => member.holder.grant(slice, isFinal));
  }

  /** What is there again after the last of the money was handed out is for all. */
  #reopen(): void {
    const isThere = this.#units.some((unit) => this.left(unit) > ROUNDING[unit]);
    if (this.#final !== null && isThere && !this.#final.isAsked) this.#grant(this.#final, () => 0);
  }

  /** Nothing is granted to it until it has answered. False: it was let go. */
  async #ask(member: Member): Promise<boolean> {
    while (member.isAsked) await member.calls;
    member.isAsked = true;
    const { changes } = member;
    const isTold = await this.#call(member, async () => {
      const { used, reserved } = await member.holder.giveBack();
      Object.assign(member.slice, sumOf(used, reserved));
      member.reserved = reserved;
      member.isSpare = changes === member.changes;
      member.isAway = false;
      if (this.#final === member) this.#final = null;
    });
    member.isAsked = false;
    this.#serve();
    return isTold;
  }

  async #call(member: Member, act: () => Promise<void>): Promise<boolean> {
    const call = member.calls.then(act).then(
      () => true,
      () => false,
    );
    member.calls = call;
    const isDone = await call;
    // It was let go: what it holds counts until somebody knows what it spent.
    if (!isDone) member.isAway = true;
    return isDone;
  }
}

function handedTo({ slice, base, brought }: Member): Spent {
  return {
    usd: slice.usd - base.usd + brought.usd,
    tokens: slice.tokens - base.tokens + brought.tokens,
  };
}

function add(to: Amount, amount: Spent, times: number): void {
  for (const unit of UNITS) to[unit] += times * amount[unit];
}

function outdate(member: Member): void {
  member.isSpare = false;
  member.changes += 1;
}

function sumOf(a: Spent, b: Spent): Amount {
  return { usd: a.usd + b.usd, tokens: a.tokens + b.tokens };
}

function whole(unit: Unit, amount: number): number {
  return unit === 'tokens' ? Math.floor(amount) : amount;
}
