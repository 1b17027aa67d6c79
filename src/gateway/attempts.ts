/** Who may come in: attempts by their tokens, with what they have used. Revoked ones are remembered until the gateway ends. */

import { createHmac, randomBytes } from 'node:crypto';
import type { Spent, Usage } from '../types.ts';
import { Account } from './budget.ts';
import { LIMITS } from './limits.ts';
import { type Cost, type Tokens, tokensOf } from './price.ts';
import type { AttemptAccess, AttemptTotals, Before, Denied } from './protocol.ts';

export class Attempt {
  readonly id: string;
  access: AttemptAccess;
  readonly account = new Account('attempt');
  /** Fires when the attempt is revoked: what it has under way is cut. */
  readonly revoked = new AbortController();
  /** When its traffic was last told of, by `performance.now()`. */
  toldOfTraffic = Number.NEGATIVE_INFINITY;
  /** Bytes of request bodies that are held. */
  heldBytes = 0;
  readonly #denied = new Map<string, Denied>();
  readonly #passed = new Set<string>();
  #usage: Usage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, usd: null };
  #requests = 0;
  /** Whether a request's price was not known: the sum is not either, then. */
  #unpriced = false;

  constructor(access: AttemptAccess) {
    this.id = access.attempt;
    this.access = access;
    this.account.caps = access.caps;
    if (access.before !== undefined) this.#goOn(access.before);
  }

  get usage(): Usage {
    return this.#usage;
  }

  /** What it may have cost beside its usage. */
  get unsettled(): Spent {
    const { unsettled, reserved } = this.account;
    return { usd: unsettled.usd + reserved.usd, tokens: unsettled.tokens + reserved.tokens };
  }

  #goOn({ usage, requests, unsettled }: Before): void {
    const tokens = tokensOf(usage);
    this.#usage = usage;
    this.#requests = requests;
    this.#unpriced = usage.usd === null && tokens > 0;
    this.account.spent.usd = usage.usd ?? 0;
    this.account.spent.tokens = tokens;
    this.account.addUnsettled(unsettled);
  }

  count(tokens: Tokens, cost: Cost): void {
    const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, usd } = this.#usage;
    this.#requests += 1;
    this.#unpriced ||= cost.usd === null;
    this.#usage = {
      inputTokens: inputTokens + tokens.input,
      outputTokens: outputTokens + tokens.output,
      cacheReadTokens: cacheReadTokens + tokens.cacheRead,
      cacheWriteTokens: cacheWriteTokens + tokens.cacheWrite,
      usd: this.#unpriced ? null : (usd ?? 0) + (cost.usd ?? 0),
    };
  }

  /** Whether it passes this cap for the first time since it was opened. */
  passes(cap: string): boolean {
    const isNew = !this.#passed.has(cap);
    this.#passed.add(cap);
    return isNew;
  }

  /** The limits are other ones from here on. */
  replaceAccess(access: AttemptAccess): void {
    this.access = access;
    this.account.caps = access.caps;
    this.#passed.clear();
  }

  /** Whether this kind of denial is new and worth an event. */
  deny(denied: Denied): boolean {
    const kind = `${denied.host} ${denied.reason}`;
    if (this.#denied.has(kind) || this.#denied.size >= LIMITS.denialsKept) return false;
    this.#denied.set(kind, denied);
    return true;
  }

  totals(): AttemptTotals {
    return {
      attempt: this.id,
      usage: this.#usage,
      requests: this.#requests,
      unsettled: { ...this.account.unsettled },
      denied: [...this.#denied.values()],
    };
  }

  /** The same attempt let in again: what it used stays. */
  renewed(access: AttemptAccess): Attempt {
    const next = new Attempt({ ...access, before: undefined });
    next.#usage = this.#usage;
    next.#requests = this.#requests;
    next.#unpriced = this.#unpriced;
    Object.assign(next.account.spent, this.account.spent);
    next.account.addUnsettled(this.account.unsettled);
    for (const denied of this.#denied.values()) next.deny(denied);
    return next;
  }
}

type Doors = 'token' | 'toolboxToken';

export class Attempts {
  readonly #byId = new Map<string, Attempt>();
  readonly #known: Record<Doors, Map<string, Attempt>> = { token: new Map(), toolboxToken: new Map() };
  /** Tokens are looked up by a keyed hash: how long that takes tells nothing about how much of a guess is right. */
  readonly #hashKey = randomBytes(32);

  /** Whether it was not known before. */
  open(access: AttemptAccess): boolean {
    const before = this.#byId.get(access.attempt);
    if (before !== undefined && !before.revoked.signal.aborted) {
      before.replaceAccess(access);
      this.#admit(before);
      return false;
    }
    const attempt = before?.renewed(access) ?? new Attempt(access);
    this.#byId.set(attempt.id, attempt);
    this.#admit(attempt);
    return before === undefined;
  }

  /** Null where no such attempt was ever let in. */
  revoke(id: string): AttemptTotals | null {
    const attempt = this.#byId.get(id);
    if (attempt === undefined) return null;
    attempt.revoked.abort(new Error('the attempt is over'));
    return attempt.totals();
  }

  byId(id: string): Attempt | null {
    return this.#byId.get(id) ?? null;
  }

  all(): readonly Attempt[] {
    return [...this.#byId.values()];
  }

  /** Whose token it is, also of one that is revoked. */
  find(token: string, door: Doors = 'token'): Attempt | null {
    const attempt = this.#known[door].get(this.#hash(token)) ?? null;
    return attempt;
  }

  /** Whether this token, once good, is so no more. */
  isStale(attempt: Attempt, token: string, door: Doors = 'token'): boolean {
    const current = attempt.access[door];
    return attempt.revoked.signal.aborted || current === null || this.#hash(current) !== this.#hash(token);
  }

  #admit(attempt: Attempt): void {
    const { token, toolboxToken } = attempt.access;
    this.#known.token.set(this.#hash(token), attempt);
    if (toolboxToken !== null) this.#known.toolboxToken.set(this.#hash(toolboxToken), attempt);
  }

  #hash(token: string): string {
    return createHmac('sha256', this.#hashKey).update(token).digest('base64');
  }
}
