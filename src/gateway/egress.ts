/** What every way out to a host other than a model service has in common: who asks, whether it may, what it is told. */

import type { Duplex } from 'node:stream';
import { DialError, type Dialer } from './dial.ts';
import type { DenialCode, Denied, EgressRule, GatewayEvent, Via } from './protocol.ts';
import { judge, normaliseHost, type Verdict } from './rules.ts';

/** An attempt that the server has authenticated. */
export interface EgressAttempt {
  readonly attempt: string;
  /** Asked anew for every request. */
  readonly allow: readonly EgressRule[];
  /** Fires when its token is revoked: what it has under way is cut. */
  readonly signal: AbortSignal;
}

/** `bytesOut` left the sandbox, `bytesIn` came back; bodies, and what went through a tunnel. */
export type AuditLine = Omit<Extract<GatewayEvent, { readonly type: 'audit' }>, 'seq' | 'at' | 'type'>;

export interface EgressParts {
  readonly dialer: Dialer;
  /** As configured now; null before the first configuration. */
  readonly settings: () => { readonly via: Via; readonly ca: string | null } | null;
  /** Called for everything that is refused, however often it happens. */
  readonly onDenied: (attempt: string, denied: Denied) => void;
  readonly onAudit: (line: AuditLine) => void;
}

/** In the audit alone: nobody is there to be told. */
const CLIENT_LEFT = 499;

/** A request ends here. The message is for the agent and holds nothing that it does not know. */
export class Denial extends Error {
  override readonly name = 'Denial';

  constructor(
    /** `host:port` as asked for, printable. */
    readonly host: string,
    readonly reason: DenialCode,
    message: string,
    readonly allowWith: string | null = null,
  ) {
    super(message);
  }
}

const SAID: Partial<Record<DenialCode, string>> = {
  'host-not-allowed': 'is not on the list of hosts that this attempt may reach',
  'port-not-allowed': 'may be reached, but not at this port',
  'address-not-allowed': 'is an address; hosts are reached by name',
  'bad-request': 'is not the name of a host',
};

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** @throws Denial unless a rule allows it */
export function admit(attempt: EgressAttempt, { host, port }: Place): Extract<Verdict, { allowed: true }> {
  const verdict = judge(attempt.allow, host, port);
  if (verdict.allowed) return verdict;
  const place = placeOf(host, port);
  throw new Denial(place, verdict.reason, `${place} ${SAID[verdict.reason] ?? 'is refused'}`, verdict.allowWith);
}

/** A connection that was admitted. @throws Denial */
export async function open(
  { dialer, settings }: EgressParts,
  { host, port, ranges, tls }: Place & Pick<Extract<Verdict, { allowed: true }>, 'ranges'> & { readonly tls: boolean },
  signal: AbortSignal,
): Promise<Duplex> {
  const place = placeOf(host, port);
  const now = settings();
  if (now === null) throw new Denial(place, 'not-configured', 'the gateway waits for its coordinator');
  try {
    const secure = tls ? { servername: host, ca: now.ca } : null;
    return await dialer.dial({ host, port }, { tls: secure, ranges, via: now.via, signal });
  } catch (error) {
    if (!(error instanceof DialError)) throw error;
    throw new Denial(place, error.code, `${place} ${faultOf(error)}`);
  }
}

/** Without the words of the error itself, which may name addresses and proxies of the user's network. */
function faultOf({ code, cause }: DialError): string {
  if (code === 'address-not-allowed') return 'stands for no address that this attempt may reach';
  const known = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? ` (${cause.code})` : '';
  return `cannot be reached${known}`;
}

/** What a request ended with that did not end well; null: its client left. */
export function denialOf(error: unknown, attempt: EgressAttempt, host: string, client: AbortSignal): Denial | null {
  if (attempt.signal.aborted) return new Denial(host, 'revoked-token', 'the attempt is over');
  if (client.aborted) return null;
  if (error instanceof Denial) return error;
  return new Denial(host, 'upstream-unreachable', error instanceof Error ? error.message : 'cannot be reached');
}

/** Faults that no rule is the reason of. */
const NOT_DENIED: ReadonlySet<DenialCode> = new Set(['upstream-unreachable', 'not-configured', 'revoked-token']);

/** Tells the audit, and whoever looks after denials. */
export function report(parts: EgressParts, line: Omit<AuditLine, 'reason' | 'status'>, denial: Denial | null): void {
  if (denial === null) {
    parts.onAudit({ ...line, status: CLIENT_LEFT, reason: null });
    return;
  }
  const { reason, host, allowWith } = denial;
  if (!NOT_DENIED.has(reason) && line.attempt !== null) parts.onDenied(line.attempt, { host, reason, allowWith });
  parts.onAudit({ ...line, status: statusOf(reason), reason });
}

export function refusal(denial: Denial) {
  const { reason, host, allowWith, message } = denial;
  const body = Buffer.from(
    `${JSON.stringify({ reason, host, allowWith, message: `orchestrate gateway: ${message}` })}\n`,
  );
  return {
    status: statusOf(reason),
    headers: {
      'content-type': 'application/json',
      'content-length': String(body.length),
      'x-orchestrate-reason': reason,
    },
    body,
  };
}

function statusOf(reason: DenialCode): number {
  if (reason === 'bad-request') return 400;
  if (reason === 'revoked-token') return 401;
  if (reason === 'upstream-unreachable') return 502;
  return reason === 'not-configured' ? 503 : 403;
}

export function placeOf(host: string, port: number): string {
  return shown(`${normaliseHost(host) ?? host}:${port}`);
}

/** Printable and short, for events: what an agent asks for can be anything. */
export function shown(text: string): string {
  return text.replace(/[^\x21-\x7e]/g, '?').slice(0, 260);
}

/** Whole milliseconds from a `performance.now()` on. */
export function elapsed(began: number): number {
  return Math.round(performance.now() - began);
}
