// An engine over TCP: whose certificate is right, and what is said of one whose is not.
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createPlainServer, type Server as PlainServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connectHost } from '../../src/sandbox/docker/connect.ts';
import { checkHost, skewOf } from '../../src/sandbox/docker/host-check.ts';
import { LOCAL_ENGINE, type WantedHost } from '../../src/sandbox/docker/hosts.ts';
import { whyUnreachable } from '../../src/sandbox/docker/unreachable.ts';
import { type Certificate, expired, makeCertificate } from '../support/certificates.ts';

const GIB = 1024 ** 3;
const ANSWERS: Readonly<Record<string, unknown>> = {
  '/_ping': 'OK',
  '/info': { ServerVersion: '1', NCPU: 8, MemTotal: 64 * GIB, OSType: 'linux', SystemTime: '2020-01-01T00:00:00Z' },
};

let folder: string;
let good: Certificate;
let client: Certificate;
let server: Server | PlainServer | null = null;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'engine-tls-'));
  [good, client] = await Promise.all([makeCertificate('IP:127.0.0.1'), makeCertificate('DNS:client')]);
  for (const [name, content] of Object.entries({ ca: good.cert, cert: client.cert, key: client.key })) {
    await writeFile(path.join(folder, `${name}.pem`), content);
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => {
  server?.close();
  server = null;
});

async function serve(certificate: Certificate | null): Promise<WantedHost> {
  const started =
    certificate === null
      ? createPlainServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
      : createServer({ ...certificate, requestCert: true, ca: client.cert }, (request, response) => {
          response.setHeader('content-type', 'application/json');
          response.end(JSON.stringify(ANSWERS[request.url ?? ''] ?? {}));
        });
  server = started;
  started.listen(0, '127.0.0.1');
  await once(started, 'listening');
  const { port } = started.address() as AddressInfo;
  return { ...LOCAL_ENGINE, name: 'build-1', url: `tcp://127.0.0.1:${port}`, tls: folder };
}

async function faultOf(certificate: Certificate | null, env = {}): Promise<string> {
  const { fault } = await checkHost(await serve(certificate), env, { cpus: 2, memoryBytes: 4 * GIB });
  return `${fault?.code}: ${fault?.message}`;
}

describe('an engine over TLS', () => {
  it('is used where its certificate is from the authority of ca.pem, for its name', async () => {
    const host = await serve(good);
    await using connection = await connectHost(host, {});
    expect(connection).toMatchObject({ name: 'build-1', isRemote: true, slots: null });
    const { engine, warnings } = await checkHost(host, {}, { cpus: 2, memoryBytes: 4 * GIB });
    expect(engine).toMatchObject({ version: '1', slots: 4, certificates: { engine: expect.any(Date) } });
    // Certificates of tests are good for two days; the clock stands in 2020.
    expect(warnings).toEqual([
      expect.stringMatching(/^its clock is \d+ s behind ours/),
      expect.stringMatching(/^its certificate expires on /),
      expect.stringMatching(/^your certificate for it expires on /),
    ]);
  });

  it('is not used where the certificate has expired', async () => {
    expect(await faultOf(await expired(good))).toMatch(/^HOST_TLS: .* its certificate has expired$/);
  });

  it('is not used where the certificate is for another name, or from somebody else', async () => {
    const other = await makeCertificate('IP:127.0.0.1');
    expect(await faultOf(other)).toMatch(/^HOST_TLS: .* from an authority that ca.pem does not hold$/);
    const elsewhere = await makeCertificate('DNS:other.example');
    await writeFile(path.join(folder, 'ca.pem'), elsewhere.cert);
    expect(await faultOf(elsewhere)).toMatch(/^HOST_TLS: .* its certificate is for DNS:other.example$/);
    await writeFile(path.join(folder, 'ca.pem'), good.cert);
  });

  it('is checked whatever the environment of this process says', async () => {
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      expect(await faultOf(await makeCertificate('IP:127.0.0.1'))).toContain('HOST_TLS');
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
  });

  it('is told from something that does not speak TLS', async () => {
    expect(await faultOf(null)).toMatch(/^HOST_TLS: .* does not speak TLS there$/);
  });
});

describe('an engine that refuses our certificate', () => {
  const alert = Object.assign(new Error('ssl/tls alert bad certificate'), {
    code: 'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
  });
  const endpoint = { name: 'tcp://10.0.0.5:2376', socketPath: null, ssh: null, isRemote: true };

  it('says so, and since when it is not valid', async () => {
    expect(whyUnreachable({ ...endpoint, options: { cert: Buffer.from(client.cert) } }, alert)).toMatchObject({
      ...{ code: 'HOST_TLS', message: 'tcp://10.0.0.5:2376 does not accept your certificate (cert.pem)' },
    });
    const old = Buffer.from((await expired(client)).cert);
    expect(whyUnreachable({ ...endpoint, options: { cert: old } }, alert).message).toMatch(/: it expired on \d{4}-/);
  });
});

describe('the clock of a host', () => {
  it.each([
    ['1970-01-01T00:00:00.150Z', 0],
    ['1970-01-01T00:00:00.450Z', 250],
    ['1970-01-01T00:00:00.050Z', -50],
    ['', null],
  ])('that shows %s between 100 and 200 ms is ahead by %s', (theirs, skew) => {
    expect(skewOf(theirs, 100, 200)).toBe(skew);
  });
});
