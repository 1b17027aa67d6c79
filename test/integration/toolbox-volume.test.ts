// The toolbox volume is complete or made again, however its making was cut off.

import { Readable } from 'node:stream';
import Docker from 'dockerode';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { packFiles } from '../../src/sandbox/docker/tar.ts';
import { ensureToolboxVolume } from '../../src/sandbox/docker/toolbox-volume.ts';
import { testName } from '../support/sandbox.ts';

const docker = new Docker();
let image: string;
let volume: string;

beforeEach(async () => {
  const repository = testName('toolbox');
  image = `${repository}:1`;
  volume = `${repository}-1`;
  const root = packFiles([
    { name: 'opt/', content: Buffer.alloc(0) },
    { name: 'opt/orchestrate/', content: Buffer.alloc(0) },
    { name: 'opt/orchestrate/program', content: Buffer.from('whole') },
  ]);
  const stream = await docker.importImage(Readable.from([root]) as never, {
    repo: repository,
    tag: '1',
    changes: 'CMD /none',
  });
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream, (error) => (error === null ? resolve() : reject(error)));
  });
});

afterEach(async () => {
  for (const name of [`${volume}-holder`, `${volume}-user`]) {
    await docker
      .getContainer(name)
      .remove({ force: true, v: true })
      .catch(() => {});
  }
  await docker
    .getVolume(volume)
    .remove()
    .catch(() => {});
  await docker.getImage(image).remove();
});

/** A container on the volume, as it is: nothing is copied. Never started. */
async function user(): Promise<Docker.Container> {
  return docker.createContainer({
    ...{ name: `${volume}-user`, Image: image, Cmd: ['/none'], Labels: { 'orchestrate.test': 'toolbox' } },
    HostConfig: { Binds: [`${volume}:/opt/orchestrate:nocopy`] },
  });
}

async function holdsProgram(): Promise<boolean> {
  const container = await user();
  const found = await container.infoArchive({ path: '/opt/orchestrate/program' }).then(
    () => true,
    () => false,
  );
  await container.remove();
  return found;
}

it('is filled once, whoever asks at the same time', async () => {
  const names = await Promise.all(Array.from({ length: 5 }, () => ensureToolboxVolume(docker, image)));
  expect(new Set(names)).toEqual(new Set([volume]));
  expect(await holdsProgram()).toBe(true);
  const created = (await docker.getVolume(volume).inspect()) as { CreatedAt?: string };
  await ensureToolboxVolume(docker, image);
  expect(await docker.getVolume(volume).inspect()).toEqual(created);
});

it('is made again when its filling was cut off, with nothing or a part in it', async () => {
  await docker.createVolume({ Name: volume });
  await ensureToolboxVolume(docker, image);
  expect(await holdsProgram()).toBe(true);

  await docker.getContainer(`${volume}-holder`).remove();
  await docker.getVolume(volume).remove();
  await docker.createVolume({ Name: volume });
  const partial = await user();
  await partial.putArchive(packFiles([{ name: 'part', content: Buffer.from('half') }]), { path: '/opt/orchestrate' });
  await partial.remove();
  await ensureToolboxVolume(docker, image);
  expect(await holdsProgram()).toBe(true);
});

it('is left alone while somebody works with it, whose run saw it complete', async () => {
  await ensureToolboxVolume(docker, image);
  const agent = await user();
  await docker.getContainer(`${volume}-holder`).remove();
  await ensureToolboxVolume(docker, image);
  await agent.remove();
  expect(await holdsProgram()).toBe(true);
});

it('is safe from being pruned between two runs', async () => {
  await ensureToolboxVolume(docker, image);
  await expect(docker.getVolume(volume).remove()).rejects.toMatchObject({ statusCode: 409 });
});
