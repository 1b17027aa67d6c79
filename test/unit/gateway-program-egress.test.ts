// The whole gateway with its real sockets: an attempt's client gets to allowed hosts and to nothing else.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import tls from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createCoordinatorDial } from '../../src/gateway/coordinator-dial.ts';
import type { AttemptAccess, EgressRule } from '../../src/gateway/protocol.ts';
import { type Certificate, makeCertificate } from '../support/certificates.ts';
import { Origin, readAll } from '../support/egress.ts';
import { access, configuration, LocalGateway } from '../support/gateway.ts';

const HOST = 'registry.example.org';

describe('the gateway', () => {
  let certificate: Certificate;
  let origin: Origin;
  let gateway: LocalGateway;
  let agent: AttemptAccess;
  let rules: readonly EgressRule[] = [];
  const lookedUp: string[] = [];

  beforeAll(async () => {
    certificate = await makeCertificate(`DNS:${HOST}`, 'DNS:localhost');
    origin = await Origin.start(certificate, (request, response) =>
      response.end(`${request.headers.host}${request.url}`),
    );
    const network = {
      resolve: async (host: string) => {
        lookedUp.push(host);
        return ['127.0.0.1'];
      },
      ownAddresses: () => [],
    };
    const configured = () => ({ upstreams: [], rules });
    gateway = await LocalGateway.start(createCoordinatorDial({ configured, proxy: null, extraCa: null, network }));
  });

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await origin[Symbol.asyncDispose]();
  });

  const rule = (host: string, cidr: string | null = '127.0.0.1/32'): EgressRule => ({
    host,
    ports: [origin.port],
    cidr,
    authorization: null,
  });

  let attempts = 0;
  async function start(egressVia: 'direct' | 'coordinator', allow: readonly EgressRule[]): Promise<void> {
    attempts += 1;
    rules = allow;
    lookedUp.length = 0;
    origin.requests.length = 0;
    agent = access(`task.${attempts}`, { allow });
    const settings = configuration('http://127.0.0.1:9', { egressVia, extraCa: certificate.cert });
    await gateway.client.configure(settings);
    await gateway.client.open(agent);
  }

  const credentials = (token: string) =>
    `Proxy-Authorization: Basic ${Buffer.from(`x:${token}`).toString('base64')}\r\n`;

  async function tunnel(
    host: string,
    token = agent.token,
  ): Promise<{ readonly socket: Socket; readonly head: string }> {
    const socket = connect(gateway.socket).on('error', () => {});
    const authority = `${host}:${origin.port}`;
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${credentials(token)}\r\n`);
    const [head] = (await once(socket, 'data')) as [Buffer];
    return { socket, head: head.toString() };
  }

  async function get(host: string, path: string): Promise<string> {
    const { socket, head } = await tunnel(host);
    expect(head).toMatch(/^HTTP\/1\.1 200 /);
    const secure = tls.connect({ socket, servername: host, ca: certificate.cert });
    const heard = readAll(secure);
    secure.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    return (await heard).split('\r\n\r\n')[1] ?? '';
  }

  it('carries TLS to an allowed host that it dials itself', async () => {
    await start('direct', [rule('localhost')]);
    expect(await get('localhost', '/direct')).toBe('localhost/direct');
    const line = await gateway.event('audit', ({ attempt }) => attempt === agent.attempt);
    expect(line).toMatchObject({ method: 'CONNECT', host: `localhost:${origin.port}`, status: 200, reason: null });
    expect(lookedUp).toEqual([]);
  });

  it('carries TLS to an allowed host that the coordinator dials', async () => {
    await start('coordinator', [rule(HOST)]);
    expect(await get(HOST, '/relayed')).toBe(`${HOST}/relayed`);
    expect(lookedUp).toEqual([HOST]);
  });

  it('reads a private registry by its own TLS', async () => {
    for (const via of ['direct', 'coordinator'] as const) {
      await start(via, [{ ...rule('localhost'), authorization: 'Bearer sk-test-registry' }]);
      const answer = await gateway.ask({
        method: 'GET',
        path: `/registry/localhost:${origin.port}/thing`,
        headers: { authorization: `Bearer ${agent.token}` },
      });
      expect(answer).toMatchObject({ status: 200, body: `localhost:${origin.port}/thing` });
      expect(origin.requests[0]?.headers.authorization).toBe('Bearer sk-test-registry');
    }
  });

  describe.each(['direct', 'coordinator'] as const)('dialling %s', (via) => {
    beforeEach(() => start(via, [rule('localhost', null)]));

    it('refuses an allowed name that stands for an address of the inside, and tells', async () => {
      const { head, socket } = await tunnel('localhost');
      socket.destroy();
      expect(head).toContain('x-orchestrate-reason: address-not-allowed');
      const denied = { host: `localhost:${origin.port}`, reason: 'address-not-allowed', allowWith: null };
      expect(await gateway.event('denied', ({ attempt }) => attempt === agent.attempt)).toMatchObject(denied);
      expect((await gateway.client.revoke(agent.attempt)).denied).toEqual([denied]);
      expect(origin.requests).toEqual([]);
    });

    it('refuses what is not on the list without a look at the name', async () => {
      const { head, socket } = await tunnel('evil.example.org');
      socket.destroy();
      const allowWith = `--network allowlist --allow evil.example.org:${origin.port}`;
      expect(head).toContain(
        JSON.stringify({ reason: 'host-not-allowed', host: `evil.example.org:${origin.port}`, allowWith }).slice(1, -1),
      );
      expect(lookedUp).toEqual([]);
    });

    it('lets nobody in without the token of an open attempt', async () => {
      const stranger = await tunnel('localhost', '0'.repeat(64));
      expect(stranger.head).toMatch(/^HTTP\/1\.1 407 [\s\S]*bad-token/);
      await gateway.client.revoke(agent.attempt);
      expect((await tunnel('localhost')).head).toMatch(/^HTTP\/1\.1 407 [\s\S]*revoked-token/);
      expect(origin.requests).toEqual([]);
    });
  });

  it.each(['direct', 'coordinator'] as const)('cuts what is under way when the attempt is over (%s)', async (via) => {
    await start(via, [rule('localhost')]);
    const { socket } = await tunnel('localhost');
    const secure = tls.connect({ socket, servername: 'localhost', ca: certificate.cert });
    await once(secure, 'secureConnect');
    secure.on('error', () => {}); // A cut may arrive as a reset.
    const closed = once(socket, 'close');
    await gateway.client.revoke(agent.attempt);
    await closed;
  });
});
