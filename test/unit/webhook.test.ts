// How a webhook is told: what it gets, what is tried again, what is not followed, and that its address stays secret.

import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { postWebhook, type Webhook, type WebhookTimes, webhookHost } from '../../src/gateway/webhook.ts';
import { makeCertificate } from '../support/certificates.ts';

const BODY = '{"text":"ä"}';
const SECRET = '/services/T000/B000/s3cr3tpath?token=s3cr3tquery';
const QUICK: WebhookTimes = { try: 5000, pauses: [1, 1] };

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface Got {
  readonly request: IncomingMessage;
  readonly body: string;
}

async function listening(server: Server, scheme: 'http' | 'https' = 'http'): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers each request with the next status; the last one again and again. */
async function serving(statuses: readonly number[], headers: Record<string, string> = {}) {
  const got: Got[] = [];
  const answer: RequestListener = (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      got.push({ request, body: Buffer.concat(chunks).toString('utf8') });
      response.writeHead(statuses[got.length - 1] ?? statuses.at(-1) ?? 200, headers);
      response.end('invalid_payload s3cr3tanswer');
    });
  };
  return { got, url: await listening(createServer(answer)) };
}

function tell(url: string, more: Partial<Webhook> = {}, times = QUICK, signal = new AbortController().signal) {
  return postWebhook({ url, proxy: null, extraCa: null, ...more }, BODY, { signal, times });
}

describe('a webhook', () => {
  it('gets one POST of JSON, at its whole address', async () => {
    const { got, url } = await serving([200]);
    expect(await tell(url + SECRET)).toBeNull();
    expect(got.map(({ body }) => body)).toEqual([BODY]);
    const [{ request } = { request: null }] = got;
    expect(request).toMatchObject({ method: 'POST', url: SECRET });
    expect(request?.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'content-length': '13',
    });
    expect(request?.headers.authorization).toBeUndefined();
  });

  it('gets the credentials that its address has', async () => {
    const { got, url } = await serving([200]);
    await tell(url.replace('://', '://me:p%40ss@'));
    expect(got[0]?.request.headers.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
  });

  it('is asked again after a 500, and taken at its word after a 404', async () => {
    const passing = await serving([500, 429, 200]);
    expect(await tell(passing.url)).toBeNull();
    expect(passing.got).toHaveLength(3);
    const gone = await serving([404]);
    expect(await tell(gone.url)).toMatch(/^127\.0\.0\.1:\d+ answered with 404$/);
    expect(gone.got).toHaveLength(1);
  });

  it('is given up after three tries', async () => {
    const { got, url } = await serving([503]);
    expect(await tell(url)).toMatch(/answered with 503$/);
    expect(got).toHaveLength(3);
  });

  it('cannot send us elsewhere', async () => {
    const other = await serving([200]);
    const { got, url } = await serving([307], { location: other.url });
    expect(await tell(url)).toMatch(/answered with 307, and redirects are not followed$/);
    expect([got.length, other.got.length]).toEqual([1, 0]);
  });

  it('that never answers is given up in time, also in the middle of a try', async () => {
    const url = await listening(createServer());
    expect(await tell(url, {}, { try: 50, pauses: [1, 1] })).toMatch(/did not answer in time$/);
    const over = new AbortController();
    const first = new Promise<void>((resolve) => servers.at(-1)?.once('request', () => resolve()));
    const told = tell(url, {}, { try: 60_000, pauses: [60_000] }, over.signal);
    await first;
    over.abort();
    expect(await told).toMatch(/did not answer in time$/);
  });

  it('is known by the authorities of the user alone', async () => {
    const { key, cert } = await makeCertificate('IP:127.0.0.1');
    let asked = 0;
    const server = createTlsServer({ key, cert }, (_request, response) => {
      asked += 1;
      response.end();
    });
    const url = await listening(server, 'https');
    expect(await tell(url)).toMatch(/cannot be reached: .*self.signed/i);
    expect(asked).toBe(0);
    expect(await tell(url, { extraCa: cert })).toBeNull();
  });

  it('is reached through the proxy of the network', async () => {
    const { url: proxied, got } = await serving([200]);
    const asked: string[] = [];
    const proxy = createServer();
    proxy.on('connect', (request, socket) => {
      asked.push(request.url ?? '');
      const { port } = new URL(proxied);
      import('node:net').then(({ connect }) => {
        const through = connect(Number(port), '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
        socket.pipe(through).pipe(socket);
        socket.on('error', () => {});
        through.on('error', () => {});
      });
    });
    const { port } = new URL(await listening(proxy));
    const server = { host: '127.0.0.1', port: Number(port), tls: false, authorization: null };
    expect(await tell('http://hooks.example.org/x', { proxy: { http: server, https: server, except: [] } })).toBeNull();
    expect(asked).toEqual(['hooks.example.org:80']);
    expect(got[0]?.request.headers.host).toBe('hooks.example.org');
  });

  it('is never named but by its host', async () => {
    const answers = [await serving([404]), await serving([302])].map(({ url }) => url);
    const closed = await listening(createServer());
    servers.at(-1)?.close();
    const urls = [...answers, closed, closed.replace('http:', 'https:'), 'http://no-such-name.invalid'];
    const said = await Promise.all(urls.map((url) => tell(url.replace('://', '://me:s3cr3tpass@') + SECRET)));
    expect(said).not.toContain(null);
    expect(said.join('\n')).not.toContain('s3cr3t');
    expect(webhookHost(`https://me:s3cr3t@hooks.example.org${SECRET}`)).toBe('hooks.example.org');
  });
});
