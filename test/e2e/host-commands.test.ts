// Hosts by ssh and TLS, as a person adds and checks them, and what is said when something is wrong with one.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectHost } from '../../src/sandbox/docker/connect.ts';
import { LOCAL_ENGINE } from '../../src/sandbox/docker/hosts.ts';
import { until } from '../support/killed-run.ts';
import { type RemoteEngine, RemoteNetwork } from '../support/remote-engine.ts';
import { Scratch } from '../support/scratch.ts';

let scratch: Scratch;
let network: RemoteNetwork;
let remote: RemoteEngine;

beforeAll(async () => {
  [scratch, network] = await Promise.all([Scratch.create(), RemoteNetwork.create()]);
  remote = await network.add();
});
afterAll(async () => {
  await network[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

async function host(...args: readonly string[]) {
  return scratch.orchestrate(['host', ...args], { env: { PATH: network.env.PATH } });
}

async function checked(): Promise<readonly Record<string, unknown>[]> {
  const { stdout } = await host('check', '--json');
  return (JSON.parse(stdout) as { hosts: readonly Record<string, unknown>[] }).hosts;
}

/** What leads to the remote engine at present: process ids. */
async function sshProcesses(): Promise<readonly string[]> {
  const { stdout } = await execa('pgrep', ['-f', `^/usr/bin/ssh.* -- ${remote.address}$`], { reject: false });
  return stdout.split('\n').filter((line) => line !== '');
}

it('hosts are added once they answer, by ssh and by TLS, and doctor and check know them', async () => {
  await remote.setMaxSessions(1);
  await remote.addLatency(200);
  const byTls = ['add', 'by-tls', remote.tlsUrl, '--tls', remote.tlsFolder];
  for (const args of [['add', 'by-ssh', remote.sshUrl, '--label', 'gpu'], byTls]) {
    const { exitCode, stdout, stderr } = await host(...args);
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toContain('Docker ');
  }
  await remote.addLatency(0);
  expect(await checked()).toMatchObject([
    { name: 'by-ssh', ok: true, hostKey: 'known', labels: ['gpu'], engine: { storageDriver: expect.any(String) } },
    { name: 'by-tls', ok: true, hostKey: null, engine: { certificates: { engine: expect.any(String) } } },
  ]);
  const doctor = await scratch.orchestrate(['doctor'], { env: { PATH: network.env.PATH } });
  expect(doctor.stdout).toMatch(/host by-ssh +Docker /);
  const nobody = await host('add', 'nobody', `ssh://nobody@${remote.address}`);
  expect([nobody.exitCode, nobody.stderr]).toEqual([3, expect.stringContaining('accepts none of your ssh keys')]);
  const plain = await host('add', 'plain', remote.tlsUrl);
  expect([plain.exitCode, plain.stderr]).toEqual([2, expect.stringContaining('anyone on the network would be root')]);
  const file = await readFile(path.join(scratch.env.XDG_CONFIG_HOME ?? '', 'orchestrate/config.yaml'), 'utf8');
  expect(file).not.toMatch(/nobody|plain/);
  expect(await sshProcesses()).toEqual([]);
});

it('a command that ends leaves no ssh behind, and neither does one that is killed', async () => {
  const connecting = `import { connectEngine } from '${path.resolve('src/sandbox/docker/connect.ts')}';
    await connectEngine({ ...process.env, DOCKER_HOST: '${remote.sshUrl}' });`;
  for (const signal of [undefined, 'SIGINT', 'SIGKILL'] as const) {
    const script = signal === undefined ? connecting : `${connecting} process.kill(process.pid, '${signal}');`;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
    const run = await execa(process.execPath, args, { env: { PATH: network.env.PATH }, reject: false });
    expect(run.signal, run.stderr).toBe(signal);
    expect(run.exitCode).toBe(signal === undefined ? 0 : undefined);
    await until(async () => (await sshProcesses()).length === 0);
  }
});

it('what goes wrong on the way is told with what to do', async () => {
  await using connection = await connectHost({ ...LOCAL_ENGINE, name: 'x', url: remote.sshUrl }, network.env);
  await remote.changeHostKey();
  await remote.expireCertificate();
  expect(await checked()).toMatchObject([
    { name: 'by-ssh', ok: false, hostKey: 'changed', error: { code: 'HOST_KEY_CHANGED' } },
    { name: 'by-tls', ok: false, error: { code: 'HOST_TLS', message: expect.stringContaining('has expired') } },
  ]);
  expect((await host('check')).exitCode).toBe(3);
  // The connection that there was is as good as before; once it breaks there is no other.
  await connection.docker.ping();
  for (const pid of await sshProcesses()) process.kill(Number(pid));
  await until(async () => connection.fault?.code === 'HOST_KEY_CHANGED');
  await expect(connection.docker.version()).rejects.toThrow();
  expect(await host('remove', 'by-tls')).toMatchObject({ exitCode: 0 });
});
