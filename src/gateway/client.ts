/** The coordinator's side of the gateway: typed calls over a session that is opened again when it was lost. */

import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { environmentError, failure } from '../errors.ts';
import { Caller } from '../session/caller.ts';
import { keepBeating } from '../session/heartbeat.ts';
import { CallFault, ProtocolError } from '../session/protocol.ts';
import type { Caps, ModelApi } from '../types.ts';
import { sliceOf } from './budget.ts';
import { answerDials, type DialFor } from './client-dials.ts';
import { attemptFetch } from './client-fetch.ts';
import { HomeKeys } from './client-keys.ts';
import { jsonLines, resultOf } from './client-lines.ts';
import { EarlierTotals } from './client-totals.ts';
import type { AttemptAccess, AttemptTotals, Configuration, GatewayEvent, KeyTrial, SliceUse } from './protocol.ts';

export type { DialFor } from './client-dials.ts';

export interface GatewayTransport {
  /**
   * The standard input and output of a new `bridge.js` in the gateway's container.
   * @param anew the one that is there does not answer: it is replaced
   */
  open(anew?: boolean): Promise<Duplex>;
}

type Params = Readonly<Record<string, unknown>>;

/** For the first answer in a session; a gateway that takes longer has hung. */
const HELLO_TIMEOUT_MS = 15_000;
/** The first wait before a lost session is opened again; doubled up to the second. */
const RETRY_FIRST_MS = 100;
const RETRY_MOST_MS = 5_000;

/**
 * All calls may run side by side. They reject with an OrchestrateError: `environment` GATEWAY_LOST where the session broke
 * (the next call opens a new one), `failure` with the gateway's code where it says no. What was configured and opened is
 * said again to a gateway that was started anew, with what attempts had used by then as far as this client was told:
 * somebody should follow the events.
 */
export class GatewayClient implements AsyncDisposable {
  readonly #transport: GatewayTransport;
  readonly #keys: HomeKeys;
  readonly #open = new Map<string, AttemptAccess>();
  readonly #earlier = new EarlierTotals();
  readonly #disposed = new AbortController();
  #configuration: Configuration | null = null;
  #instance: string | null = null;
  #session: Promise<Caller> | null = null;

  /** @param dial makes the connections that the gateway asks for */
  constructor(transport: GatewayTransport, dial: DialFor) {
    this.#transport = transport;
    this.#keys = new HomeKeys(dial);
  }

  /**
   * Replaces what an earlier coordinator said; attempts stay. Keys of services that this side dials are not told to the
   * gateway: they are put in here.
   */
  async configure(configuration: Configuration): Promise<void> {
    this.#configuration = this.#keys.keep(configuration);
    this.#earlier.configured(configuration);
    await this.#ask('configure', { ...this.#configuration });
  }

  /** Where a slice was configured: it is so big from here on, also for a gateway that is started anew. May be said twice. */
  async grant(slice: Caps, isFinal: boolean): Promise<void> {
    this.#sliceIs(slice);
    await this.#ask('grant', { ...slice, isFinal });
  }

  /** Lowers the slice to what is used and reserved by now; it is not final any more. */
  async giveBack(): Promise<SliceUse> {
    const use = await this.#ask<SliceUse>('giveBack');
    if (this.#configuration !== null) this.#sliceIs(sliceOf(this.#configuration.caps, use));
    return use;
  }

  /** Asks a service for something free of charge, with its key. */
  async tryKey(api: ModelApi): Promise<KeyTrial> {
    return this.#ask<KeyTrial>('try', { api });
  }

  /** Lets an attempt in. Again for one that is open: its limits are replaced, its totals stay. */
  async open(access: AttemptAccess): Promise<void> {
    this.#earlier.opened(access);
    this.#open.set(access.attempt, access);
    await this.#ask('open', { ...this.#earlier.access(access) });
  }

  /** Its token is worth nothing from here on, and what it has under way is cut. */
  async revoke(attempt: string): Promise<AttemptTotals> {
    const totals = await this.#ask<AttemptTotals>('revoke', { attempt });
    this.#open.delete(attempt);
    return this.#earlier.totals(totals);
  }

  /** Of every attempt, revoked or not. */
  async totals(): Promise<readonly AttemptTotals[]> {
    return this.#earlier.all((await this.#ask<{ attempts: AttemptTotals[] }>('totals')).attempts);
  }

  /**
   * Every event above `after` that the gateway still has, then each new one. Goes on over lost sessions without a gap or a
   * repeat, until the signal; after a restart of the gateway it starts with the new one's first.
   */
  async *events(after: number, signal: AbortSignal): AsyncGenerator<GatewayEvent> {
    const either = AbortSignal.any([signal, this.#disposed.signal]);
    let seen = after;
    let instance: string | null = null;
    let wait = RETRY_FIRST_MS;
    while (!either.aborted) {
      try {
        const session = await this.#connected();
        if (instance !== null && instance !== this.#instance) seen = 0;
        instance = this.#instance;
        for await (const event of jsonLines<GatewayEvent>(session.call('events', { after: seen }), either)) {
          wait = RETRY_FIRST_MS;
          seen = event.seq;
          this.#earlier.event(event);
          yield event;
        }
      } catch {
        // Whatever keeps the session from being opened shows in the other calls as well: here it only takes time.
      }
      await delay(wait, undefined, { signal: either }).catch(() => {});
      wait = Math.min(RETRY_MOST_MS, wait * 2);
    }
  }

  /**
   * A fetch whose requests go to the attempt's model service, through the same rules, meter and limits as its agent's own.
   * Only path, query, method, headers and body of a request count; rejects with GATEWAY_LOST like the others.
   */
  fetchFor(attempt: string): typeof globalThis.fetch {
    return attemptFetch(attempt, async (method, params) => (await this.#connected()).call(method, params), asError);
  }

  /**
   * A call to the toolbox in the attempt's sandbox.
   * @throws OrchestrateError `failure` TOOLBOX_ABSENT while it is not there, TOOLBOX_LOST when it went during the call
   */
  async toolbox(
    attempt: string,
    request: { readonly method: string; readonly params: Params },
    signal: AbortSignal,
  ): Promise<Params> {
    try {
      return await this.#askOnce<Params>('toolbox', { attempt, ...request }, signal);
    } catch (error) {
      throw signal.aborted ? signal.reason : asError(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort(new CallFault('SESSION_LOST', 'the gateway was let go'));
    (await this.#session?.catch(() => null))?.close();
  }

  #sliceIs(caps: Caps): void {
    if (this.#configuration !== null) this.#configuration = { ...this.#configuration, caps };
  }

  /**
   * The gateway is built together with this client: its answers have the shape that the caller names. These calls may be
   * made twice, so a session that was lost meanwhile costs one more try, not the call.
   */
  async #ask<Answer>(method: string, params: Params = {}): Promise<Answer> {
    try {
      return await this.#askOnce<Answer>(method, params, this.#disposed.signal);
    } catch (error) {
      if (!(error instanceof CallFault && error.code === 'SESSION_LOST')) throw asError(error);
    }
    return this.#askOnce<Answer>(method, params, this.#disposed.signal).catch((error: unknown) => {
      throw asError(error);
    });
  }

  async #askOnce<Answer>(method: string, params: Params, signal: AbortSignal): Promise<Answer> {
    const call = (await this.#connected()).call(method, params);
    void call.send([]);
    const answer: unknown = await resultOf(call, signal);
    return answer as Answer;
  }

  async #connected(): Promise<Caller> {
    if (this.#disposed.signal.aborted) throw new CallFault('SESSION_LOST', 'the gateway was let go');
    this.#session ??= this.#begin();
    const opening = this.#session;
    try {
      const session = await opening;
      if (!session.isClosed) return session;
    } catch (error) {
      if (this.#session === opening) this.#session = null;
      throw error;
    }
    if (this.#session === opening) this.#session = null;
    return this.#connected();
  }

  async #begin(): Promise<Caller> {
    const { caller, instance } = (await this.#greeted(false)) ?? (await this.#greeted(true)) ?? hung();
    if (instance !== this.#instance) {
      // Attempts first: until it is configured the gateway tells strangers to come again, then it turns them away.
      for (const access of this.#open.values()) {
        await caller.call('open', { ...this.#earlier.access(access) }).result;
      }
      const configuration = this.#configuration;
      if (configuration !== null) {
        await caller.call('configure', {
          ...this.#earlier.configuration(configuration, (attempt) => this.#open.has(attempt)),
        }).result;
      }
      this.#instance = String(instance);
    }
    return caller;
  }

  /** A new session; null: the gateway hangs. */
  async #greeted(anew: boolean): Promise<{ readonly caller: Caller; readonly instance: unknown } | null> {
    const caller = new Caller(await this.#transport.open(anew));
    answerDials(caller, (wanted) => this.#keys.dial(wanted));
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      caller.close();
    }, HELLO_TIMEOUT_MS);
    try {
      const { instance } = await caller.call('hello').result;
      keepBeating(caller);
      return { caller, instance };
    } catch (error) {
      if (!isLate) throw error;
      return null;
    } finally {
      clearTimeout(timer);
    }
  }
}

function hung(): never {
  throw new CallFault('SESSION_LOST', 'the gateway does not answer');
}

/** Our own faults become errors for people; whatever else went wrong (a container that is not there) stays itself. */
function asError(error: unknown): unknown {
  if (error instanceof ProtocolError) {
    return environmentError('GATEWAY_LOST', `the gateway does not make sense: ${error.message}`);
  }
  if (!(error instanceof CallFault)) return error;
  if (error.code === 'SESSION_LOST') return environmentError('GATEWAY_LOST', error.message, { cause: error });
  return failure(error.code, error.message, { cause: error });
}
