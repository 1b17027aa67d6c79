// How connections are made: one look at the name, checked addresses, TLS that is verified, no way round.
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { Duplex } from 'node:stream';
import type tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  connectTo,
  createDialer,
  type Dialer,
  type DialOptions,
  type Network,
  systemNetwork,
} from '../../src/gateway/dial.ts';
import { type Certificate, makeCertificate } from '../support/certificates.ts';
import { Origin, readAll } from '../support/egress.ts';

const HOST = 'registry.example.org';
const LOOPBACK = { cidr: '127.0.0.0/8' };

const never = () => new AbortController().signal;

function networkOf(names: Readonly<Record<string, readonly string[]>>, own: readonly string[] = []): Network {
  return {
    resolve: async (host) => names[host] ?? Promise.reject(new Error(`no such name: ${host}`)),
    ownAddresses: () => own,
  };
}

function dialerOf(network: Network, relay = () => Promise.reject<Duplex>(new Error('not asked for'))): Dialer {
  return createDialer({ relay, network });
}

/** The connection without anything of a socket. */
function bytesOf(socket: net.Socket): Duplex {
  const bytes: Duplex = new Duplex({
    read: () => void socket.resume(),
    write: (chunk, _encoding, done) => void socket.write(chunk, () => done()),
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (chunk) => bytes.push(chunk)).on('end', () => bytes.push(null));
  return bytes;
}

function options(more: Partial<DialOptions> = {}): DialOptions {
  return { tls: null, ranges: LOOPBACK, via: 'direct', signal: never(), ...more };
}

describe('dialling', () => {
  let origin: Origin;
  beforeAll(async () => {
    origin = await Origin.raw((socket) => socket.end('hello'));
  });
  afterAll(() => origin[Symbol.asyncDispose]());

  it('goes to the next address when one does not answer', async () => {
    const dialer = dialerOf(networkOf({ [HOST]: ['127.0.0.3', '127.0.0.2', '127.0.0.1'] }));
    expect(await readAll(await dialer.dial({ host: HOST, port: origin.port }, options()))).toBe('hello');
  });

  it('drops the addresses that may not be reached and takes the others', async () => {
    origin.connections = 0;
    const dialer = dialerOf(networkOf({ [HOST]: ['127.0.0.1', '127.0.0.2'] }));
    const target = { host: HOST, port: origin.port };
    await expect(dialer.dial(target, options({ ranges: { cidr: '127.0.0.2/32' } }))).rejects.toMatchObject({
      name: 'DialError',
      code: 'upstream-unreachable',
    });
    expect(origin.connections).toBe(0);
    (await dialer.dial(target, options({ ranges: { cidr: '127.0.0.1/32' } }))).destroy();
  });

  it.each(['127.0.0.1', '::1', '::ffff:127.0.0.1', '0.0.0.0', '::', '169.254.169.254'])(
    'refuses the address %s where only public ones are allowed',
    async (address) => {
      origin.connections = 0;
      const network = networkOf({ [HOST]: [address] });
      for (const host of [HOST, address]) {
        await expect(
          dialerOf(network).dial({ host, port: origin.port }, options({ ranges: 'public' })),
        ).rejects.toMatchObject({ code: 'address-not-allowed' });
      }
      expect(origin.connections).toBe(0);
    },
  );

  it("refuses this machine's own names and addresses", async () => {
    origin.connections = 0;
    const target = { host: 'localhost', port: origin.port };
    await expect(dialerOf(systemNetwork).dial(target, options({ ranges: 'public' }))).rejects.toMatchObject({
      code: 'address-not-allowed',
    });
    const own = networkOf({ [HOST]: ['8.8.8.8'] }, ['8.8.8.8']);
    await expect(dialerOf(own).dial({ host: HOST, port: 443 }, options({ ranges: 'public' }))).rejects.toMatchObject({
      code: 'address-not-allowed',
    });
    expect(systemNetwork.ownAddresses()).toContain('127.0.0.1');
    expect(origin.connections).toBe(0);
  });

  it('reaches loopback where the user configured it', async () => {
    const socket = await dialerOf(systemNetwork).dial(
      { host: 'localhost', port: origin.port },
      options({ ranges: 'any' }),
    );
    expect(await readAll(socket)).toBe('hello');
  });

  it('says what cannot be looked up or reached', async () => {
    const dialer = dialerOf(networkOf({ [HOST]: ['127.0.0.2'] }));
    await expect(dialer.dial({ host: 'nowhere.example', port: 1 }, options())).rejects.toMatchObject({
      code: 'upstream-unreachable',
      message: 'nowhere.example cannot be looked up: no such name: nowhere.example',
    });
    await expect(dialer.dial({ host: HOST, port: origin.port }, options())).rejects.toThrow('ECONNREFUSED');
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    let asked = () => {};
    const looking = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const network: Network = {
      resolve: () => {
        asked();
        return new Promise(() => {});
      },
      ownAddresses: () => [],
    };
    const dialled = dialerOf(network).dial({ host: HOST, port: 1 }, options({ signal: stop.signal }));
    await looking;
    stop.abort(reason);
    await expect(dialled).rejects.toBe(reason);
    await expect(dialerOf(network).dial({ host: HOST, port: 1 }, options({ signal: stop.signal }))).rejects.toBe(
      reason,
    );
    await expect(
      connectTo({ host: '127.0.0.1', port: origin.port }, { ranges: 'any', network, signal: stop.signal }),
    ).rejects.toBe(reason);
  });

  it('survives a connection that is reset before anybody listens', async () => {
    let reset = () => {};
    await using rude = await Origin.raw((socket) => {
      reset = () => void socket.resetAndDestroy();
      socket.write('hello');
    });
    const socket = await dialerOf(systemNetwork).dial({ host: '127.0.0.1', port: rude.port }, options());
    await once(socket, 'data');
    reset();
    // `once` would listen for the error, too.
    await new Promise((resolve) => socket.on('close', resolve));
    expect(socket.destroyed).toBe(true);
  });

  describe('with TLS', () => {
    let certificate: Certificate;
    let secure: Origin;
    beforeAll(async () => {
      certificate = await makeCertificate(`DNS:${HOST}`, 'IP:127.0.0.1');
      secure = await Origin.start(certificate, (_, response) => response.end('secret'));
    });
    afterAll(() => secure[Symbol.asyncDispose]());

    const dialer = dialerOf(networkOf({ [HOST]: ['127.0.0.1'] }));
    const dial = (servername: string, ca: string | null) =>
      dialer.dial({ host: HOST, port: secure.port }, options({ tls: { servername, ca } }));

    it('is verified by name', async () => {
      const socket = (await dial(HOST, certificate.cert)) as tls.TLSSocket;
      expect(socket.authorized).toBe(true);
      socket.destroy();
      await expect(dial('other.example.org', certificate.cert)).rejects.toMatchObject({
        code: 'upstream-unreachable',
        message: expect.stringContaining("does not match certificate's altnames"),
      });
    });

    it('is verified by address where that is the name', async () => {
      const socket = (await dial('127.0.0.1', certificate.cert)) as tls.TLSSocket;
      expect(socket.authorized).toBe(true);
      socket.destroy();
      await expect(dial('127.0.0.2', certificate.cert)).rejects.toThrow('altnames');
    });

    it('is refused from an authority that nobody named', async () => {
      await expect(dial(HOST, null)).rejects.toThrow('self-signed certificate');
      const other = await makeCertificate(`DNS:${HOST}`);
      await expect(dial(HOST, other.cert)).rejects.toThrow(/certificate|self-signed/);
    });

    it('is given up when the other side does not speak it, or says nothing', async () => {
      await using deaf = await Origin.raw((socket) => socket.end('SSH-2.0-x\r\n'));
      const target = (port: number) => ({ host: HOST, port });
      const tlsOptions = { tls: { servername: HOST, ca: null } };
      await expect(dialer.dial(target(deaf.port), options(tlsOptions))).rejects.toMatchObject({
        code: 'upstream-unreachable',
      });
      const stop = new AbortController();
      let closed = Promise.resolve<unknown>(null);
      await using mute = await Origin.raw((socket) => {
        socket.resume();
        closed = once(socket, 'close');
        stop.abort(new Error('enough'));
      });
      const dialled = dialer.dial(target(mute.port), options({ ...tlsOptions, signal: stop.signal }));
      await expect(dialled).rejects.toThrow('enough');
      await closed;
    });

    it('stands on what the coordinator connects', async () => {
      const wanted: unknown[] = [];
      const relay = async (target: unknown) => {
        wanted.push(target);
        // Nothing but a stream of bytes: the coordinator is at the other end of a session.
        const socket = net.connect(secure.port, '127.0.0.1');
        return bytesOf(socket);
      };
      const relayed = createDialer({ relay, network: networkOf({}) });
      const socket = await relayed.dial(
        { host: HOST, port: 443 },
        options({ via: 'coordinator', ranges: 'public', tls: { servername: HOST, ca: certificate.cert } }),
      );
      const request = http.get({ createConnection: () => socket, headers: { host: HOST } });
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      expect(response.statusCode).toBe(200);
      response.destroy();
      expect(wanted).toEqual([{ host: HOST, port: 443, ranges: 'public' }]);
    });
  });

  it('closes what the coordinator connects too late', async () => {
    const stop = new AbortController();
    let give = (_: Duplex) => {};
    const relay = () =>
      new Promise<Duplex>((resolve) => {
        give = resolve;
      });
    const dialled = dialerOf(networkOf({}), relay).dial(
      { host: HOST, port: 1 },
      options({ via: 'coordinator', signal: stop.signal }),
    );
    stop.abort(new Error('enough'));
    await expect(dialled).rejects.toThrow('enough');
    const late = net.connect(origin.port, '127.0.0.1');
    const closed = once(late, 'close');
    give(late);
    await closed;
  });
});
