// The way to an engine by ssh. An `ssh` of the test's own forwards, or says why it does not; the real one is in e2e.
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectHost, type EngineConnection } from '../../src/sandbox/docker/connect.ts';
import { wantedHost } from '../../src/sandbox/docker/hosts.ts';
import { sshFault } from '../../src/sandbox/docker/ssh-faults.ts';
import { FakeEngine, json } from '../support/fake-engine.ts';
import { until } from '../support/killed-run.ts';

const SSH = `#!${process.execPath}
const { appendFileSync, existsSync, readFileSync, writeFileSync } = require('node:fs');
const { connect, createServer } = require('node:net');
const at = (name) => __dirname + '/' + name;
appendFileSync(at('calls'), JSON.stringify(process.argv.slice(2)) + '\\n');
try { process.stderr.write(readFileSync(at('says'))); process.exit(255); } catch {}
const forward = process.argv[process.argv.indexOf('-L') + 1];
if (!process.argv.includes('-L')) { process.stdout.write(readFileSync(at('answers'))); process.exit(0); }
const [local, remote] = forward.split(':');
writeFileSync(at('pid'), String(process.pid));
const server = createServer((socket) => {
  const engine = connect(remote);
  for (const [one, other] of [[socket, engine], [engine, socket]]) one.pipe(other).on('error', () => one.destroy());
});
const connecting = setInterval(() => {
  if (existsSync(at('hold'))) return;
  clearInterval(connecting);
  server.listen(local);
}, 5);
`;

let folder: string;
let engine: FakeEngine;
let env: Record<string, string>;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'ssh-test-'));
  engine = await FakeEngine.start();
  engine.answer('GET /version', json({ Version: '1' }));
  await writeFile(path.join(folder, 'ssh'), SSH);
  await chmod(path.join(folder, 'ssh'), 0o755);
  env = { PATH: `${folder}:/usr/bin:/bin`, XDG_RUNTIME_DIR: folder };
});
afterEach(async () => {
  await engine[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

function open(): Promise<EngineConnection> {
  return connectHost(wantedHost(`ssh://ops@build-1:2222${engine.socket}`, {}), env);
}

async function endSsh(): Promise<void> {
  process.kill(Number(await readFile(path.join(folder, 'pid'), 'utf8')));
}

async function sockets(): Promise<readonly string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('orchestrate-ssh-'));
}

describe('an engine behind ssh', () => {
  it('is reached with strict checks and no questions, and nothing is left of the way there', async () => {
    {
      await using connection = await open();
      expect(connection).toMatchObject({ isRemote: true, fault: null, endpoint: { socketPath: null } });
      expect(await connection.docker.version()).toMatchObject({ Version: '1' });
      expect(await sockets()).toHaveLength(1);
    }
    expect(await sockets()).toEqual([]);
    const args: string[] = JSON.parse(await readFile(path.join(folder, 'calls'), 'utf8'));
    expect(args).toEqual(expect.arrayContaining(['BatchMode=yes', 'StrictHostKeyChecking=yes', 'ControlPath=none']));
    expect(args.slice(-6)).toEqual(['-l', 'ops', '-p', '2222', '--', 'build-1']);
  });

  it('is reached again when the connection broke: who asks meanwhile waits', async () => {
    await using connection = await open();
    await writeFile(path.join(folder, 'hold'), '');
    await endSsh();
    await until(async () => connection.fault !== null);
    const version = connection.docker.version();
    await rm(path.join(folder, 'hold'));
    expect(await version).toMatchObject({ Version: '1' });
    expect(connection.fault).toBeNull();
  });

  it('is given up at once, with the reason, where only a person can help', async () => {
    await using connection = await open();
    await writeFile(path.join(folder, 'says'), 'Host key verification failed.\r\n');
    await endSsh();
    await until(async () => connection.fault?.code === 'HOST_KEY_UNKNOWN');
    await expect(connection.docker.version()).rejects.toMatchObject({ cause: { code: 'HOST_KEY_UNKNOWN' } });
  });

  it.each([
    ['forbidden', 'DOCKER_PERMISSION', 'docker group'],
    ['absent', 'DOCKER_UNREACHABLE', 'start it over there'],
    ['usable', 'DOCKER_UNREACHABLE', 'AllowStreamLocalForwarding'],
  ])('that lets nobody in is %s', async (answer, code, hint) => {
    engine.down();
    await writeFile(path.join(folder, 'answers'), `${answer}\n`);
    await expect(open()).rejects.toMatchObject({ code, hint: expect.stringContaining(hint), exitCode: 3 });
    expect(await sockets()).toEqual([]);
  });

  it('is out of reach without an ssh on this machine', async () => {
    env = { ...env, PATH: '/nowhere' };
    await expect(open()).rejects.toMatchObject({ code: 'HOST_SSH', message: expect.stringContaining('not installed') });
  });
});

describe('what ssh says', () => {
  const target = { user: 'ops', host: 'build-1', port: 2222, socket: '/var/run/docker.sock' };
  const changed = [
    '@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @',
    '  ssh-keygen -f "/home/me/.ssh/known_hosts" -R "[build-1]:2222"',
    'Host key verification failed.',
  ].join('\r\n');

  it.each([
    [
      changed,
      'HOST_KEY_CHANGED',
      'ssh-keygen -f "/home/me/.ssh/known_hosts" -R "[build-1]:2222" && ssh -p 2222 ops@build-1',
    ],
    ['@   WARNING: REVOKED HOST KEY DETECTED!  @', 'HOST_KEY_CHANGED', "ssh-keygen -R '[build-1]:2222'"],
    ['No ED25519 host key is known for build-1 and you have', 'HOST_KEY_UNKNOWN', 'ssh -p 2222 ops@build-1'],
    ['ops@build-1: Permission denied (publickey).', 'HOST_AUTH', 'ssh-add'],
    ['/etc/ssh/ssh_config: line 1: Bad configuration option: x', 'HOST_SSH', 'see what it says'],
    // What a machine greets with is no reason.
    ['permission denied to the unauthorized\nConnection closed by 10.0.0.5 port 22', 'HOST_UNREACHABLE', ''],
  ])('%j is %s', (said, code, hint) => {
    expect(sshFault(target, said)).toMatchObject({ code, hint: expect.stringContaining(hint), exitCode: 3 });
  });

  it('is told in its last line that says something', () => {
    const said =
      'kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 10.0.0.5 port 22\r\n';
    expect(sshFault(target, said).message).toMatch(/ops@build-1:2222 cannot be reached: kex_exchange.*by peer$/);
    expect(sshFault(target, '').message).toContain('ssh ended without a word');
  });
});
