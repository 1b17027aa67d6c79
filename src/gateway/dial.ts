/** How the gateway makes connections: resolve once, check every address, dial the checked one, TLS on top. */

import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Duplex } from 'node:stream';
import { connect as connectTls, createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { parseAddress, permits, type Ranges } from './addresses.ts';
import type { Via } from './protocol.ts';

/** From the first look at the name to a connection that may be used, TLS included. */
export const DIAL_TIMEOUT_MS = 20_000;
/** An address that has not answered by then does not hold up the next one. */
const NEXT_ADDRESS_MS = 300;

export interface Target {
  /** A name or an address, without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface DialOptions {
  /** TLS with the well-known authorities and `ca` (PEM) beside them; null: bytes as they are. */
  readonly tls: { readonly servername: string; readonly ca: string | null } | null;
  /** Which addresses the name may stand for; the others are dropped. */
  readonly ranges: Ranges;
  readonly via: Via;
  /** Gives up; the connection, once handed over, is its owner's. */
  readonly signal: AbortSignal;
}

export interface Dialer {
  /**
   * A connection to the target: open and, where asked for, with TLS verified.
   * @throws DialError when it cannot be had; the signal's reason when that fired before
   */
  dial(target: Target, options: DialOptions): Promise<Duplex>;
}

/** `address-not-allowed`: the name stands for no address that may be dialled; else nobody there speaks to us. */
export class DialError extends Error {
  override readonly name = 'DialError';
  readonly code: 'address-not-allowed' | 'upstream-unreachable';

  constructor(code: DialError['code'], message: string, options?: { readonly cause: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** Every address of a name, best first; rejects where there is none. */
export type Resolver = (host: string) => Promise<readonly string[]>;

/** What {@link connectTo} needs of this machine. */
export interface Network {
  readonly resolve: Resolver;
  /** Addresses of this machine itself, now. */
  readonly ownAddresses: () => readonly string[];
}

export const systemNetwork: Network = {
  resolve: async (host) => (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address),
  ownAddresses: () => Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address)),
};

export interface DialerParts {
  /**
   * The coordinator makes the connection, with the same check of the address. May reject with a DialError; anything
   * else counts as `upstream-unreachable`.
   */
  readonly relay: (target: Target & { readonly ranges: Ranges }, signal: AbortSignal) => Promise<Duplex>;
  /** For tests; by default this machine's. */
  readonly network?: Network;
}

export function createDialer({ relay, network = systemNetwork }: DialerParts): Dialer {
  return {
    async dial(target, { tls, ranges, via, signal }) {
      signal.throwIfAborted();
      const timeout = AbortSignal.timeout(DIAL_TIMEOUT_MS);
      const either = AbortSignal.any([signal, timeout]);
      try {
        const socket =
          via === 'direct'
            ? await connectTo(target, { ranges, network, signal: either })
            : held(await orAborted(relay({ ...target, ranges }, either), either));
        return tls === null ? socket : await secure(socket, tls, either);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof DialError) throw error;
        const why = timeout.aborted ? `no answer within ${DIAL_TIMEOUT_MS / 1000} s` : messageOf(error);
        throw new DialError('upstream-unreachable', `${target.host}:${target.port}: ${why}`, { cause: error });
      }
    },
  };
}

/**
 * A TCP connection to one of the target's addresses that `ranges` permits. The name is looked up once; what is dialled is
 * the very address that was checked, so that a name cannot stand for another one by then.
 * @throws DialError
 */
export async function connectTo(
  target: Target,
  options: { readonly ranges: Ranges; readonly network: Network; readonly signal: AbortSignal },
): Promise<Duplex> {
  const { ranges, network, signal } = options;
  const addresses = isIP(target.host) === 0 ? await lookUp(target.host, network, signal) : [target.host];
  const own = network.ownAddresses();
  const permitted = addresses.filter((address) => permits(ranges, address, own));
  if (permitted.length === 0) {
    throw new DialError('address-not-allowed', `${target.host} stands for no address that may be reached`);
  }
  return first(inTurns(permitted), target.port, signal);
}

async function lookUp(host: string, network: Network, signal: AbortSignal): Promise<readonly string[]> {
  try {
    return await orAborted(network.resolve(host), signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new DialError('upstream-unreachable', `${host} cannot be looked up: ${messageOf(error)}`, { cause: error });
  }
}

/** The families in turns, the one that the resolver likes best first: a broken one costs one delay, not one per address. */
function inTurns(addresses: readonly string[]): readonly string[] {
  const family = (address: string) => parseAddress(address)?.family;
  const preferred = addresses.filter((address) => family(address) === family(addresses[0] ?? ''));
  const others = addresses.filter((address) => family(address) !== family(addresses[0] ?? ''));
  return preferred
    .flatMap((address, index) => [address, ...others.slice(index, index + 1)])
    .concat(others.slice(preferred.length));
}

/** The first connection to come about; the next address is tried when one failed or is slow. */
function first(addresses: readonly string[], port: number, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const sockets = new Set<ReturnType<typeof connectTcp>>();
    const waiting = [...addresses];
    let timer: NodeJS.Timeout | undefined;
    let lastError: Error | null = null;
    const settle = (act: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      for (const socket of sockets) socket.destroy();
      act();
    };
    const onAbort = () => settle(() => reject(signal.reason));
    const next = () => {
      clearTimeout(timer);
      const host = waiting.shift();
      if (host === undefined) {
        if (sockets.size === 0) settle(() => reject(lastError));
        return;
      }
      const socket = connectTcp({ host, port, noDelay: true });
      sockets.add(socket);
      const onError = (error: Error) => {
        sockets.delete(socket);
        lastError = error;
        next();
      };
      socket.once('error', onError);
      socket.once('connect', () => {
        sockets.delete(socket);
        socket.removeListener('error', onError);
        settle(() => resolve(held(socket)));
      });
      timer = setTimeout(next, NEXT_ADDRESS_MS);
    };
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener('abort', onAbort);
    next();
  });
}

let withExtraCa: { readonly ca: string; readonly context: SecureContext } | null = null;

/** Null: the well-known authorities alone, whose context Node keeps itself. */
function contextWith(ca: string | null): SecureContext | null {
  if (ca === null) return null;
  if (withExtraCa?.ca !== ca) {
    withExtraCa = { ca, context: createSecureContext({ ca: [...rootCertificates, ca], minVersion: 'TLSv1.2' }) };
  }
  return withExtraCa.context;
}

/** TLS over a connection; it closes with its own. @throws whatever the handshake or the certificate says */
export function secure(
  socket: Duplex,
  tls: { readonly servername: string; readonly ca: string | null },
  signal: AbortSignal,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const context = contextWith(tls.ca);
    const named = isIP(tls.servername) === 0 ? { servername: tls.servername } : { host: tls.servername };
    const secured = connectTls({
      socket,
      ...named,
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
      ...(context === null ? {} : { secureContext: context }),
    });
    const fail = (error: Error) => {
      signal.removeEventListener('abort', onAbort);
      secured.destroy();
      socket.destroy();
      reject(error);
    };
    const onAbort = () => fail(signal.reason);
    const onClose = () => fail(new Error('the connection was closed before TLS was agreed'));
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort);
    secured.once('error', fail);
    secured.once('close', onClose);
    secured.once('secureConnect', () => {
      signal.removeEventListener('abort', onAbort);
      secured.removeListener('error', fail);
      secured.removeListener('close', onClose);
      resolve(held(secured));
    });
  });
}

/** An error before its owner listens must not end the program: it also closes the stream, which every owner sees. */
function held<T extends Duplex>(stream: T): T {
  return stream.on('error', () => {});
}

/** The promise, unless the signal fires first; what it gives after that is closed. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort);
  });
  try {
    signal.throwIfAborted();
    return await Promise.race([promise, aborted]);
  } catch (error) {
    void promise.then(close, () => {});
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function close(late: unknown): void {
  if (typeof late === 'object' && late !== null && 'destroy' in late && typeof late.destroy === 'function') {
    late.destroy();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
