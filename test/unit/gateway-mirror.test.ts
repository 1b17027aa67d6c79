// What is read through the gateway without a tunnel: distribution mirrors and private registries.
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Certificate, makeCertificate } from '../support/certificates.ts';
import { EgressBench, Origin } from '../support/egress.ts';

const MIRROR = 'mirror.example.org';
const REGISTRY = 'npm.corp.example';
const TOKEN = 'sk-test-registry-0123456789';

let bench: EgressBench;
let certificate: Certificate;

beforeAll(async () => {
  certificate = await makeCertificate(`DNS:${REGISTRY}`);
});

beforeEach(async () => {
  bench = await EgressBench.start();
  bench.ca = certificate.cert;
  return () => bench[Symbol.asyncDispose]();
});

describe('a request in absolute form', () => {
  let mirror: Origin;
  let sink: Origin;
  let base: string;

  beforeAll(async () => {
    sink = await Origin.sink();
    mirror = await Origin.start(null, (request, response) => {
      if (request.url === '/moved') {
        response.writeHead(302, { location: `http://127.0.0.1:${sink.port}/secret` }).end();
      } else if (request.url === '/headers') {
        const hops = { connection: 'x-hop', 'x-hop': 'yes', 'keep-alive': 'timeout=5', 'proxy-authenticate': 'Basic' };
        response.writeHead(200, { ...hops, 'set-cookie': 'a=b', etag: '"1"', 'content-length': '2' }).end('ok');
      } else if (request.url === '/broken') {
        response.writeHead(200, { 'content-length': '100' }).write('half', () => response.destroy());
      } else response.end(`${request.method} ${request.url}`);
    });
  });

  afterAll(async () => {
    await mirror[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
  });

  beforeEach(() => {
    bench.permit(MIRROR, mirror.port);
    base = `http://${MIRROR}:${mirror.port}`;
    mirror.requests.length = 0;
    mirror.connections = 0;
  });

  it('is passed on to an allowed host', async () => {
    expect(await bench.ask(`${base}/debian/dists/stable/InRelease?x=1`)).toMatchObject({
      status: 200,
      body: 'GET /debian/dists/stable/InRelease?x=1',
    });
    expect((await bench.audited(1))[0]).toMatchObject({
      method: 'GET',
      host: `${MIRROR}:${mirror.port}`,
      path: '/debian/dists/stable/InRelease?x=1',
      status: 200,
      bytesIn: 38,
    });
    expect((await bench.ask(base)).body).toBe('GET /');
    expect((await bench.ask(`${base}/`, { method: 'HEAD' })).status).toBe(200);
    expect(mirror.requests.at(-1)?.method).toBe('HEAD');
  });

  it('passes on what downloads need and nothing of the agent', async () => {
    const needed = {
      range: 'bytes=0-1',
      'if-modified-since': 'Sun, 01 Nov 2026 00:00:00 GMT',
      'user-agent': 'apt/2',
      accept: '*/*',
    };
    const kept = { ...needed, 'if-range': '"1"', 'cache-control': 'no-cache' };
    const dropped = {
      ...{ cookie: 'a=b', authorization: 'Bearer agent', 'proxy-authorization': 'Bearer sk-test-1', 'x-api-key': 'k' },
      ...{ 'x-forwarded-for': '10.0.0.1', te: 'trailers', 'x-anything': '1', referer: 'http://x/' },
    };
    await bench.ask(`${base}/`, { headers: { host: `${MIRROR}:${mirror.port}`, ...kept, ...dropped } });
    expect(mirror.requests[0]?.headers).toEqual({ host: `${MIRROR}:${mirror.port}`, connection: 'close', ...kept });
  });

  it('passes back no hop-by-hop header and no cookie', async () => {
    const { headers, body } = await bench.ask(`${base}/headers`);
    expect(body).toBe('ok');
    expect(headers).toMatchObject({ etag: '"1"', 'content-length': '2' });
    for (const name of ['x-hop', 'set-cookie', 'proxy-authenticate']) expect(headers).not.toHaveProperty(name);
  });

  it('leaves redirects to the client, which has to ask again', async () => {
    const { status, headers } = await bench.ask(`${base}/moved`);
    expect(status).toBe(302);
    expect((await bench.ask(headers.location ?? '')).body).toContain('address-not-allowed');
    expect(sink.connections).toBe(0);
  });

  it('is judged anew on a connection that is used again', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    expect((await bench.ask(`${base}/1`, { agent })).status).toBe(200);
    expect(await bench.ask(`http://evil.example:${sink.port}/`, { agent })).toMatchObject({
      status: 403,
      headers: { 'x-orchestrate-reason': 'host-not-allowed' },
    });
    expect((await bench.ask(`${base}/2`, { agent })).body).toBe('GET /2');
    agent.destroy();
    expect(bench.lookedUp).toEqual([MIRROR, MIRROR]);
    expect(sink.connections).toBe(0);
  });

  it.each([
    ['an address', (port: number) => `http://127.0.0.1:${port}/`, 'address-not-allowed'],
    ['a number', (port: number) => `http://2130706433:${port}/`, 'address-not-allowed'],
    ['an IPv6 address', (port: number) => `http://[::1]:${port}/`, 'address-not-allowed'],
    ['another host', (port: number) => `http://evil.example:${port}/`, 'host-not-allowed'],
    ['another port', () => `http://${MIRROR}/`, 'port-not-allowed'],
    ['userinfo', (port: number) => `http://${MIRROR}@127.0.0.1:${port}/`, 'bad-request'],
    ['userinfo with a port', (port: number) => `http://${MIRROR}:80@127.0.0.1:${port}/`, 'bad-request'],
    ['another scheme', (port: number) => `ftp://${MIRROR}:${port}/`, 'bad-request'],
    ['a fragment', (port: number) => `http://127.0.0.1:${port}/#@${MIRROR}/`, 'bad-request'],
  ])('is refused for %s', async (_, url, reason) => {
    const text = await bench.talk(`GET ${url(sink.port)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(text).toContain(`x-orchestrate-reason: ${reason}`);
    expect(bench.denied).toHaveLength(1);
    expect(bench.lookedUp).toEqual([]);
    expect(sink.connections).toBe(0);
  });

  it('is refused where the Host header says another host, or two', async () => {
    for (const hosts of [['evil.example'], [`${MIRROR}:1`], [`${MIRROR}:${mirror.port}`, 'evil.example']]) {
      const headers = hosts.map((host) => `Host: ${host}\r\n`).join('');
      const text = await bench.talk(`GET ${base}/ HTTP/1.1\r\n${headers}Connection: close\r\n\r\n`);
      expect(text).toContain('x-orchestrate-reason: bad-request');
    }
    expect(mirror.connections).toBe(0);
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE'])('is refused with %s', async (method) => {
    expect(await bench.ask(`${base}/`, { method })).toMatchObject({
      status: 403,
      headers: { 'x-orchestrate-reason': 'path-not-allowed' },
    });
    expect(mirror.connections).toBe(0);
  });

  it('carries no body and no second request on', async () => {
    const body = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
    const head = `GET ${base}/ HTTP/1.1\r\nHost: ${MIRROR}:${mirror.port}\r\nContent-Length: ${body.length}\r\n`;
    const text = await bench.talk(`${head}Connection: close\r\n\r\n${body}`);
    expect(text).toContain('GET /');
    expect(mirror.requests.map(({ url }) => url)).toEqual(['/']);
    expect(mirror.requests[0]?.headers).not.toHaveProperty('content-length');
  });

  it('that ends in the middle ends in the middle for the client too', async () => {
    await expect(bench.ask(`${base}/broken`)).rejects.toThrow('aborted');
    expect((await bench.audited(1))[0]).toMatchObject({ reason: 'upstream-unreachable' });
  });

  it('sends no token in the clear, but to a host of a private network', async () => {
    bench.allow = [];
    bench.permit(MIRROR, mirror.port, { authorization: `Bearer ${TOKEN}` });
    await bench.ask(`${base}/`);
    expect(mirror.requests[0]?.headers.authorization).toBe(`Bearer ${TOKEN}`);
    bench.allow = [{ host: 'mirror.example.net', ports: [80, 443], cidr: null, authorization: `Bearer ${TOKEN}` }];
    bench.dialInstead = async () => net.connect(mirror.port, '127.0.0.1');
    await bench.ask('http://mirror.example.net/');
    await bench.ask('http://mirror.example.net:443/');
    expect(mirror.requests.map(({ headers }) => headers.host)).toEqual([
      `${MIRROR}:${mirror.port}`,
      'mirror.example.net',
      'mirror.example.net:443',
    ]);
    for (const { headers } of mirror.requests.slice(1)) expect(headers).not.toHaveProperty('authorization');
  });

  it('is cut when the attempt is revoked', async () => {
    await using slow = await Origin.start(null, (_, response) => response.writeHead(200).write('first'));
    bench.permit('slow.example.org', slow.port);
    const request = http.get({
      ...{ host: '127.0.0.1', port: bench.port, path: `http://slow.example.org:${slow.port}/`, agent: false },
      headers: { host: `slow.example.org:${slow.port}` },
    });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    await once(response, 'data');
    const failed = once(response, 'error');
    bench.revoked.abort();
    expect(((await failed)[0] as Error).message).toBe('aborted');
    expect((await bench.audited(1))[0]).toMatchObject({ reason: 'revoked-token' });
  });
});

describe('a private registry', () => {
  let registry: Origin;
  let base: string;
  let here: string;

  beforeAll(async () => {
    registry = await Origin.start(certificate, (request, response) => {
      const there = `https://${request.headers.host}`;
      const json = (type: string, value: unknown) =>
        response.writeHead(200, { 'content-type': type }).end(JSON.stringify(value));
      const credentials = request.headers.authorization ?? '';
      switch (request.url) {
        case '/thing':
          return json('application/vnd.npm.install-v1+json', { dist: { tarball: `${there}/thing/-/thing-1.0.0.tgz` } });
        case '/escaped':
          return response
            .setHeader('content-type', 'application/json')
            .end(`{"url":"${there.replaceAll('/', '\\/')}\\/x"}`);
        case '/echo':
          return response
            .writeHead(200, { 'content-type': 'text/plain', 'x-echo': credentials })
            .end(
              `${credentials} ${Buffer.from(`x${credentials}`).toString('base64')} ${JSON.stringify(request.headers)}`,
            );
        case '/absolute':
          return response.writeHead(301, { location: `${there}/thing` }).end();
        case '/relative':
          return response.writeHead(302, { location: '/thing' }).end();
        case '/elsewhere':
          return response.writeHead(302, { location: 'https://cdn.example.org/thing?sig=1' }).end();
        case '/tarball':
          return response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(`see ${there}/thing`);
        case '/zipped':
          response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
          return response.end(gzipSync(`{"url":"${there}/"}`));
        default:
          return response.writeHead(404).end();
      }
    });
  });

  afterAll(() => registry[Symbol.asyncDispose]());

  beforeEach(() => {
    registry.requests.length = 0;
    bench.permit(REGISTRY, registry.port, { authorization: `Bearer ${TOKEN}` });
    base = `/registry/${REGISTRY}:${registry.port}`;
    here = `http://127.0.0.1:47821${base}`;
  });

  it('is asked with the token, which the client does not have', async () => {
    await bench.ask(`${base}/thing?write=true`, {
      headers: { authorization: 'Bearer attempt', 'accept-encoding': 'gzip' },
    });
    const [{ url, headers } = { url: '', headers: {} }] = registry.requests;
    expect(url).toBe('/thing?write=true');
    expect(headers).toEqual({
      host: `${REGISTRY}:${registry.port}`,
      authorization: `Bearer ${TOKEN}`,
      'accept-encoding': 'identity',
      connection: 'close',
    });
  });

  it('gives links that lead back to the gateway', async () => {
    const { body } = await bench.ask(`${base}/thing`);
    expect(JSON.parse(body)).toEqual({ dist: { tarball: `${here}/thing/-/thing-1.0.0.tgz` } });
    expect(JSON.parse((await bench.ask(`${base}/escaped`)).body)).toEqual({ url: `${here}/x` });
    expect((await bench.ask(`${base}/absolute`)).headers.location).toBe(`${here}/thing`);
    expect((await bench.ask(`${base}/relative`)).headers.location).toBe(`${here}/thing`);
    expect((await bench.ask(`${base}/elsewhere`)).headers.location).toBe('https://cdn.example.org/thing?sig=1');
  });

  it('is found where the colon of its port is escaped', async () => {
    expect((await bench.ask(`${base.replace(/:(\d+)$/, '%3A$1')}/thing`)).status).toBe(200);
    expect((await bench.ask('/registry/evil.example%3A443/')).headers['x-orchestrate-reason']).toBe('host-not-allowed');
  });

  it("leaves npm's metadata as it is, for its lock files, and leads it back by redirects alone", async () => {
    const headers = { 'user-agent': 'npm/11.0.0 node/v24.0.0 linux x64' };
    expect((await bench.ask(`${base}/thing`, { headers })).body).toContain(
      `https://${REGISTRY}:${registry.port}/thing/-/`,
    );
    expect((await bench.ask(`${base}/relative`, { headers })).headers.location).toBe(`${here}/thing`);
  });

  it('gives packages as they are', async () => {
    expect((await bench.ask(`${base}/tarball`)).body).toBe(`see https://${REGISTRY}:${registry.port}/thing`);
    expect((await bench.ask(`${base}/zipped`)).headers['content-encoding']).toBe('gzip');
  });

  it.each([
    ['Bearer', `Bearer ${TOKEN}`],
    ['Basic', `Basic ${Buffer.from(`user:${TOKEN}`).toString('base64')}`],
  ])('never gives the %s token back', async (_, authorization) => {
    bench.allow = bench.allow.map((rule) => ({ ...rule, authorization }));
    const { body, headers } = await bench.ask(`${base}/echo`);
    const credentials = authorization.split(' ')[1] ?? '';
    for (const said of [body, JSON.stringify(headers)]) {
      expect(said).toContain('[redacted]');
      expect(said).not.toContain(TOKEN);
      expect(said).not.toContain(credentials);
    }
    const words = body.split(/[ "]/).map((word) => Buffer.from(word, 'base64').toString('latin1'));
    for (const word of words) expect(word).not.toContain(TOKEN);
  });

  it('is not damaged where a password is too short to be told from text', async () => {
    const authorization = `Basic ${Buffer.from('me:s').toString('base64')}`;
    bench.allow = bench.allow.map((rule) => ({ ...rule, authorization }));
    expect((await bench.ask(`${base}/tarball`)).body).toBe(`see https://${REGISTRY}:${registry.port}/thing`);
  });

  it('is only read: nothing is published with the token', async () => {
    for (const method of ['PUT', 'POST', 'DELETE']) {
      expect((await bench.ask(`${base}/thing`, { method })).headers['x-orchestrate-reason']).toBe('path-not-allowed');
    }
    expect(registry.requests).toEqual([]);
  });

  it.each([
    ['/registry/evil.example/thing', 'host-not-allowed'],
    [`/registry/${REGISTRY}/thing`, 'port-not-allowed'],
    ['/registry/127.0.0.1/thing', 'address-not-allowed'],
    ['/registry/', 'bad-request'],
    [`/registry/user@${REGISTRY}/`, 'bad-request'],
    ['/registry/../v1/messages', 'bad-request'],
  ])('is not %s', async (path, reason) => {
    expect((await bench.ask(path)).headers['x-orchestrate-reason']).toBe(reason);
    expect(registry.requests).toEqual([]);
  });

  it('must prove who it is', async () => {
    bench.ca = null;
    expect(await bench.ask(`${base}/thing`)).toMatchObject({
      status: 502,
      headers: { 'x-orchestrate-reason': 'upstream-unreachable' },
    });
    bench.ca = certificate.cert;
    bench.permit('other.corp.example', registry.port);
    expect((await bench.ask(`/registry/other.corp.example:${registry.port}/thing`)).status).toBe(502);
    expect(registry.requests).toEqual([]);
  });
});
