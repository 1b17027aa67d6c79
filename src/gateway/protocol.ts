/**
 * What the coordinator and the gateway say to each other: the JSON of the calls over the control session, and how a
 * sandbox reaches the gateway. Types and constants only; both sides are built together.
 *
 * Calls (coordinator → gateway; see src/session/):
 * - `hello` {} → {instance}: an id that every start of the gateway makes anew; another one knows nothing of what was said.
 * - `configure` {@link Configuration} → {}: replaces what an earlier coordinator said; attempts stay.
 * - `grant` {usd, tokens, isFinal} → {}: the run's cap is a slice, which is so big from here on; all in all, so that saying it
 *   twice is harmless. `isFinal`: there will be no more; without it what does not fit waits.
 * - `giveBack` {} → {@link SliceUse}: the slice is lowered to what is used and reserved, and is not final any more.
 * - `try` {api} → {@link KeyTrial}: asks the service for something free of charge with its key.
 * - `open` {@link AttemptAccess} → {}: lets an attempt in. Again for one that is open: its limits are replaced, its totals stay.
 *   What it used `before` counts, and its unsettled part for the run as well, where this gateway knows nothing of it yet.
 * - `revoke` {attempt} → {@link AttemptTotals}: its token is worth nothing from here on; what it has under way is cut.
 * - `totals` {} → {attempts: AttemptTotals[]}: of every attempt since the gateway started, revoked or not.
 * - `events` {after: number} → then JSON Lines of {@link GatewayEvent} on the answer's stream, for as long as the session
 *   lasts, those numbered above `after` first (a bounded number of them is kept).
 * - `request` {attempt, method, path, headers: [name, value][]} with the body as the call's stream → {status, headers}, then
 *   the response's body: a model request as if the attempt had sent it, for agents that think on the coordinator.
 * - `toolbox` {attempt, method, params} with streams both ways: relayed to the toolbox in that attempt's sandbox;
 *   fails with TOOLBOX_ABSENT while there is none, TOOLBOX_LOST when it goes during the call.
 * - `dials` {} → then JSON Lines of {@link DialWanted}: connections that the coordinator shall make.
 * - `dial` {id} with streams both ways: the connection that was wanted; `dialFailed` {id, code, message}: it cannot be had,
 *   `code` being `address-not-allowed` or `upstream-unreachable`.
 */

import type { Caps, ModelApi, Price, Spent, Usage } from '../types.ts';
import type { Ranges } from './addresses.ts';

/** Port of 127.0.0.1 in a sandbox that the toolbox forwards to the gateway's socket. */
export const GATEWAY_PORT = 47_821;
/** Where the gateway's volume is mounted: read-only in sandboxes, writable in the gateway. */
export const GATEWAY_MOUNT = '/run/orchestrate';
export const GATEWAY_SOCKET = `${GATEWAY_MOUNT}/gateway.sock`;
/** In the gateway's own tmpfs: nothing but an exec into its container reaches it. */
export const CONTROL_SOCKET = '/run/control/control.sock';

/** Who makes a connection to the outside: the gateway itself, or the coordinator on its behalf. */
export type Via = 'direct' | 'coordinator';

/** A model service. */
export interface Upstream {
  readonly api: ModelApi;
  /** Without `/v1` and without a slash at the end: `https://api.anthropic.com`, `http://127.0.0.1:4010/prefix`. */
  readonly baseUrl: string;
  /** Set on every request in place of whatever the sandbox sent; the value is the secret. */
  readonly auth: { readonly header: 'x-api-key' | 'authorization'; readonly value: string };
  readonly via: Via;
  /**
   * The coordinator, which makes the connections, ends TLS as well: the gateway sends plain HTTP with a stand-in for the
   * key, which the coordinator replaces on the way. So no key leaves its machine.
   */
  readonly plain?: boolean;
  /** Added to each request's `anthropic-beta`: what the key itself needs (`oauth-2025-04-20` where it is an OAuth token). */
  readonly betas?: readonly string[];
}

/** What became of a key's trial. */
export interface KeyTrial {
  /** HTTP status of the service's answer; null: it could not be reached. */
  readonly status: number | null;
  /** What the service, or the connection, said; without the key. */
  readonly message: string;
}

export interface Configuration {
  readonly upstreams: readonly Upstream[];
  /** Who dials for the forward proxy. */
  readonly egressVia: Via;
  /** Certificate authorities (PEM) beside the well-known ones; null: none. */
  readonly extraCa: string | null;
  /** By model id, whose snapshots (a date at the end) cost the same; a model that is not here has no known price. */
  readonly prices: Readonly<Record<string, Price>>;
  /** Of the whole run, all attempts together. */
  readonly caps: Caps;
  /**
   * The caps are this gateway's slice of what several share: what does not fit waits for a `grant`. `spent` is what this
   * gateway alone has counted then, not what the run spent elsewhere.
   */
  readonly isSlice?: boolean;
  /**
   * What the run has spent in all, as far as the coordinator knows, without the unsettled part of attempts that it opens; the
   * gateway goes by this or its own count, whichever is more.
   */
  readonly spent: Spent;
}

/** Of a gateway's own count, since it was started. */
export interface SliceUse {
  /** Gone for good, with what earlier gateways may have spent. */
  readonly used: Spent;
  /** The most that requests under way may come to. */
  readonly reserved: Spent;
}

/** Sizes of the whole slice that would let requests in at once which wait: the most modest one of them, all of them. */
export interface WantedSlices {
  readonly least: Spent;
  readonly most: Spent;
}

/** A host that the forward proxy may reach. */
export interface EgressRule {
  /** Exact (`registry.example.org`), or `*.example.org` for any name below it. Lower case. */
  readonly host: string;
  readonly ports: readonly number[];
  /** An address range (CIDR) of the private or local kind that the host may resolve to; null: public addresses only. */
  readonly cidr: string | null;
  /** Sent as `authorization` where TLS ends at the gateway, or in the clear within `cidr`; null: nothing. */
  readonly authorization: string | null;
}

/** What one attempt may do. */
export interface AttemptAccess {
  readonly attempt: string;
  /** 256 random bits in hexadecimal: what the sandbox has instead of a key. */
  readonly token: string;
  /** A second one, which only PID 1 of the sandbox knows; null where it serves no tools. */
  readonly toolboxToken: string | null;
  /** Which model services it may ask. */
  readonly apis: readonly ModelApi[];
  /** The only models it may ask for; null: any. */
  readonly models: readonly string[] | null;
  /** Hosts that it may reach; an empty list denies all. */
  readonly allow: readonly EgressRule[];
  readonly caps: Caps;
  /** As an earlier gateway counted it; not given: nothing. */
  readonly before?: Before | undefined;
}

/** What an attempt had used when the gateway that counted it was gone. */
export interface Before {
  readonly usage: Usage;
  readonly requests: number;
  /** What its requests that were under way then may have cost at most. */
  readonly unsettled: Spent;
}

export interface AttemptTotals extends Before {
  readonly attempt: string;
  readonly usage: Usage;
  /** Requests to models that were answered. */
  readonly requests: number;
  /** Of earlier gateways alone: what was under way here is cut and counted. */
  readonly unsettled: Spent;
  /** `host:port`, the reason code and the flag that would allow it (null: none would), each kind once. */
  readonly denied: readonly Denied[];
}

export interface Denied {
  readonly host: string;
  readonly reason: DenialCode;
  readonly allowWith: string | null;
}

/** Why something was refused; sent to the sandbox in the error's body and header `x-orchestrate-reason`. */
export type DenialCode =
  | 'bad-token'
  | 'revoked-token'
  | 'bad-request'
  | 'path-not-allowed'
  | 'api-not-allowed'
  | 'model-not-allowed'
  | 'feature-not-allowed'
  | 'too-large'
  | 'unknown-price'
  | 'over-budget'
  | 'host-not-allowed'
  | 'port-not-allowed'
  | 'address-not-allowed'
  | 'sni-mismatch'
  | 'upstream-unreachable'
  /** The service answered with something that is not passed on: a redirect, an encoding that was not asked for. */
  | 'upstream-answer'
  /** The service refuses our key. */
  | 'key-refused'
  /** More at one time than one attempt, or all together, may have. */
  | 'too-many'
  | 'not-configured';

export type GatewayEvent = { readonly seq: number; readonly at: string } & (
  | {
      readonly type: 'usage';
      readonly attempt: string;
      readonly api: ModelApi;
      readonly model: string;
      /** Of this request alone. */
      readonly usage: Usage;
      /** Of the attempt so far. */
      readonly total: Usage;
    }
  /**
   * Where anything is capped: what the attempt may have cost beside its usage, by requests under way here and by those of
   * `before`. Told before a request is passed on, and once it is counted.
   */
  | ({ readonly type: 'unsettled'; readonly attempt: string } & Spent)
  /** The attempt is being answered: told now and then while bytes flow. */
  | { readonly type: 'traffic'; readonly attempt: string }
  | ({ readonly type: 'denied'; readonly attempt: string } & Denied)
  /** The service wants us to wait: requests of all attempts to it are held and go on by themselves. `until`: ISO 8601. */
  | { readonly type: 'limited'; readonly api: ModelApi; readonly status: number; readonly until: string }
  | { readonly type: 'resumed'; readonly api: ModelApi }
  /** The service refuses our key: no request to it can succeed. */
  | { readonly type: 'key-refused'; readonly api: ModelApi; readonly status: number; readonly message: string }
  /** The next request would go over a cap, or one was cut in mid-stream because it did. */
  | {
      readonly type: 'over-budget';
      readonly attempt: string;
      readonly scope: 'attempt' | 'run';
      readonly unit: 'usd' | 'tokens';
    }
  /** Requests wait for a bigger slice. */
  | ({ readonly type: 'wants-budget' } & WantedSlices)
  /** A gateway with a slice was configured: what was under way in the one before it is over. */
  | { readonly type: 'configured' }
  /** One line of the audit: a request to a model or a connection through the forward proxy that has ended. */
  | {
      readonly type: 'audit';
      readonly attempt: string | null;
      readonly method: string;
      readonly host: string;
      /** Null inside CONNECT. */
      readonly path: string | null;
      readonly status: number;
      readonly reason: DenialCode | null;
      readonly bytesIn: number;
      readonly bytesOut: number;
      readonly ms: number;
    }
);

export interface DialWanted {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  /** Which addresses it may go to; the coordinator checks them. */
  readonly ranges: Ranges;
}
