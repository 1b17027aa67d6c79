/** What the gateway knows. It outlives coordinators: each one configures it, none owns it. */

import { randomUUID } from 'node:crypto';
import type { ModelApi, Price } from '../types.ts';
import { type Attempt, Attempts } from './attempts.ts';
import { Budget } from './budget.ts';
import { createDialer } from './dial.ts';
import type { EgressParts } from './egress.ts';
import { Events } from './events.ts';
import { ForwardProxy } from './forward-proxy.ts';
import { Lane } from './lanes.ts';
import { LIMITS } from './limits.ts';
import type { AttemptAccess, Configuration, Denied } from './protocol.ts';
import { Redactor, secretsOf } from './redact.ts';
import { RegistryProxy } from './registry-proxy.ts';
import { Relay } from './relay.ts';
import { Toolboxes } from './toolboxes.ts';
import { UpstreamClient } from './upstream.ts';

/** Of a model's id: a snapshot costs what its model costs. */
const SNAPSHOT = /-(?:\d{8}|\d{4}-\d{2}-\d{2})$/;

export class Gateway {
  /** Another one after a restart: nothing of what was said before is known then. */
  readonly instance = randomUUID();
  readonly attempts = new Attempts();
  readonly events = new Events();
  readonly budget = new Budget((slices) => this.events.emit({ type: 'wants-budget', ...slices }));
  readonly relay = new Relay();
  readonly toolboxes = new Toolboxes();
  readonly dialer = createDialer({ relay: (target, signal) => this.relay.connect(target, signal) });
  readonly #egress: EgressParts = {
    dialer: this.dialer,
    settings: () => {
      const now = this.#configuration;
      return now === null ? null : { via: now.egressVia, ca: now.extraCa };
    },
    onDenied: (id, denied) => {
      const attempt = this.attempts.byId(id);
      if (attempt !== null) this.denied(attempt, denied);
    },
    onAudit: (line) => this.events.emit({ type: 'audit', ...line }),
  };
  readonly proxy = new ForwardProxy(this.#egress);
  readonly registries = new RegistryProxy(this.#egress);
  readonly lanes: Readonly<Record<ModelApi, Lane>> = {
    anthropic: new Lane('anthropic', this.events),
    openai: new Lane('openai', this.events),
  };
  #configuration: Configuration | null = null;
  #upstreams: readonly UpstreamClient[] = [];
  readonly #refusals = new Set<string>();
  /** Those of all configurations and all attempts there ever were. */
  readonly #secrets = new Set<string>();
  #redactor = new Redactor([]);

  configure(configuration: Configuration): void {
    const { upstreams, extraCa, caps, isSlice = false, spent } = configuration;
    for (const client of this.#upstreams) client.retire();
    this.#refusals.clear();
    this.#configuration = configuration;
    this.#upstreams = upstreams.map((upstream) => new UpstreamClient(upstream, this.dialer, extraCa));
    this.#keepSecret(upstreams.map(({ auth }) => auth.value.replace(/^Bearer /i, '')));
    const { run } = this.budget;
    // A coordinator that took over knows of what this gateway counted; adding it would count it twice.
    run.spent.usd = Math.max(run.spent.usd, spent.usd);
    run.spent.tokens = Math.max(run.spent.tokens, spent.tokens);
    this.budget.grant(caps, !isSlice);
    if (isSlice) this.events.emit({ type: 'configured' });
  }

  /** Lets an attempt in, or changes what one may do. */
  open(access: AttemptAccess): void {
    this.#keepSecret(
      access.allow.flatMap(({ authorization }) => (authorization === null ? [] : secretsOf(authorization))),
    );
    const isNew = this.attempts.open(access);
    if (isNew && access.before !== undefined) this.budget.run.addUnsettled(access.before.unsettled);
    this.budget.reconsider();
  }

  /** Null before the first coordinator came. */
  get configuration(): Configuration | null {
    return this.#configuration;
  }

  /** The same refusal of a key is told once until it is configured anew. */
  keyRefused(api: ModelApi, status: number, message: string): void {
    const kind = `${api} ${status}`;
    if (this.#refusals.has(kind)) return;
    this.#refusals.add(kind);
    this.events.emit({ type: 'key-refused', api, status, message });
  }

  #keepSecret(secrets: readonly string[]): void {
    const before = this.#secrets.size;
    for (const secret of secrets) this.#secrets.add(secret);
    if (this.#secrets.size > before) this.#redactor = new Redactor([...this.#secrets]);
  }

  /** Takes keys and tokens out of what a service said. */
  get redactor(): Redactor {
    return this.#redactor;
  }

  upstream(api: ModelApi): UpstreamClient | null {
    return this.#upstreams.find(({ upstream }) => upstream.api === api) ?? null;
  }

  priceOf(model: string): Price | null {
    const prices = this.#configuration?.prices ?? {};
    const id = Object.hasOwn(prices, model) ? model : model.replace(SNAPSHOT, '');
    return (Object.hasOwn(prices, id) ? prices[id] : null) ?? null;
  }

  /** For whoever goes on should this gateway be killed. */
  unsettled(attempt: Attempt): void {
    if (!this.budget.caps(attempt.account)) return;
    this.events.emit({ type: 'unsettled', attempt: attempt.id, ...attempt.unsettled });
  }

  /** An event now and then. */
  traffic(attempt: Attempt): void {
    const now = performance.now();
    if (now - attempt.toldOfTraffic < LIMITS.trafficNews) return;
    attempt.toldOfTraffic = now;
    this.events.emit({ type: 'traffic', attempt: attempt.id });
  }

  /** For the attempt's totals, and an event when it is a new kind. */
  denied(attempt: Attempt, denied: Denied): void {
    if (attempt.deny(denied)) this.events.emit({ type: 'denied', attempt: attempt.id, ...denied });
  }
}
