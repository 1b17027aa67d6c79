import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectEngine } from '../../src/sandbox/docker/connect.ts';
import { findEndpoint, hostEndpoint } from '../../src/sandbox/docker/endpoint.ts';
import { inspectEngine } from '../../src/sandbox/docker/facts.ts';
import { LOCAL_ENGINE, wantedHost } from '../../src/sandbox/docker/hosts.ts';

let folder: string;
const servers: Server[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestrate-docker-'));
});
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  await rm(folder, { recursive: true, force: true });
});

describe('where the engine is', () => {
  it.each([
    [{ DOCKER_HOST: 'unix:///run/user/1000/docker.sock' }, 'unix:///run/user/1000/docker.sock'],
    [{ DOCKER_HOST: 'tcp://127.0.0.1' }, 'tcp://127.0.0.1:2375'],
    [{ DOCKER_HOST: 'tcp://[::1]:1234' }, 'tcp://[::1]:1234'],
    [{ DOCKER_HOST: 'https://engine.example' }, 'tcp://engine.example:2376'],
    [{ DOCKER_HOST: 'ssh://ops@build-1:2222' }, 'ssh://ops@build-1:2222'],
    [{ DOCKER_HOST: 'unix:///a.sock', DOCKER_CONTEXT: 'other' }, 'unix:///a.sock'],
  ])('%j', async (env, name) => {
    expect((await findEndpoint(env)).name).toBe(name);
  });

  it.each(['context:other', 'nonsense', 'tcp://', 'ssh://-oProxyCommand=x', 'ssh://u:secret@a'])(
    'cannot be %s',
    async (host) => {
      await expect(findEndpoint({ DOCKER_HOST: host })).rejects.toMatchObject({
        code: 'DOCKER_HOST_UNSUPPORTED',
        exitCode: 3,
        message: expect.not.stringContaining('secret'),
      });
    },
  );

  it('is what the chosen Docker context says', async () => {
    const docker = {
      Endpoints: { docker: { Host: 'tcp://127.0.0.9:2375' } },
      Storage: { TLSPath: join(folder, 'none') },
    };
    await writeFile(join(folder, 'docker'), `#!/bin/sh\n[ "$6" = night ] && echo '${JSON.stringify(docker)}'\n`);
    await chmod(join(folder, 'docker'), 0o755);
    await mkdir(join(folder, '.docker'));
    await writeFile(join(folder, '.docker', 'config.json'), '{"currentContext":"night"}');
    const env = { HOME: folder, PATH: `${folder}:/usr/bin:/bin` };
    expect((await findEndpoint(env)).name).toBe('tcp://127.0.0.9:2375');
    expect((await findEndpoint({ ...env, DOCKER_CONTEXT: 'default' })).socketPath).not.toBeNull();
    await expect(findEndpoint({ ...env, DOCKER_CONTEXT: 'gone' })).rejects.toMatchObject({
      code: 'DOCKER_CONTEXT_UNKNOWN',
    });
    await expect(findEndpoint({ HOME: folder, PATH: join(folder, '.docker') })).rejects.toMatchObject({
      hint: expect.stringContaining('DOCKER_HOST'),
    });
  });

  it.each([
    [{ DOCKER_HOST: 'tcp://10.0.0.5:2375' }, null],
    [{}, 'tcp://10.0.0.5:2376'],
    // A name of the user's stands for another machine: a port of this one is no exception that anybody needs.
    [{}, 'tcp://127.0.0.1:2375'],
  ])('is not on the network without TLS: %j %s', async (env, url) => {
    await expect(hostEndpoint({ ...LOCAL_ENGINE, url }, { HOME: folder, ...env })).rejects.toMatchObject({
      ...{ code: 'HOST_PLAIN_TCP', exitCode: 3 },
      message: expect.stringContaining('anyone on the network would be root there'),
    });
  });

  it('has its certificates in the folder that was named, else where the docker command line has them', async () => {
    for (const name of ['ca.pem', 'cert.pem', 'key.pem']) await writeFile(join(folder, name), `its ${name}`);
    const host = { ...LOCAL_ENGINE, url: 'tcp://10.0.0.5' };
    const options = { host: '10.0.0.5', port: 2376, protocol: 'https', ca: Buffer.from('its ca.pem') };
    expect(await hostEndpoint({ ...host, tls: folder }, {})).toMatchObject({ isRemote: true, options });
    expect(await hostEndpoint({ ...host, tls: '~/.' }, { HOME: folder })).toMatchObject({ options });
    expect(await hostEndpoint(host, { DOCKER_CERT_PATH: folder })).toMatchObject({ options });
  });

  it('is a Docker context where there is no host of that name', async () => {
    const env = { HOME: folder, PATH: '/usr/bin:/bin' };
    await expect(hostEndpoint(wantedHost('nowhere', {}), env)).rejects.toMatchObject({ code: 'HOST_UNKNOWN' });
    const isDefault = await hostEndpoint(wantedHost('context:default', {}), { ...env, DOCKER_HOST: 'unix:///a.sock' });
    expect(isDefault.socketPath).toBe('/a.sock');
  });

  it('asks for TLS files where they are wanted and missing', async () => {
    const env = { DOCKER_HOST: 'tcp://h:2376', DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: folder };
    await expect(findEndpoint(env)).rejects.toMatchObject({ code: 'DOCKER_TLS_UNREADABLE' });
  });
});

describe('an engine that does not answer', () => {
  it('is named, with what to do', async () => {
    const env = { DOCKER_HOST: `unix://${join(folder, 'none.sock')}` };
    await expect(connectEngine(env)).rejects.toMatchObject({
      ...{ code: 'DOCKER_UNREACHABLE', exitCode: 3 },
      message: expect.stringContaining('there is no such socket'),
      hint: expect.stringContaining('start it'),
    });
  });
});

describe('facts', () => {
  it("are the engine's own answers", async () => {
    const answers: Record<string, unknown> = {
      '/version': { Version: '29.6.0', ApiVersion: '1.52', Components: [{ Name: 'runc', Version: '1.3.4' }] },
      '/info': {
        ...{
          Driver: 'overlayfs',
          DockerRootDir: '/d',
          CgroupVersion: '2',
          MemoryLimit: true,
          SwapLimit: false,
          PidsLimit: true,
        },
        ...{
          Runtimes: { runc: {}, runsc: {} },
          DefaultRuntime: 'runc',
          SecurityOptions: ['name=seccomp,profile=builtin'],
          NCPU: 8,
        },
      },
      '/images/json': [{ RepoTags: ['orchestrate-agent:abc'] }, { RepoTags: null }],
    };
    const socket = await serve((path) => JSON.stringify(answers[path] ?? 'OK'));
    expect(await inspectEngine({ DOCKER_HOST: `unix://${socket}` })).toMatchObject({
      ...{ endpoint: `unix://${socket}`, isLocal: true, version: '29.6.0', apiVersion: '1.52', runc: '1.3.4', cpus: 8 },
      ...{
        storageDriver: 'overlayfs',
        cgroupVersion: '2',
        runtimes: ['runc', 'runsc'],
        images: ['orchestrate-agent:abc'],
      },
      limits: { memory: true, swap: false, pids: true },
      security: { seccomp: 'builtin', userns: false },
    });
  });
});

async function serve(answer: (path: string) => string): Promise<string> {
  const socket = join(folder, 'docker.sock');
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(answer(new URL(request.url ?? '/', 'http://docker').pathname));
  });
  servers.push(server);
  server.listen(socket);
  await once(server, 'listening');
  return socket;
}
