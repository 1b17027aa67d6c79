import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import Docker from 'dockerode';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { labels, type ObjectKind } from '../../src/sandbox/docker/names.ts';
import { type SweepOptions, sweep } from '../../src/sandbox/docker/sweep.ts';

const docker = new Docker();
const IMAGE = `orchestrate-sweep-test:${randomBytes(4).toString('hex')}`;
const installations: string[] = [];
let installation: string;

beforeAll(async () => {
  // A tar without entries: two blocks of zeros.
  const stream = await docker.importImage(Readable.from([Buffer.alloc(1024)]) as never, {
    ...{ repo: IMAGE.split(':')[0], tag: IMAGE.split(':')[1] },
  });
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream, (error) => (error === null ? resolve() : reject(error)));
  });
});
beforeEach(() => {
  installation = randomBytes(6).toString('hex');
  installations.push(installation);
});
afterAll(async () => {
  for (const owner of installations) {
    const filters = { label: [`orchestrate=${owner}`] };
    for (const { Id } of await docker.listContainers({ all: true, filters }))
      await docker.getContainer(Id).remove({ force: true, v: true });
    for (const { Name } of (await docker.listVolumes({ filters })).Volumes) await docker.getVolume(Name).remove();
  }
  await docker.getImage(IMAGE).remove();
});

async function container(
  name: string,
  kind: ObjectKind,
  more: Record<string, string> = {},
  volume?: string,
): Promise<void> {
  await docker.createContainer({
    ...{ name: `${installation}-${name}`, Image: IMAGE, Cmd: ['/none'], Labels: labels(installation, kind, more) },
    HostConfig: { NetworkMode: 'none', ...(volume === undefined ? {} : { Binds: [`${volume}:/v`] }) },
  });
}

async function volume(name: string, kind: ObjectKind): Promise<string> {
  const Name = `${installation}-${name}`;
  await docker.createVolume({ Name, Labels: labels(installation, kind) });
  return Name;
}

async function swept(options: Partial<SweepOptions> & Pick<SweepOptions, 'kinds'>): Promise<string[]> {
  const found = await sweep(docker, installation, { dryRun: false, ...options });
  return found.map((one) => `${one.type} ${one.name.replace(`${installation}-`, '')}`).sort();
}

describe('sweep', () => {
  it('removes what it is asked for, of its own installation, and nothing else', async () => {
    await container('agent', 'agent');
    await container('keeper', 'keeper');
    await volume('store', 'store');
    const mine = installation;
    installation = randomBytes(6).toString('hex');
    installations.push(installation);
    await container('other', 'agent');
    installation = mine;
    expect(await swept({ kinds: ['agent'], dryRun: true })).toEqual(['container agent']);
    expect(await swept({ kinds: ['agent'] })).toEqual(['container agent']);
    expect(await swept({ kinds: ['agent', 'keeper', 'store'] })).toEqual(['container keeper', 'volume store']);
    expect(await swept({ kinds: ['agent', 'keeper', 'store'] })).toEqual([]);
    installation = installations.at(-1) ?? '';
    expect(await swept({ kinds: ['agent'] })).toEqual(['container other']);
  });

  it('leaves what a live run, an unfinished attempt or a container still needs', async () => {
    const store = await volume('store', 'store');
    await container('live', 'agent', { 'orchestrate.run': 'R1' });
    await container('unfinished', 'agent', { 'orchestrate.run': 'R0', 'orchestrate.attempt': 'a.1' });
    await container('keeper', 'keeper', { 'orchestrate.run': 'R1' }, store);
    await container('dead', 'agent', { 'orchestrate.run': 'R0', 'orchestrate.attempt': 'b.1' });
    const options = { kinds: ['agent', 'keeper', 'store'], liveRun: 'R1', keepAttempts: ['a.1'] } as const;
    expect(await swept(options)).toEqual(['container dead']);
    expect(await swept({ kinds: options.kinds })).toEqual([
      'container keeper',
      'container live',
      'container unfinished',
      'volume store',
    ]);
  });

  it('finds images without a tag by their id, and leaves a base that was made locally and what people built', async () => {
    await container('agent', 'agent');
    const query = { container: `${installation}-agent` };
    const made = { _query: query, _body: { Labels: labels(installation, 'cache') } };
    const { Id: id } = (await docker.getContainer(query.container).commit(made as object)) as { Id: string };
    // As an image of the user's that stands on one of ours has them.
    const theirs = { ...made, _query: { ...query, repo: `${installation}-theirs`, tag: '1' } };
    await docker.getContainer(query.container).commit(theirs as object);
    // Really removing them would take what all repositories of this engine share.
    const found = await sweep(docker, installation, { kinds: ['cache'], dryRun: true });
    expect(found).toContainEqual({ type: 'image', name: id, kind: 'cache' });
    expect(found.filter(({ name }) => /^orchestrate-base:|-theirs:/.test(name))).toEqual([]);
    await docker.getImage(id).remove();
    await docker.getImage(`${installation}-theirs:1`).remove();
  });

  it('leaves what guests have that are there when it comes to removing', async () => {
    await container('shell', 'agent', { 'orchestrate.run': 'G1' });
    await container('dead', 'agent', { 'orchestrate.run': 'G2' });
    expect(await swept({ kinds: ['agent'], liveRun: 'R1', guests: () => ['G1'] })).toEqual(['container dead']);
    expect(await swept({ kinds: ['agent'], liveRun: 'R1', guests: () => [] })).toEqual(['container shell']);
  });

  it('leaves what is younger than asked for', async () => {
    await container('agent', 'agent');
    await volume('store', 'store');
    const kinds = ['agent', 'store'] as const;
    expect(await swept({ kinds, createdBefore: new Date(Date.now() - 3_600_000) })).toEqual([]);
    expect(await swept({ kinds, createdBefore: new Date(Date.now() + 3_600_000) })).toEqual([
      'container agent',
      'volume store',
    ]);
  });
});
