/**
 * A run's use of its gateway: lets attempts in and out, adds up what they use, and turns what the gateway says (a cap is
 * reached, the service wants us to wait, it refuses the key) into what happens to them.
 */

import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import type { Access } from '../engine/engine.ts';
import { environmentError, type OrchestrateError } from '../errors.ts';
import { type DialFor, GatewayClient } from '../gateway/client.ts';
import {
  type AttemptAccess,
  type AttemptTotals,
  type Before,
  type Configuration,
  type EgressRule,
  GATEWAY_PORT,
  type GatewayEvent,
} from '../gateway/protocol.ts';
import { DEFAULT_PORT } from '../gateway/rules.ts';
import { registryFiles, registryVariables } from '../sandbox/registries.ts';
import type { HomeFile, SandboxHost, SetUpEgress } from '../sandbox/sandbox.ts';
import { type AskToolbox, remoteToolbox } from '../toolbox/remote-toolbox.ts';
import type { Toolbox } from '../toolbox/toolbox.ts';
import { type AttemptId, type Caps, type ModelApi, type Spent, tokensOf, type Usage } from '../types.ts';
import { timeText } from './deadline.ts';
import { HeldSlice, type Slices } from './held-slice.ts';

const URL_IN_SANDBOX = `http://127.0.0.1:${GATEWAY_PORT}`;
const NO_CAPS: Caps = { usd: null, tokens: null };
/** A shorter wait is not worth holding containers still for, milliseconds. */
const WORTH_PAUSING_MS = 2_000;
/** How long after the stated time agents go on where nobody says that they may: a gateway that was started anew forgot. */
const RESUME_ANYWAY_MS = 2_000;

/** What a run's agents reach, with which money, and how the gateway gets there. */
export interface GatewayOptions {
  readonly plan: AccessPlan;
  readonly configuration: Configuration;
  /** This repository's secret, from which tokens are derived: a run that was cut off needs to remember none. */
  readonly secret: string;
  /** Makes the connections that the gateway asks for. */
  readonly dial: DialFor;
}

/**
 * Starts the run's gateway on a host, or finds the one of a run that was cut off again, and tries each key once.
 * @param slices given where the run has several: its caps and what it spent are the ledger's then, of the configuration's
 * only which of the caps there are counts
 * Environment errors: KEY_REFUSED, UPSTREAM_UNREACHABLE, those of the host.
 */
export async function openRunGateway(
  host: SandboxHost,
  wanted: GatewayOptions,
  slices: Slices | null = null,
): Promise<RunGateway> {
  const options = host.mayHoldKeys ? wanted : withoutKeys(wanted);
  const { upstreams, egressVia } = options.configuration;
  const { allow, setUpAllow } = options.plan;
  const isEgressOwn = egressVia === 'direct' && allow.length + setUpAllow.length > 0;
  const dials = isEgressOwn || upstreams.some(({ via }) => via === 'direct');
  const client = new GatewayClient(await host.openGateway({ dials }), options.dial);
  const gateway = new RunGateway(client, options, slices);
  try {
    await gateway.configure();
    for (const { api } of upstreams) await gateway.tryKey(api);
    gateway.join();
    return gateway;
  } catch (error) {
    await gateway[Symbol.asyncDispose]();
    throw error;
  }
}

/** This side makes the connections that need a key, and puts it in. */
function withoutKeys(options: GatewayOptions): GatewayOptions {
  const { configuration } = options;
  const upstreams = configuration.upstreams.map((upstream) => ({ ...upstream, via: 'coordinator' as const }));
  return { ...options, configuration: { ...configuration, upstreams } };
}

/** What the attempts of a run may do, each the same. */
export interface AccessPlan {
  readonly apis: readonly ModelApi[];
  readonly models: readonly string[] | null;
  readonly allow: readonly EgressRule[];
  readonly caps: Caps;
  /** Hosts that the set-up may reach. */
  readonly setUpAllow: readonly EgressRule[];
}

/** What happens to an attempt from the gateway's side. */
export interface AttemptHooks {
  /** It is at work. */
  onActive(): void;
  onUsage(total: Usage): void;
  /** What it may have cost beside: requests under way, or cut off with an earlier gateway. Not given: nobody goes on for it. */
  onUnsettled?(spent: Spent): void;
  onDenied(host: string, reason: string): void;
  /** Ends it as over budget. */
  onBudget(reason: string): void;
  /** Held still until told otherwise; again with a later time. */
  onPause(reason: string, until: Date): void;
  onResume(): void;
}

export interface RunListener {
  /** No request can succeed any more (the key is refused): the run is to end. */
  onUnusable(error: OrchestrateError): void;
  /** The whole run is over its budget, all gateways together; its attempts are told by themselves. */
  onRunBudget(reason: string): void;
  onWarning(message: string): void;
}

/** A service that wants us to wait. */
interface Limited {
  readonly until: Date;
  readonly reason: string;
  readonly timer: NodeJS.Timeout;
}

export class RunGateway implements AsyncDisposable {
  readonly #client: GatewayClient;
  readonly #options: GatewayOptions;
  /** Null: the run's budget is all its own. */
  readonly #slice: HeldSlice | null;
  readonly #disposed = new AbortController();
  readonly #hooks = new Map<string, AttemptHooks>();
  #listener: RunListener | null = null;
  readonly #limited = new Map<ModelApi, Limited>();

  /** For openRunGateway. */
  constructor(client: GatewayClient, options: GatewayOptions, slices: Slices | null) {
    this.#client = client;
    this.#options = options;
    this.#slice = slices && new HeldSlice(client, slices, (reason, isNews) => this.#runBudget(reason, isNews));
  }

  /** For openRunGateway. */
  configure(): Promise<void> {
    const { configuration } = this.#options;
    return this.#slice?.begin(configuration) ?? this.#client.configure(configuration);
  }

  /** For openRunGateway. */
  join(): void {
    this.#slice?.join();
  }

  /** Tells what concerns the whole run from now on; to be called once. */
  listen(listener: RunListener): void {
    this.#listener = listener;
    void this.#follow(listener);
  }

  /** Asks for something free of charge with the key. Environment errors KEY_REFUSED, UPSTREAM_UNREACHABLE. */
  async tryKey(api: ModelApi): Promise<void> {
    const { status, message } = await this.#client.tryKey(api);
    if (status === 401 || status === 403) throw keyRefused(api, status, message);
    if (status !== null) return;
    throw environmentError('UPSTREAM_UNREACHABLE', `${NAMES[api]} cannot be reached: ${message}`, {
      hint: 'check the network, and the base URL if you set one',
    });
  }

  /**
   * Lets an attempt in; the answer is what its sandbox gets to see. To be released whatever happens.
   * @param used what is known of it from an earlier run, which counts where the gateway of that run is gone
   */
  async admit(attempt: AttemptId, hooks: AttemptHooks, used?: UsedBefore): Promise<Access> {
    const { plan } = this.#options;
    const token = this.#token('agent', attempt);
    const toolboxToken = this.toolboxToken(attempt);
    const { apis, models, allow, caps } = plan;
    await this.#open({ attempt, token, toolboxToken, apis, models, allow, caps }, used);
    this.#hooks.set(attempt, hooks);
    for (const { until, reason } of this.#limited.values()) hooks.onPause(reason, until);
    return { url: URL_IN_SANDBOX, token };
  }

  /** The last word on an attempt of an earlier run whose sandbox is gone. */
  async settle(attempt: AttemptId, used: UsedBefore): Promise<AttemptTotals> {
    const token = this.#token('agent', attempt);
    const { caps } = this.#options.plan;
    const nothing = { toolboxToken: null, apis: [], models: null, allow: [] };
    await this.#open({ attempt, token, caps, ...nothing }, used);
    return this.#client.revoke(attempt);
  }

  /** Lets the run's set-up out to its own hosts, and to no model, until it is disposed of; null: it may reach nothing. */
  async admitSetUp(): Promise<(SetUpEgress & AsyncDisposable) | null> {
    const { setUpAllow: allow } = this.#options.plan;
    if (allow.length === 0) return null;
    const attempt = `setup-${randomUUID()}`;
    const token = randomBytes(32).toString('hex');
    const access = { attempt, token, toolboxToken: null, apis: [], models: null, allow, caps: NO_CAPS };
    await this.#client.open(access);
    return {
      url: URL_IN_SANDBOX,
      token,
      registries: registriesOf(allow),
      [Symbol.asyncDispose]: async () => {
        const { denied } = await this.#client.revoke(attempt);
        for (const { host, reason } of denied) {
          const flag = `--setup-allow ${host.replace(/:443$/, '')}`;
          this.#listener?.onWarning(`the set-up was refused to reach ${host} (${reason}); to let it: ${flag}`);
        }
      },
    };
  }

  async #open(access: AttemptAccess & { readonly attempt: AttemptId }, used: UsedBefore | undefined): Promise<void> {
    const open = (before: Before | undefined): Promise<void> => this.#client.open({ ...access, before });
    const before = used && beforeOf(used);
    await (this.#slice?.open(access.attempt, before, open) ?? open(before));
  }

  /** Ends what the attempt has under way and makes its token worthless; gives its totals. */
  async release(attempt: AttemptId): Promise<AttemptTotals> {
    this.#hooks.delete(attempt);
    return this.#client.revoke(attempt);
  }

  /** What PID 1 of the attempt's sandbox, and nobody else in there, shows to the gateway. */
  toolboxToken(attempt: AttemptId): string {
    return this.#token('toolbox', attempt);
  }

  /** The tools in the attempt's sandbox, until that is gone. */
  toolboxOf(attempt: AttemptId, gone: AbortSignal): Toolbox {
    const ask: AskToolbox = (method, params, signal) => this.#client.toolbox(attempt, { method, params }, signal);
    return remoteToolbox(ask, gone);
  }

  /** What makes ordinary programs use the forward proxy and the private registries, where any host is allowed. */
  egressOf({ url, token }: Access): { env: Readonly<Record<string, string>>; homeFiles: readonly HomeFile[] } {
    const { allow } = this.#options.plan;
    if (allow.length === 0) return { env: {}, homeFiles: [] };
    const registries = { url, token, registries: registriesOf(allow) };
    const proxy = url.replace('://', `://agent:${token}@`);
    const direct = 'localhost,127.0.0.1,::1,sandbox';
    return {
      env: {
        ...{ HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NO_PROXY: direct },
        ...{ http_proxy: proxy, https_proxy: proxy, no_proxy: direct },
        ...registryVariables(registries),
      },
      homeFiles: registryFiles(registries),
    };
  }

  /** Asks the model as this attempt. */
  fetchAs(attempt: AttemptId): typeof globalThis.fetch {
    return this.#client.fetchFor(attempt);
  }

  /** Where the budget is shared and this host is let go before the run ends, no attempt being left: gives back what is left. */
  async retire(): Promise<void> {
    await this.#slice?.retire();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort();
    this.#slice?.letGo();
    for (const { timer } of this.#limited.values()) clearTimeout(timer);
    await this.#client[Symbol.asyncDispose]();
  }

  async #follow(listener: RunListener): Promise<void> {
    const { signal } = this.#disposed;
    try {
      for await (const event of this.#client.events(0, signal)) this.#take(event);
    } catch (error) {
      if (!signal.aborted) listener.onWarning(`the gateway's events are lost: ${String(error)}`);
    }
  }

  #take(event: GatewayEvent): void {
    this.#slice?.take(event);
    switch (event.type) {
      case 'usage':
        this.#hooks.get(event.attempt)?.onUsage(event.total);
        break;
      case 'unsettled':
        this.#hooks.get(event.attempt)?.onUnsettled?.({ usd: event.usd, tokens: event.tokens });
        break;
      case 'traffic':
        this.#hooks.get(event.attempt)?.onActive();
        break;
      case 'denied':
        this.#hooks.get(event.attempt)?.onDenied(event.host, event.reason);
        break;
      case 'over-budget':
        this.#overBudget(event);
        break;
      case 'limited':
        this.#pause(event.api, event.status, new Date(event.until));
        break;
      case 'resumed':
        this.#resume(event.api);
        break;
      case 'key-refused':
        this.#listener?.onUnusable(keyRefused(event.api, event.status, event.message));
        break;
      case 'wants-budget':
      case 'configured':
      case 'audit':
        break;
    }
  }

  #overBudget({ attempt, scope, unit }: Extract<GatewayEvent, { type: 'over-budget' }>): void {
    const flag = scope === 'run' ? `--budget-${unit}` : '--task-budget-usd';
    const reason = `the budget of the ${scope === 'run' ? 'run' : 'task'} is used up (${flag})`;
    if (scope === 'attempt') {
      this.#hooks.get(attempt)?.onBudget(reason);
      return;
    }
    if (this.#slice === null) this.#runBudget(reason, true);
    else this.#slice.tellUsedUp(reason);
  }

  #runBudget(reason: string, isNews: boolean): void {
    if (isNews) this.#listener?.onRunBudget(reason);
    for (const hooks of this.#hooks.values()) hooks.onBudget(reason);
  }

  #pause(api: ModelApi, status: number, until: Date): void {
    if (until.getTime() - Date.now() < WORTH_PAUSING_MS) return;
    const reason = `${NAMES[api]} wants us to wait (${status}) until ${timeText(until, new Date())}`;
    clearTimeout(this.#limited.get(api)?.timer);
    const timer = setTimeout(() => this.#resume(api), until.getTime() - Date.now() + RESUME_ANYWAY_MS);
    this.#limited.set(api, { until, reason, timer });
    for (const hooks of this.#hooks.values()) hooks.onPause(reason, until);
  }

  #resume(api: ModelApi): void {
    clearTimeout(this.#limited.get(api)?.timer);
    if (!this.#limited.delete(api) || this.#limited.size > 0) return;
    for (const hooks of this.#hooks.values()) hooks.onResume();
  }

  #token(kind: 'agent' | 'toolbox', attempt: AttemptId): string {
    return createHmac('sha256', this.#options.secret).update(`${kind} ${attempt}`).digest('hex');
  }
}

/** What is written down of an attempt. */
export interface UsedBefore {
  readonly usage: Usage;
  readonly unsettled: Spent;
}

function beforeOf({ usage, unsettled }: UsedBefore): Before {
  return { usage, unsettled, requests: tokensOf(usage) > 0 ? 1 : 0 };
}

/** The hosts that the gateway adds a token to, as they are named below its own URL. */
function registriesOf(rules: readonly EgressRule[]): readonly string[] {
  return rules
    .filter(({ authorization }) => authorization !== null)
    .flatMap(({ host, ports }) => ports.map((port) => (port === DEFAULT_PORT ? host : `${host}:${port}`)));
}

const NAMES: Readonly<Record<ModelApi, string>> = { anthropic: 'Anthropic', openai: 'OpenAI' };

/** One message for a key that a service does not take. */
export function keyRefused(api: ModelApi, status: number, said: string): OrchestrateError {
  return environmentError('KEY_REFUSED', `${NAMES[api]} refuses the key (${status}): ${said}`, {
    hint: 'check the key in the environment, in ~/.config/orchestrate/.env or in the repository’s .env',
  });
}
