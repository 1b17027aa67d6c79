// A run's cap holds over all of its gateways together, whatever they ask for side by side and in whatever order they are told.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Account, Budget, OverBudget, type Reservation, type Wanted } from '../../src/gateway/budget.ts';
import { BudgetSlices, type SliceHolder } from '../../src/tasks/budget-slices.ts';

const NEVER = new AbortController().signal;
const NO_SLICE = { usd: null, tokens: 0 };

/** Lets time pass between what is said and what is heard. */
type Pass = () => Promise<unknown>;

/** A gateway without its wires: the real budget, told and heard in order, after a while each time. */
class Host {
  readonly budget: Budget;
  readonly usedUp: boolean[] = [];
  isAway: Promise<void> | null = null;
  #news: Promise<unknown> = Promise.resolve();

  constructor(
    readonly ledger: BudgetSlices,
    readonly name: string,
    readonly pass: Pass = () => Promise.resolve(),
  ) {
    this.budget = new Budget((wanted) => this.#tell(() => ledger.wants(name, wanted)));
    this.budget.grant(NO_SLICE, false);
    const holder: SliceHolder = {
      grant: (slice, isFinal) => this.#over(() => this.budget.grant(slice, isFinal)),
      giveBack: () => this.#over(() => this.budget.giveBack()),
      usedUp: (_, isNews) => void this.usedUp.push(isNews),
    };
    ledger.join(name, holder, this.budget.giveBack());
  }

  /** What `exchange.ts` does around a request. */
  async reserve(wanted: Wanted, signal = NEVER): Promise<Reservation> {
    const reservation = await this.budget.reserve(new Account('attempt'), wanted, signal);
    this.stir();
    return reservation;
  }

  settle(reservation: Reservation, tokens: number): void {
    reservation.settle({ usd: null, tokens });
    this.stir();
  }

  stir(): void {
    this.#tell(() => this.ledger.stirred(this.name));
  }

  async #over<Answer>(act: () => Answer): Promise<Answer> {
    await this.isAway;
    await this.pass();
    const answer = act();
    await this.pass();
    return answer;
  }

  #tell(act: () => void): void {
    this.#news = this.#news.then(this.pass).then(act);
  }
}

function two(cap: number, spent = 0) {
  const ledger = new BudgetSlices({ usd: null, tokens: cap }, { usd: 0, tokens: spent });
  return { ledger, a: new Host(ledger, 'a'), b: new Host(ledger, 'b') };
}

function wanted(most: number, least: number | null = null): Wanted {
  return { worst: { usd: null, tokens: most }, least: least === null ? null : { usd: null, tokens: least } };
}

/** What became of a request by the time that nothing moves any more. */
async function stateOf(request: Promise<unknown>): Promise<'waits' | 'in' | 'refused'> {
  let state: 'waits' | 'in' | 'refused' = 'waits';
  request.then(
    () => {
      state = 'in';
    },
    () => {
      state = 'refused';
    },
  );
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return state;
}

describe('slices of a budget', () => {
  it('give one gateway what lies idle at the others', async () => {
    const { a, b } = two(1000);
    const first = a.reserve(wanted(900));
    expect(await stateOf(first)).toBe('in');
    expect(await stateOf(b.reserve(wanted(100)))).toBe('in');
    expect(await stateOf(b.reserve(wanted(1)))).toBe('waits');
  });

  it('make a request wait for those under way elsewhere, and let it in with what they did not use', async () => {
    const { a, b } = two(100);
    const first = await a.reserve(wanted(80));
    const second = b.reserve(wanted(50));
    expect(await stateOf(second)).toBe('waits');
    a.settle(first, 50);
    expect(await stateOf(second)).toBe('in');
    b.settle(await second, 50);
    await expect(a.reserve(wanted(1))).rejects.toThrow(OverBudget);
  });

  it('let two gateways through that each want what the other one has', async () => {
    const { a, b } = two(100);
    const underWay = [await a.reserve(wanted(40)), await b.reserve(wanted(40))] as const;
    const waiting = [a.reserve(wanted(70)), b.reserve(wanted(70))] as const;
    expect(await Promise.all(waiting.map(stateOf))).toEqual(['waits', 'waits']);
    a.settle(underWay[0], 10);
    b.settle(underWay[1], 10);
    expect(await stateOf(waiting[0])).toBe('in');
    a.settle(await waiting[0], 10);
    expect(await stateOf(waiting[1])).toBe('in');
  });

  it('count what was spent before once, not for each gateway', async () => {
    const { a, b } = two(1000, 600);
    expect(await Promise.all([a, b].map((host) => stateOf(host.reserve(wanted(200)))))).toEqual(['in', 'in']);
    const { a: none } = two(1000, 601);
    expect(await stateOf(none.reserve(wanted(400)))).toBe('refused');
  });

  it('let one request that can be cut use what is left, alone on all hosts', async () => {
    const { a, b } = two(100);
    const small = await b.reserve(wanted(30));
    const big = a.reserve(wanted(1000, 10));
    expect(await stateOf(big)).toBe('waits');
    b.settle(small, 30);
    expect(await stateOf(big)).toBe('in');
    const next = b.reserve(wanted(1000, 10));
    expect(await stateOf(next)).toBe('waits');
    expect((await big).progress({ usd: null, tokens: 71 })).toBeInstanceOf(OverBudget);
    a.settle(await big, 71);
    expect(await stateOf(next)).toBe('refused');
  });

  it('do not cut a request for what can still be had elsewhere', async () => {
    const { ledger, a } = two(100);
    const request = await a.reserve(wanted(20));
    a.budget.giveBack();
    expect(request.progress({ usd: null, tokens: 30 })).toBeNull();
    await stateOf(Promise.resolve());
    expect(a.budget.run.caps.tokens).toBeGreaterThanOrEqual(30);
    expect(ledger.left('tokens')).toBeLessThan(70);
  });

  it('count all that a lost host holds as spent, until it is back or its totals are known', async () => {
    const { ledger, a, b } = two(100);
    expect(await stateOf(a.reserve(wanted(40)))).toBe('in');
    let isBack = (): void => {};
    a.isAway = new Promise((resolve) => {
      isBack = resolve;
    });
    const waits = b.reserve(wanted(61));
    expect(await stateOf(waits)).toBe('waits');
    ledger.lost('a');
    expect(await stateOf(waits)).toBe('refused');
    isBack();
    expect(await stateOf(b.reserve(wanted(60)))).toBe('in');
    expect(await stateOf(b.reserve(wanted(1)))).toBe('waits');
    ledger.leave('a', { usd: 0, tokens: 15 });
    expect(ledger.left('tokens')).toBeLessThanOrEqual(25);
    expect(await stateOf(b.reserve(wanted(24)))).toBe('in');
  });

  it('count what an attempt brings along before its gateway does', async () => {
    const { ledger, a, b } = two(100);
    const amount = { usd: 0, tokens: 60 };
    let isIn = (): void => {};
    const brought = ledger.bring('a', amount, async () => {
      await new Promise<void>((resolve) => {
        isIn = resolve;
      });
      a.budget.run.addUnsettled(amount);
    });
    const request = b.reserve(wanted(41));
    expect(await stateOf(request)).toBe('waits');
    isIn();
    await brought;
    expect(await stateOf(request)).toBe('refused');
    expect(await stateOf(b.reserve(wanted(40)))).toBe('in');
  });

  it('are used up once', () => {
    const { ledger, a, b } = two(100);
    ledger.usedUp('a', 'used up');
    ledger.usedUp('b', 'used up');
    expect([a.usedUp, b.usedUp]).toEqual([
      [true, false],
      [false, false],
    ]);
  });

  it('are together never over by more than one request, refuse none that could be paid for, and get stuck nowhere', async () => {
    const most = 100;
    const request = fc.record({
      host: fc.nat(3),
      most: fc.integer({ min: 1, max: most }),
      least: fc.option(fc.integer({ min: 1, max: 20 })),
      part: fc.constantFrom(0, 0.5, 1, 1, 1),
      turns: fc.nat(60),
    });
    const scene = fc.record({
      hosts: fc.integer({ min: 1, max: 4 }),
      cap: fc.integer({ min: 0, max: 600 }),
      spent: fc.integer({ min: 0, max: 100 }),
      canBeCut: fc.boolean(),
      requests: fc.array(request, { minLength: 10, maxLength: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), scene, async (scheduler, { hosts: count, cap, spent, canBeCut, requests }) => {
        const ledger = new BudgetSlices({ usd: null, tokens: cap }, { usd: 0, tokens: spent });
        const pass = (): Promise<unknown> => scheduler.schedule(Promise.resolve());
        const hosts = Array.from({ length: count }, (_, n) => new Host(ledger, `host-${n}`, pass));
        const later = async (turns: number): Promise<void> => {
          for (let turn = 0; turn < turns; turn += 1) await pass();
        };
        const gone = (): number => hosts.reduce((sum, { budget }) => sum + budget.run.used('tokens'), spent);
        const outcomes = requests.map(async ({ host: n, most: worst, least, part, turns }) => {
          const host = hosts[n % count];
          if (host === undefined) throw new Error('no such host');
          await later(turns);
          const needed = canBeCut && least !== null ? Math.min(worst, least) : null;
          try {
            const reservation = await host.reserve(wanted(worst, needed));
            await later(turns);
            host.settle(reservation, Math.round(worst * part));
          } catch {
            expect(needed ?? worst).toBeGreaterThan(cap - gone());
          }
        });
        await scheduler.waitFor(Promise.all(outcomes));
        expect(gone()).toBeLessThanOrEqual(Math.max(cap, spent) + (canBeCut ? most - 1 : 0));
        for (const { budget } of hosts) expect(budget.run.reserved.tokens).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});
