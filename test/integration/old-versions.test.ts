// Names of their own: the product's images on this engine are left alone.
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dropOldVersions, type OldVersions } from '../../src/sandbox/docker/old-versions.ts';
import { packFiles } from '../../src/sandbox/docker/tar.ts';

const docker = new Docker();
const suffix = randomBytes(4).toString('hex');
const [ours, others] = [`orchestrate-test-ours-${suffix}`, `orchestrate-test-others-${suffix}`];
const DAY_MS = 24 * 3_600_000;

beforeAll(async () => {
  // The younger, the higher.
  for (const tag of [1, 2, 3, 4, 5, 6]) await loadImage(`${ours}:${tag}`, 100 - tag);
  for (const tag of [1, 2, 3, 4]) await loadImage(`${others}:${tag}`, 100 - tag);
});
afterAll(async () => {
  for (const name of [`${ours}-1-holder`, `${ours}-2-user`]) await ignoring404(docker.getContainer(name).remove());
  for (const name of [`${ours}-1`, `${ours}-2`]) await ignoring404(docker.getVolume(name).remove());
  for (const tag of await tagsOf(ours)) await docker.getImage(tag).remove();
  for (const tag of await tagsOf(others)) await docker.getImage(tag).remove();
});

/** An image without files, made so many days ago. */
async function loadImage(name: string, days: number): Promise<void> {
  const layer = Buffer.alloc(1024);
  const config = {
    ...{ architecture: 'amd64', os: 'linux', created: new Date(Date.now() - days * DAY_MS).toISOString() },
    config: { Labels: { orchestrate: 'shared', 'orchestrate.kind': 'cache', name } },
    rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] },
  };
  const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar'] }];
  const archive = packFiles([
    { name: 'config.json', content: Buffer.from(JSON.stringify(config)) },
    { name: 'manifest.json', content: Buffer.from(JSON.stringify(manifest)) },
    { name: 'layer.tar', content: layer },
  ]);
  const stream = await docker.loadImage(Readable.from([archive]) as never);
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream, (error) => (error === null ? resolve() : reject(error)));
  });
}

async function tagsOf(name: string): Promise<string[]> {
  const images = await docker.listImages({ filters: { reference: [name] } });
  return images.flatMap((image) => image.RepoTags ?? []).sort();
}

function drop(options: Partial<OldVersions>): Promise<string[]> {
  return dropOldVersions(docker, { images: [ours], used: [], now: new Date(), ...options });
}

async function ignoring404(removal: Promise<unknown>): Promise<void> {
  await removal.catch((error: { statusCode?: number }) => {
    if (error.statusCode !== 404) throw error;
  });
}

async function container(role: string, tag: string): Promise<void> {
  const mounts = [{ Type: 'volume' as const, Source: `${ours}-${tag}`, Target: '/v' }];
  await docker.createContainer({
    ...{ name: `${ours}-${tag}-${role}`, Image: `${ours}:${tag}`, Cmd: ['/none'] },
    HostConfig: { NetworkMode: 'none', Mounts: mounts as never },
  });
}

it('drops what is old and not among the newest, with its volume, and nothing that somebody uses', async () => {
  expect(await drop({ now: new Date(Date.now() - 90 * DAY_MS) })).toEqual([]);
  await container('holder', '1');
  await container('user', '2');
  // Of `:2` another container mounts the volume, `:3` is what the run works with.
  expect(await drop({ used: [`${ours}:3`] })).toEqual([`${ours}:1`]);
  await docker.getContainer(`${ours}-2-user`).remove();
  expect(await drop({ used: [`${ours}:3`] })).toEqual([`${ours}:2`]);
  expect(await drop({ used: [`${ours}:3`] })).toEqual([]);
  expect(await tagsOf(ours)).toEqual([3, 4, 5, 6].map((tag) => `${ours}:${tag}`));
  expect(await tagsOf(others)).toHaveLength(4);
  const { Volumes: volumes } = await docker.listVolumes();
  expect(volumes.filter((volume) => volume.Name.startsWith(ours))).toEqual([]);
});
