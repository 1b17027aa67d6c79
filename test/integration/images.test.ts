// Any image works unchanged, whatever it lacks and whatever its metadata says; the promises of a sandbox hold in each.

import { Agent } from 'node:http';
import Docker from 'dockerode';
import { afterAll, describe, expect, it } from 'vitest';
import { readAgentImage } from '../../src/sandbox/docker/agent-image.ts';
import { ImageFittings } from '../../src/sandbox/docker/fitting.ts';
import { type ImageKind, TestImages } from '../support/images.ts';
import { look, PROBE, PROMISES, probeFiles, type Seen } from '../support/promises.ts';
import { SandboxBench } from '../support/sandbox.ts';

const images = new TestImages();
const docker = new Docker();

afterAll(() => images[Symbol.asyncDispose]());

async function openWith(kind: ImageKind): Promise<SandboxBench> {
  return SandboxBench.open({ image: await images.get(kind), files: await probeFiles() });
}

/** Only our own image has a read-only root; the probe for setuid programs needs one. */
const OF_OUR_IMAGE = ['a read-only root', 'nothing gained by a setuid program'];

function expectPromises(seen: Seen): void {
  const broken = PROMISES.filter(({ name, holds }) => !OF_OUR_IMAGE.includes(name) && !holds(seen, {}));
  expect(
    broken.map(({ name }) => name),
    JSON.stringify(seen),
  ).toEqual([]);
  expect(['61000', 'no such program']).toContain(seen.setuid);
  expect(seen.user).toMatchObject({ uid: 61_000, homedir: '/home/agent' });
  const needed = ['/tmp', '/run', '/workspace', '/home/agent'];
  expect(needed.map((folder) => seen.written[folder])).toEqual(needed.map(() => 'written'));
}

describe('an image of somebody else', () => {
  it('a bare Debian without Node, git or our user: works, and its user has a name', async () => {
    await using bench = await openWith('bare');
    expectPromises(await look(bench));
    const end = await bench.run(
      'whoami && id -gn && python3 -c "import getpass, os; print(getpass.getuser(), os.path.expanduser(chr(126)))" && grep -c . /etc/passwd >lines && ! command -v node && ! command -v git',
    );
    expect(end).toMatchObject({ exitCode: 0, changed: ['lines'] });
    expect(end.output).toBe('agent\nagent\nagent /home/agent\n');
  });

  it('busybox and musl: works', async () => {
    await using bench = await openWith('musl');
    expectPromises(await look(bench));
    const end = await bench.run('whoami; ls /lib/ld-musl-*; /lib/ld-musl-*.so.1 2>&1 | head -n 1; echo x >x.txt');
    expect(end).toMatchObject({ exitCode: 0, changed: ['x.txt'] });
    expect(end.output).toMatch(/^agent\n\/lib\/ld-musl-.*\nmusl libc/);
  });

  it('one static program alone: runs it; only a shell is refused, and clearly', async () => {
    await using bench = await openWith('shell-less');
    expectPromises(await look(bench));
    const end = await bench.run(['/busybox', 'cp', 'inside.mjs', 'copy.mjs']);
    expect(end).toMatchObject({ exitCode: 0, changed: ['copy.mjs'] });
    await expect(bench.run('true')).rejects.toMatchObject({
      kind: 'usage',
      code: 'NOT_IN_IMAGE',
      message: expect.stringMatching(/^the image orchestrate-test-shell-less.* has no shell \(\/bin\/sh\)/),
    });
    await expect(bench.run(['/bin/tool'])).rejects.toMatchObject({ message: expect.stringContaining('no /bin/tool') });
    const left = await docker.listContainers({ all: true, filters: { label: [`orchestrate=${bench.installation}`] } });
    expect(left.map(({ Labels }) => Labels['orchestrate.kind'])).toEqual(['keeper']);
  });
});

describe('what is looked up in an image', () => {
  it('leaves no connection to the engine in use, which would hold the process', async () => {
    const agent = new Agent({ keepAlive: true });
    const engine = new Docker({ agent } as Docker.DockerOptions);
    const image = await readAgentImage(engine, await images.get('bare'), false);
    const container = await engine.createContainer({ Image: image.id, Labels: { 'orchestrate.test': 'images' } });
    try {
      await new ImageFittings(() => {}).fit(container, image, '/bin/sh');
      await expect.poll(() => Object.values(agent.sockets).flat().length).toBe(0);
    } finally {
      await container.remove({ force: true, v: true });
      agent.destroy();
    }
  });
});

describe('a hostile image', () => {
  it('changes nothing by its metadata', async () => {
    await using bench = await openWith('hostile');
    const seen = await look(bench);
    // Its own volume is an empty folder more, gone with the container.
    expectPromises({ ...seen, mounts: seen.mounts.filter(({ at }) => at !== '/data') });
    expect(seen.user).toMatchObject({ username: 'orchestrate-agent' });
    const end = await bench.run([...PROBE, 'traces']);
    expect(JSON.parse(end.output)).toEqual({ tmp: [], cwd: '/workspace', home: '/home/agent' });
    expect(end).toMatchObject({ exitCode: 0, changed: [] });
  });

  it('would run inside PID 1 if its variables were left', async () => {
    await using bench = await openWith('hostile');
    const end = await bench.run([...PROBE, 'traces'], {
      alter: (body) => {
        body.Env = body.Env?.filter((variable) => variable !== 'NODE_OPTIONS') ?? [];
      },
    });
    expect(JSON.parse(end.output)).toMatchObject({ tmp: ['evil-1'] });
  });

  it('that hides a part of the workspace is refused with the place', async () => {
    await expect(openWith('hiding')).rejects.toMatchObject({
      code: 'IMAGE_VOLUME',
      message: expect.stringContaining('/workspace/src'),
    });
  });

  it('leaves no volume behind', async () => {
    await using bench = await openWith('hostile');
    const live = await bench.start(['/bin/sleep', '600']);
    const { Mounts: mounts } = await live.container.inspect();
    const own = mounts.find((mount) => mount.Destination === '/data');
    await live.discard();
    await expect(docker.getVolume(own?.Name ?? '').inspect()).rejects.toMatchObject({ statusCode: 404 });
  });
});

describe('an image for another machine', () => {
  it('is refused with both architectures', async () => {
    const { Arch: engine } = (await docker.version()) as { Arch: string };
    const other = engine === 'arm64' ? 'amd64' : 'arm64';
    const image = await images.forArchitecture(other);
    try {
      await expect(SandboxBench.open({ image })).rejects.toMatchObject({
        code: 'WRONG_ARCHITECTURE',
        message: expect.stringContaining(`linux/${other}`),
      });
    } finally {
      await docker.getImage(image).remove();
    }
  });
});
