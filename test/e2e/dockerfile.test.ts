// `run --dockerfile`: the user's own Dockerfile as the agents' image.

import Docker from 'dockerode';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { baseImage } from '../support/images.ts';
import { Scratch } from '../support/scratch.ts';

const docker = new Docker();
let scratch: Scratch;
let base: string;
let before: ReadonlySet<string>;

beforeEach(async () => {
  scratch = await Scratch.create();
  base = await baseImage(docker);
  before = new Set(await built());
});
afterEach(async () => {
  await scratch[Symbol.asyncDispose]();
  for (const tag of await built()) if (!before.has(tag)) await docker.getImage(tag).remove();
});

/** Tags of the images that Dockerfiles became. */
async function built(): Promise<string[]> {
  const images = await docker.listImages({ filters: { reference: ['orchestrate-dockerfile'] } });
  return images.flatMap((image) => image.RepoTags ?? []);
}

/** A Dockerfile that no other test has, whatever it holds. */
function dockerfile(...lines: string[]): string {
  return [`FROM ${base}`, ...lines, `LABEL orchestrate.test=${scratch.folder}`, ''].join('\n');
}

describe('run --dockerfile', () => {
  it('builds the image from its folder, without what .dockerignore names, and lets the agent work in it', async () => {
    await scratch.write({
      'docker/Dockerfile': dockerfile('COPY . /taken', 'RUN echo made > /made.txt', 'ENV SECRET=image'),
      'docker/.dockerignore': 'left-out\n',
      'docker/left-out': 'x',
      'docker/taken-in': 'x',
    });
    await scratch.must(['submit', 'x', '--title', 'look']);
    const command = 'cat /made.txt; ls /taken; printenv SECRET || echo none; touch /var/tmp/x; echo done > result.txt';
    await scratch.must(['run', '--dockerfile', 'docker/Dockerfile', '--engine-command', command]);
    expect(await scratch.must(['logs', 'look'])).toBe('made\nDockerfile\ntaken-in\nnone');
    expect(await scratch.must(['patch', 'show', 'look'])).toContain('+done');
    const [tag = ''] = (await built()).filter((each) => !before.has(each));
    const { Config } = await docker.getImage(tag).inspect();
    expect(Config.Labels).toMatchObject({ orchestrate: 'shared', 'orchestrate.kind': 'cache' });
  });

  it('builds an unchanged one once, and a changed one anew', async () => {
    await scratch.write({ Dockerfile: dockerfile('COPY README.md /'), '.dockerignore': 'other.txt' });
    const run = async (): Promise<string> => {
      await scratch.must(['submit', 'x', '--title', 'look']);
      const flags = ['--dockerfile', 'Dockerfile', '--engine-command', 'cat /README.md'];
      return (await scratch.orchestrate(['run', ...flags])).stderr;
    };
    expect(await run()).toContain('building the image of');
    // The run has written into .git, and this is left out.
    await scratch.write({ 'other.txt': 'x' });
    expect(await run()).not.toContain('building');
    await scratch.write({ 'README.md': '# Changed\n' });
    expect(await run()).toContain('building the image of');
    expect(await scratch.must(['logs', 'look-3'])).toBe('# Changed');
    expect((await built()).filter((tag) => !before.has(tag))).toHaveLength(2);
  });

  it('that fails says which step and what it printed, exit 3, and the task still waits', async () => {
    await scratch.write({ Dockerfile: dockerfile('RUN echo fine', 'RUN echo the compiler is unhappy && exit 7') });
    await scratch.must(['submit', 'x', '--title', 'waits']);
    const answer = await scratch.orchestrate(['run', '--dockerfile', 'Dockerfile', '--engine', 'demo']);
    expect(answer.exitCode).toBe(3);
    expect(answer.stderr).toMatch(/^orchestrate: the image of .*Dockerfile could not be built: .*code: 7$/m);
    expect(answer.stderr).toMatch(
      /^ {2}Step 3\/\d+ : RUN echo the compiler is unhappy && exit 7\n {2}the compiler is unhappy$/m,
    );
    expect(await scratch.json(['status'])).toMatchObject({ counts: { queued: 1 } });
  });

  it('that is not there is wrong usage', async () => {
    await scratch.must(['submit', 'x']);
    const answer = await scratch.orchestrate(['run', '--dockerfile', 'nowhere', '--engine', 'demo', '--json']);
    expect(answer.exitCode).toBe(2);
    expect(JSON.parse(answer.stderr)).toMatchObject({ error: { code: 'NO_DOCKERFILE' } });
  });

  it('is named by --dry-run, and refused beside --image', async () => {
    await scratch.must(['submit', 'x']);
    const flags = ['run', '--dry-run', '--engine', 'demo', '--dockerfile', 'docker/D'];
    expect(await scratch.must(flags)).toContain(`image built from ${scratch.repository}/docker/D`);
    expect(await scratch.json(flags)).toMatchObject({ image: null, dockerfile: `${scratch.repository}/docker/D` });
    const both = await scratch.orchestrate([...flags, '--image', 'x']);
    expect(both).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('exclude each other') });
  });

  it('of the repository itself counts only once that was accepted', async () => {
    await scratch.write({ 'orchestrate.yaml': 'dockerfile: docker/D\n' });
    await scratch.must(['submit', 'x']);
    const flags = ['run', '--dry-run', '--engine', 'demo'];
    expect(await scratch.json(flags)).toMatchObject({ dockerfile: null });
    expect(await scratch.json([...flags, '--trust'])).toMatchObject({ dockerfile: `${scratch.repository}/docker/D` });
  });
});
