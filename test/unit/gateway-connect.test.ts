// CONNECT through the forward proxy, against a client that tries everything to get out.
import { once } from 'node:events';
import tls from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Certificate, makeCertificate } from '../support/certificates.ts';
import { clientHello, inRecordsOf } from '../support/client-hellos.ts';
import { EgressBench, Origin, readAll } from '../support/egress.ts';

const HOST = 'registry.example.org';

describe('CONNECT', () => {
  let certificate: Certificate;
  let bench: EgressBench;
  /** An allowed host over TLS. */
  let origin: Origin;
  /** Where nothing may ever arrive. */
  let sink: Origin;
  let authority: string;

  beforeAll(async () => {
    certificate = await makeCertificate(`DNS:${HOST}`, 'DNS:other.example.org');
    origin = await Origin.start(certificate, (request, response) => {
      if (request.url === '/big') response.end('x'.repeat(3_000_000));
      else response.end(`hello ${request.headers.host}`);
    });
    sink = await Origin.sink();
  });

  afterAll(async () => {
    await origin[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
  });

  beforeEach(async () => {
    bench = await EgressBench.start();
    bench.ca = certificate.cert;
    bench.permit(HOST, origin.port);
    authority = `${HOST}:${origin.port}`;
    origin.connections = 0;
    origin.requests.length = 0;
    return () => bench[Symbol.asyncDispose]();
  });

  /** The answer to a refused CONNECT. */
  async function refused(target: string, headers = `Host: ${target}\r\n`) {
    const text = await bench.talk(`CONNECT ${target} HTTP/1.1\r\n${headers}\r\n`);
    const status = Number(text.slice(9, 12));
    const body = text.slice(text.indexOf('\r\n\r\n') + 4);
    return { status, text, body: body.startsWith('{') ? JSON.parse(body) : body };
  }

  it('carries TLS to an allowed host and counts what went through', async () => {
    expect(await bench.get(`https://${authority}/`)).toEqual({ status: 200, body: `hello ${authority}` });
    const [line] = await bench.audited(1);
    expect(line).toMatchObject({ attempt: 'task.1', method: 'CONNECT', host: authority, path: null, status: 200 });
    expect(line?.bytesOut).toBeGreaterThan(200);
    expect(line?.bytesIn).toBeGreaterThan(500);
    expect(bench.denied).toEqual([]);
    expect(bench.lookedUp).toEqual([HOST]);
  });

  it('carries much, whole', async () => {
    const { body } = await bench.get(`https://${authority}/big`);
    expect(body.length).toBeGreaterThanOrEqual(3_000_000);
    expect((await bench.audited(1))[0]?.bytesIn).toBeGreaterThan(3_000_000);
  });

  it('does not care how the allowed name is written', async () => {
    for (const written of [authority.toUpperCase(), authority.replace(':', '.:')]) {
      const socket = await bench.tunnel(written);
      const secure = tls.connect({ socket, servername: HOST, ca: certificate.cert });
      await once(secure, 'secureConnect');
      secure.destroy();
    }
  });

  it('reaches nothing where the list is empty', async () => {
    bench.allow = [];
    const answer = await refused(authority);
    const allowWith = `--network allowlist --allow ${authority}`;
    expect(answer).toMatchObject({ status: 403, body: { reason: 'host-not-allowed', host: authority, allowWith } });
    expect(answer.text).toContain('x-orchestrate-reason: host-not-allowed\r\n');
    expect(bench.denied).toEqual([{ host: authority, reason: 'host-not-allowed', allowWith }]);
    expect(bench.lookedUp).toEqual([]);
    expect(origin.connections).toBe(0);
  });

  it('reaches no address, in whatever notation', async () => {
    const loopback = ['127.0.0.1', '127.1', '2130706433', '0x7f000001', '017700000001', '0177.0.0.1', '0', '[::1]'];
    const others = [
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[fe80::1%25eth0]',
      '[::]',
      '127.0.0.1.',
      '169.254.169.254',
    ];
    for (const host of [...loopback, ...others]) {
      bench.allow = [...bench.allow, { host, ports: [sink.port], cidr: '127.0.0.0/8', authorization: null }];
      const { body } = await refused(`${host}:${sink.port}`);
      expect(body, host).toMatchObject({ reason: 'address-not-allowed', allowWith: null });
    }
    expect(bench.lookedUp).toEqual([]);
    expect(sink.connections).toBe(0);
  });

  it.each([
    ['private', '10.0.0.1'],
    ['loopback', '127.0.0.1'],
    ['loopback in another family', '::1'],
    ['mapped', '::ffff:127.0.0.1'],
    ['metadata', '169.254.169.254'],
    ['several private', '192.168.0.1 fd00::1 127.0.0.1'],
  ])('reaches no %s address that an allowed name stands for', async (_, addresses) => {
    bench.names.set('rebind.example.org', [addresses]);
    bench.allow = [{ host: 'rebind.example.org', ports: [sink.port], cidr: null, authorization: null }];
    const { status, body } = await refused(`rebind.example.org:${sink.port}`);
    expect({ status, reason: body.reason }).toEqual({ status: 403, reason: 'address-not-allowed' });
    expect(JSON.stringify(body), 'tells where the name leads').not.toContain(addresses);
    expect(sink.connections).toBe(0);
  });

  it('dials the address that was checked, whatever the name stands for by then', async () => {
    bench.names.set(HOST, ['127.0.0.1', '10.0.0.1']);
    expect((await bench.get(`https://${authority}/`)).status).toBe(200);
    expect(bench.lookedUp).toEqual([HOST]);
    expect((await refused(authority)).body).toMatchObject({ reason: 'address-not-allowed' });
  });

  it.each([
    ['a port that no rule names', `${HOST}:22`, 'port-not-allowed'],
    ['a name below the allowed one', `evil.${HOST}:443`, 'host-not-allowed'],
    ['a name that begins like it', `${HOST}.evil.example:443`, 'host-not-allowed'],
    ['a name that ends like it', `evil${HOST}:443`, 'host-not-allowed'],
    ['localhost', 'localhost:22', 'host-not-allowed'],
    ['userinfo', `${HOST}:443@evil.example:443`, 'bad-request'],
    ['userinfo before it', `evil.example@${HOST}:443`, 'bad-request'],
    ['no port', HOST, 'bad-request'],
    ['port zero', `${HOST}:0`, 'bad-request'],
    ['a port too high', `${HOST}:65536`, 'bad-request'],
    ['a second port', `${HOST}:443:22`, 'bad-request'],
    ['a path', `${HOST}:443/x`, 'bad-request'],
    ['a URL', `https://${HOST}/`, 'bad-request'],
    ['percent', `${HOST.replace('.', '%2e')}:443`, 'bad-request'],
    ['a zero byte in percent', `${HOST}%00.evil.example:443`, 'bad-request'],
    ['no host', ':443', 'bad-request'],
  ])('is refused with %s', async (_, target, reason) => {
    const { body } = await refused(target, 'Host: x\r\n');
    expect(body).toMatchObject({ reason });
    expect(bench.denied).toHaveLength(1);
    expect(bench.lookedUp).toEqual([]);
    expect(origin.connections).toBe(0);
  });

  it('is refused where the Host header says another host, or two', async () => {
    for (const hosts of [
      'Host: evil.example\r\n',
      `Host: ${HOST}:22\r\n`,
      `Host: ${authority}\r\nHost: evil.example\r\n`,
    ]) {
      expect((await refused(authority, hosts)).body).toMatchObject({ reason: 'bad-request' });
    }
    expect(bench.lookedUp).toEqual([]);
  });

  it('cannot be split by line breaks', async () => {
    const text = await bench.talk(
      `CONNECT ${HOST}:22\r\nHost: ${authority}\r\n\r\nCONNECT ${authority} HTTP/1.1\r\n\r\n`,
    );
    expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(text).toContain('port-not-allowed');
    expect(await bench.talk(`CONNECT evil.example\\.${authority} HTTP/1.1\r\n\r\n`)).toMatch(/^HTTP\/1\.1 400 /);
    expect(origin.connections).toBe(0);
  });

  it('ends the connection when it is refused: nothing behind it is answered', async () => {
    const second = `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    const text = await bench.talk(`CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n${second}`, second);
    expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(text).toContain('host-not-allowed');
    expect(bench.audit).toHaveLength(1);
    expect(origin.connections).toBe(0);
  });

  describe('once connected', () => {
    afterEach(() => {
      vi.useRealTimers();
    });

    it('is cut when TLS names another host', async () => {
      const socket = await bench.tunnel(authority);
      const secure = tls.connect({ socket, servername: 'other.example.org', ca: certificate.cert });
      const [error] = (await once(secure, 'error')) as [Error & { code: string }];
      expect(error.code).toBe('ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
      expect(bench.denied).toEqual([{ host: authority, reason: 'sni-mismatch', allowWith: null }]);
      expect((await bench.audited(1))[0]).toMatchObject({ status: 403, reason: 'sni-mismatch', bytesOut: 0 });
      expect(origin.requests).toEqual([]);
    });

    it('is cut when TLS names no host', async () => {
      const socket = await bench.tunnel(authority);
      const heard = readAll(socket);
      socket.write(await clientHello(null));
      expect(await heard).toBe('');
      expect(bench.denied[0]?.reason).toBe('sni-mismatch');
    });

    it.each([
      ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n')],
      ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')],
      ['another CONNECT', Buffer.from('CONNECT 127.0.0.1:22 HTTP/1.1\r\n\r\n')],
      ['a byte of anything', Buffer.from([0])],
    ])('is cut when it begins with %s, and nothing of it is passed on', async (_, bytes) => {
      let received = 0;
      await using raw = await Origin.raw((socket) => {
        socket.on('data', (chunk) => {
          received += chunk.length;
        });
      });
      bench.permit('raw.example.org', raw.port);
      const socket = await bench.tunnel(`raw.example.org:${raw.port}`);
      const heard = readAll(socket);
      socket.write(bytes);
      expect(await heard).toBe('');
      expect(bench.denied[0]?.reason).toBe('sni-mismatch');
      expect(received).toBe(0);
    });

    it('passes a ClientHello on that comes in pieces, byte for byte', async () => {
      const chunks: Buffer[] = [];
      let arrived = () => {};
      const hello = inRecordsOf(50, await clientHello('raw.example.org'));
      await using raw = await Origin.raw((socket) => {
        socket.on('data', (chunk) => {
          chunks.push(chunk);
          if (Buffer.concat(chunks).length === hello.length + 4) arrived();
        });
      });
      const whole = new Promise<void>((resolve) => {
        arrived = resolve;
      });
      bench.permit('raw.example.org', raw.port);
      const socket = await bench.tunnel(`raw.example.org:${raw.port}`);
      for (let at = 0; at < hello.length; at += 37) {
        expect(chunks).toEqual([]);
        const written = new Promise((resolve) => socket.write(hello.subarray(at, at + 37), resolve));
        await written;
      }
      socket.write('more');
      await whole;
      expect(Buffer.concat(chunks)).toEqual(Buffer.concat([hello, Buffer.from('more')]));
      socket.destroy();
    });

    it('takes what came behind the request as the beginning of TLS', async () => {
      const request = `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
      const good = await bench.talk(
        Buffer.concat([Buffer.from(request), await clientHello(HOST), Buffer.from('rubbish')]),
      );
      expect(good).toContain('200 Connection Established\r\n\r\n\x16\x03');
      await bench.talk(Buffer.concat([Buffer.from(request), await clientHello('evil.example')]));
      expect(bench.denied).toEqual([{ host: authority, reason: 'sni-mismatch', allowWith: null }]);
    });

    it('is no denial when the client leaves before its first word', async () => {
      (await bench.tunnel(authority)).end();
      expect((await bench.audited(1))[0]).toMatchObject({ status: 499, reason: null });
      expect(bench.denied).toEqual([]);
    });

    it('waits for TLS no longer than ten seconds', async () => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      const socket = await bench.tunnel(authority);
      const heard = readAll(socket);
      const half = (await clientHello(HOST)).subarray(0, 100);
      await new Promise((resolve) => socket.write(half, resolve));
      vi.advanceTimersByTime(9_999);
      expect(bench.denied).toEqual([]);
      vi.advanceTimersByTime(1);
      expect(await heard).toBe('');
      expect(bench.denied[0]?.reason).toBe('sni-mismatch');
      expect(origin.requests).toEqual([]);
    });

    it('is cut when nothing has been said for long', async () => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      const socket = await bench.tunnel(authority);
      const secure = tls.connect({ socket, servername: HOST, ca: certificate.cert });
      secure.write(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
      // With the answer whole, nothing is on its way any more.
      for (let heard = ''; !heard.includes(`hello ${authority}`); ) heard += (await once(secure, 'data'))[0];
      const closed = once(socket, 'close');
      vi.advanceTimersByTime(299_999);
      expect(bench.audit).toEqual([]);
      vi.advanceTimersByTime(1);
      await closed;
      expect((await bench.audited(1))[0]).toMatchObject({ status: 200, host: authority });
    });

    it('is cut when the attempt is revoked', async () => {
      const socket = await bench.tunnel(authority);
      const secure = tls.connect({ socket, servername: HOST, ca: certificate.cert });
      await once(secure, 'secureConnect');
      const closed = once(socket, 'close');
      bench.revoked.abort();
      await closed;
      await bench.audited(1);
    });

    it('ends with the host, with all that it said', async () => {
      await using raw = await Origin.raw((socket) => {
        socket.once('data', () => socket.end('the last word'));
      });
      bench.permit('raw.example.org', raw.port);
      const socket = await bench.tunnel(`raw.example.org:${raw.port}`);
      const heard = readAll(socket);
      socket.write(await clientHello('raw.example.org'));
      expect(await heard).toBe('the last word');
      expect((await bench.audited(1))[0]).toMatchObject({ status: 200, bytesIn: 13 });
    });
  });

  it('says that a host is not there', async () => {
    bench.names.delete(HOST);
    expect(await refused(authority)).toMatchObject({ status: 502, body: { reason: 'upstream-unreachable' } });
    bench.names.set(HOST, ['127.0.0.1']);
    const gone = await Origin.sink();
    const { port } = gone;
    await gone[Symbol.asyncDispose]();
    bench.permit(HOST, port);
    const answer = await refused(`${HOST}:${port}`);
    expect(answer).toMatchObject({ status: 502, body: { reason: 'upstream-unreachable' } });
    expect(answer.body.message).toBe(`orchestrate gateway: ${HOST}:${port} cannot be reached (ECONNREFUSED)`);
    expect(bench.denied).toEqual([]);
  });

  it('waits for nobody before the gateway is configured', async () => {
    bench.configured = false;
    expect(await refused(authority)).toMatchObject({ status: 503, body: { reason: 'not-configured' } });
  });
});
