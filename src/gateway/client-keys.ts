/**
 * Keys of the services that the coordinator dials: they stay on its machine. The gateway is told stand-ins, worth nothing
 * elsewhere, and each is replaced in what it sends on a connection to its own service.
 */

import { createHmac } from 'node:crypto';
import { Duplex } from 'node:stream';
import type { DialFor } from './client-dials.ts';
import { DIAL_TIMEOUT_MS, secure } from './dial.ts';
import type { Configuration, DialWanted, Upstream } from './protocol.ts';
import { type Replacement, replacing } from './replace.ts';

interface Service {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly ca: string | null;
  readonly key: string;
  readonly standIn: string;
}

/** Shorter ones would be found in answers by chance. */
const LEAST_TO_MASK = 12;

export class HomeKeys {
  readonly #dial: DialFor;
  #services: readonly Service[] = [];

  constructor(dial: DialFor) {
    this.#dial = dial;
  }

  /** What may be told to the gateway. */
  keep(configuration: Configuration): Configuration {
    const kept = configuration.upstreams.map((upstream) => {
      if (upstream.via === 'direct') return { upstream, service: null };
      const service = serviceOf(upstream, configuration.extraCa);
      const auth = { ...upstream.auth, value: upstream.auth.value.replace(service.key, service.standIn) };
      return { upstream: { ...upstream, auth, plain: true }, service };
    });
    this.#services = kept.flatMap(({ service }) => (service === null ? [] : [service]));
    return { ...configuration, upstreams: kept.map(({ upstream }) => upstream) };
  }

  /** @throws whatever the dial function given or TLS does */
  async dial(wanted: Omit<DialWanted, 'id'>): Promise<Duplex> {
    const connection = await this.#dial(wanted);
    const services = wanted.ranges === 'any' ? this.#services.filter((service) => isAt(service, wanted)) : [];
    const [first] = services;
    if (first === undefined) return connection;
    const tls = { servername: first.host, ca: first.ca };
    const open = first.tls ? await secure(connection, tls, AbortSignal.timeout(DIAL_TIMEOUT_MS)) : connection;
    return withKeys(open, services);
  }
}

function serviceOf({ baseUrl, auth }: Upstream, ca: string | null): Service {
  const { protocol, hostname, port } = new URL(baseUrl);
  const tls = protocol === 'https:';
  const usual = tls ? 443 : 80;
  const key = auth.value.replace(/^Bearer +/i, '');
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? usual : Number(port),
    tls,
    ca,
    key,
    // The same each time: a request that waits in the gateway while a coordinator is killed goes out through the next one.
    // No body ends with a letter: the replacer never has to hold its last byte back.
    standIn: `stand-in-${createHmac('sha256', key).update(baseUrl).digest('hex')}`,
  };
}

function isAt(service: Service, { host, port }: Omit<DialWanted, 'id'>): boolean {
  return service.host === host && service.port === port;
}

/** Keys go out in the place of stand-ins; where a service quotes one, the gateway sees as many asterisks. */
function withKeys(connection: Duplex, services: readonly Service[]): Duplex {
  const out: Replacement[] = services.map(({ key, standIn }) => ({
    find: Buffer.from(standIn),
    put: Buffer.from(key),
  }));
  const quoted = services.filter(({ key }) => key.length >= LEAST_TO_MASK);
  const masks = quoted.map(({ key }) => ({ find: Buffer.from(key), put: Buffer.from('*'.repeat(key.length)) }));
  const outgoing = replacing(out);
  const incoming = replacing(masks);
  const duplex = Duplex.from({ writable: outgoing, readable: incoming });
  duplex.on('error', () => {});
  // Not a pipeline: a service may close after its answer while the other direction is still open.
  outgoing.pipe(connection);
  connection.pipe(incoming);
  connection.once('close', () => {
    if (!connection.readableEnded) duplex.destroy();
  });
  duplex.once('close', () => connection.destroy());
  return duplex;
}
