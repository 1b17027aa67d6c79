// What the coordinator connects to for its gateway, and how it gets through the proxy of the user's network.
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createCoordinatorDial } from '../../src/gateway/coordinator-dial.ts';
import { type CorporateProxy, proxyFor, readProxyVariables } from '../../src/gateway/corporate-proxy.ts';
import type { EgressRule, Upstream } from '../../src/gateway/protocol.ts';
import { type Certificate, makeCertificate } from '../support/certificates.ts';
import { Origin, readAll } from '../support/egress.ts';

const HOST = 'registry.example.org';

const rule = (host: string, port: number, cidr: string | null = null): EgressRule => ({
  host,
  ports: [port],
  cidr,
  authorization: null,
});
const upstream = (baseUrl: string): Upstream => ({
  api: 'anthropic',
  baseUrl,
  auth: { header: 'x-api-key', value: 'sk-test-1' },
  via: 'coordinator',
});

/** A proxy as companies have them. */
class FakeProxy implements AsyncDisposable {
  readonly asked: { readonly target: string; readonly authorization: string | undefined }[] = [];
  readonly #server: http.Server;
  /** Where it connects to, whatever it is asked for. */
  #port: number;

  private constructor(server: http.Server, port: number) {
    this.#server = server;
    this.#port = port;
  }

  static async start(port: number, options: { readonly certificate?: Certificate; readonly status?: number } = {}) {
    const { certificate, status = 200 } = options;
    const server = certificate === undefined ? http.createServer() : https.createServer({ ...certificate });
    const proxy = new FakeProxy(server, port);
    server.on('connect', (request: http.IncomingMessage, socket: Duplex) => {
      proxy.asked.push({ target: request.url ?? '', authorization: request.headers['proxy-authorization'] });
      if (status !== 200) return void socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`);
      const outside = net.connect(proxy.#port, '127.0.0.1');
      // The answer and the first bytes in one piece: nothing of them may be lost.
      outside.once('data', (first: Buffer) => {
        socket.write(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nX-Any: thing\r\n\r\n'), first]));
        outside.pipe(socket).pipe(outside);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  variables(scheme = 'http', credentials = ''): CorporateProxy | null {
    const { port } = this.#server.address() as net.AddressInfo;
    const url = `${scheme}://${credentials}127.0.0.1:${port}`;
    return readProxyVariables({ httpsProxy: url, httpProxy: url, noProxy: null });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

describe('the coordinator', () => {
  let origin: Origin;
  const lookedUp: string[] = [];
  const network = {
    resolve: async (host: string) => {
      lookedUp.push(host);
      return ['127.0.0.1'];
    },
    ownAddresses: () => [],
  };

  beforeAll(async () => {
    origin = await Origin.raw((socket) => socket.write('hello', () => socket.end()));
  });
  afterAll(() => origin[Symbol.asyncDispose]());
  beforeEach(() => {
    lookedUp.length = 0;
    origin.connections = 0;
  });

  const dialWith = (proxy: CorporateProxy | null, rules: readonly EgressRule[], upstreams: readonly Upstream[] = []) =>
    createCoordinatorDial({ configured: () => ({ upstreams, rules }), proxy, extraCa: null, network });

  it("connects to the user's model service wherever that is", async () => {
    const dial = dialWith(null, [], [upstream(`http://127.0.0.1:${origin.port}/prefix`)]);
    expect(await readAll(await dial({ host: '127.0.0.1', port: origin.port, ranges: 'any' }))).toBe('hello');
  });

  it('connects to allowed hosts in their range', async () => {
    const dial = dialWith(null, [rule('*.corp.example', origin.port, '127.0.0.1/32')]);
    const wanted = { host: 'git.corp.example', port: origin.port, ranges: { cidr: '127.0.0.1/32' } };
    expect(await readAll(await dial(wanted))).toBe('hello');
  });

  it('connects to nothing that it did not configure, whatever the gateway says', async () => {
    const port = origin.port;
    const dial = dialWith(null, [rule(HOST, port)], [upstream('https://api.example.org')]);
    for (const wanted of [
      { host: '127.0.0.1', port, ranges: 'any' as const },
      { host: 'api.example.org', port: 22, ranges: 'any' as const },
      { host: 'api.example.org', port: 443, ranges: 'public' as const },
      { host: HOST, port, ranges: 'any' as const },
      { host: HOST, port, ranges: { cidr: '127.0.0.0/8' } },
      { host: HOST, port: 22, ranges: 'public' as const },
      { host: 'localhost', port, ranges: 'public' as const },
    ]) {
      await expect(dial(wanted), JSON.stringify(wanted)).rejects.toMatchObject({ code: 'address-not-allowed' });
    }
    expect(lookedUp).toEqual([]);
    expect(origin.connections).toBe(0);
  });

  it('checks the address of an allowed host itself', async () => {
    const dial = dialWith(null, [rule(HOST, origin.port)]);
    await expect(dial({ host: HOST, port: origin.port, ranges: 'public' })).rejects.toMatchObject({
      code: 'address-not-allowed',
    });
    expect(lookedUp).toEqual([HOST]);
    expect(origin.connections).toBe(0);
  });

  describe('behind a proxy', () => {
    it('asks it, with its password, and looks nothing up', async () => {
      await using proxy = await FakeProxy.start(origin.port);
      const dial = dialWith(proxy.variables('http', 'me:p%40ss@'), [rule(HOST, 443)]);
      expect(await readAll(await dial({ host: HOST, port: 443, ranges: 'public' }))).toBe('hello');
      const authorization = `Basic ${Buffer.from('me:p@ss').toString('base64')}`;
      expect(proxy.asked).toEqual([{ target: `${HOST}:443`, authorization }]);
      expect(lookedUp).toEqual([]);
    });

    it('asks it over TLS where it wants that', async () => {
      const certificate = await makeCertificate('IP:127.0.0.1');
      await using proxy = await FakeProxy.start(origin.port, { certificate });
      const parts = {
        configured: () => ({ upstreams: [], rules: [rule(HOST, 443)] }),
        proxy: proxy.variables('https'),
        network,
      };
      const wanted = { host: HOST, port: 443, ranges: 'public' as const };
      expect(await readAll(await createCoordinatorDial({ ...parts, extraCa: certificate.cert })(wanted))).toBe('hello');
      await expect(createCoordinatorDial({ ...parts, extraCa: null })(wanted)).rejects.toThrow(
        'self-signed certificate',
      );
    });

    it.each([403, 407, 502])('says that it refused with %i', async (status) => {
      await using proxy = await FakeProxy.start(origin.port, { status });
      const dial = dialWith(proxy.variables(), [rule(HOST, 443)]);
      await expect(dial({ host: HOST, port: 443, ranges: 'public' })).rejects.toMatchObject({
        code: 'upstream-unreachable',
        message: expect.stringContaining(`refused ${HOST}:443 with ${status}`),
      });
    });

    it('never asks it for addresses, local names or hosts of a private network', async () => {
      await using proxy = await FakeProxy.start(origin.port);
      const names = [
        'localhost',
        'intranet',
        'x.localhost',
        'printer.local',
        'metadata.google.internal',
        'nas.home.arpa',
      ];
      const rules = names.map((host) => rule(host, origin.port));
      const private_ = rule('git.corp.example', origin.port, '127.0.0.1/32');
      const models = upstream(`http://127.0.0.1:${origin.port}`);
      const dial = dialWith(proxy.variables(), [...rules, private_], [models]);
      for (const host of names) {
        await expect(dial({ host, port: origin.port, ranges: 'public' }), host).rejects.toMatchObject({
          code: 'address-not-allowed',
        });
      }
      expect(origin.connections).toBe(0);
      const direct = { host: 'git.corp.example', port: origin.port, ranges: { cidr: '127.0.0.1/32' } };
      expect(await readAll(await dial(direct))).toBe('hello');
      expect(await readAll(await dial({ host: '127.0.0.1', port: origin.port, ranges: 'any' }))).toBe('hello');
      expect(proxy.asked).toEqual([]);
    });
  });
});

describe('the variables of a proxy', () => {
  const read = (httpsProxy: string | null, noProxy: string | null = null) =>
    readProxyVariables({ httpsProxy, httpProxy: null, noProxy });

  it.each([
    ['http://proxy.example.org:3128', { host: 'proxy.example.org', port: 3128, tls: false, authorization: null }],
    ['proxy.example.org:3128', { host: 'proxy.example.org', port: 3128, tls: false, authorization: null }],
    ['https://proxy.example.org/', { host: 'proxy.example.org', port: 443, tls: true, authorization: null }],
    ['http://[fd00::1]:8080', { host: 'fd00::1', port: 8080, tls: false, authorization: null }],
    ['http://u:@proxy.example.org', { host: 'proxy.example.org', port: 80, tls: false, authorization: 'Basic dTo=' }],
  ])('%s is read', (text, server) => {
    expect(read(text)?.https).toEqual(server);
  });

  it('are none where nothing is set', () => {
    expect(read(null)).toBeNull();
    expect(read(' ')).toBeNull();
  });

  it('that name no HTTP proxy are refused, and the password is not repeated', () => {
    for (const text of [
      'socks5://me:sk-test-1@proxy.example.org:1080',
      'http://me:sk-test-1@',
      'http://me:sk-test-1@a b',
    ]) {
      expect(() => read(text)).toThrow('HTTPS_PROXY does not name an HTTP proxy');
      expect(() => read(text)).not.toThrow('sk-test-1');
    }
  });

  it('choose by the port', () => {
    const proxy = readProxyVariables({ httpsProxy: 'a.example:1', httpProxy: 'b.example:2', noProxy: null });
    expect(proxy === null ? null : [80, 443, 8080].map((port) => proxyFor(proxy, { host: HOST, port })?.host)).toEqual([
      'b.example',
      'a.example',
      'a.example',
    ]);
  });

  it.each([
    ['*', HOST, true],
    ['example.org', HOST, true],
    ['.example.org', HOST, true],
    ['*.example.org', HOST, true],
    ['a.test, EXAMPLE.org', HOST, true],
    ['example.org:443', HOST, true],
    ['example.org:80', HOST, false],
    ['ample.org', HOST, false],
    ['', HOST, false],
    ['.', HOST, false],
    ['10.0.0.0/8', '10.1.2.3', true],
    ['10.0.0.0/8', '11.1.2.3', false],
    ['::1', '0:0::1', true],
    ['10.0.0.0/8', HOST, false],
  ])('NO_PROXY=%s: %s past the proxy is %s', (noProxy, host, past) => {
    const proxy = read('proxy.example.org:1', noProxy);
    expect(proxy === null ? null : proxyFor(proxy, { host, port: 443 }) === null).toBe(past);
  });
});
