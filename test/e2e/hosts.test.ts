/** A run on several real Docker hosts, each reached as users reach theirs. */

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { commandEngine } from '../../src/engine/command.ts';
import { ensureImages } from '../../src/sandbox/docker/images.ts';
import { until } from '../support/killed-run.ts';
import { stateOf } from '../support/queue.ts';
import { type RemoteEngine, RemoteNetwork } from '../support/remote-engine.ts';
import { runHere } from '../support/run-here.ts';
import { Scratch } from '../support/scratch.ts';

let network: RemoteNetwork;
let one: RemoteEngine;
let two: RemoteEngine;
let scratch: Scratch;
/** Small beside that of agents. */
let image: string;

beforeAll(async () => {
  const images = await ensureImages(new Docker(), { image: null, dockerfile: null }, () => {});
  image = images.sidecar;
  network = await RemoteNetwork.create();
  [one, two] = await Promise.all([network.add(), network.add()]);
  await Promise.all([one, two].map((host) => host.load('orchestrate-base:latest', images.sidecar, images.toolbox)));
  scratch = await Scratch.create();
  const hosts = [
    'hosts:',
    ...[one, two].map((host) => `  ${host.name}: {url: "${host.tlsUrl}", tls: ${host.tlsFolder}, slots: 2}`),
  ];
  const folder = path.join(scratch.env.XDG_CONFIG_HOME ?? '', 'orchestrate');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'config.yaml'), `${hosts.join('\n')}\n`);
}, 240_000);

afterAll(async () => {
  await scratch?.[Symbol.asyncDispose]();
  await network?.[Symbol.asyncDispose]();
});

interface Task {
  readonly id: string;
  readonly host: string | null;
  readonly status: string;
}

describe('a run on two hosts', () => {
  it('gives tasks to both, and the patches are those that this machine would make', async () => {
    for (const n of [1, 2, 3, 4]) await scratch.must(['submit', `file ${n}`]);
    const command = 'echo "$ORCHESTRATE_TASK_ID" > "$ORCHESTRATE_TASK_ID.txt"; sleep 3';
    const hosts = [one, two].flatMap(({ name }) => ['--host', name]);
    const run = await scratch.orchestrate([
      'run',
      ...hosts,
      '--max-agents',
      '4',
      '--image',
      image,
      '--engine-command',
      command,
    ]);
    expect(run, run.stderr).toMatchObject({ exitCode: 0 });
    const { tasks } = JSON.parse(await scratch.must(['status', '--json'])) as { tasks: Task[] };
    expect(tasks.map(({ status }) => status)).toEqual(Array(4).fill('succeeded'));
    expect(tasks.map(({ host }) => host).sort()).toEqual([one.name, one.name, two.name, two.name]);
    expect(await scratch.must(['patch', 'show', 'file-1'])).toContain('+file-1');
    for (const host of [one, two]) {
      expect(await leftOn(host)).toEqual([]);
    }
  });

  it('has others do the work of one that is lost, and fetches what that held when it is back', async () => {
    const state = stateOf(scratch);
    onTestFinished(() => state.close());
    const command =
      'echo begun > "$ORCHESTRATE_TASK_ID.txt"; sleep "$(cat seconds 2>/dev/null || echo 12)"; echo done >> "$ORCHESTRATE_TASK_ID.txt"';
    for (const n of [1, 2, 3]) await scratch.must(['submit', `lost ${n}`]);
    const warnings: string[] = [];
    const wanted = [one, two].map(({ name, tlsUrl, tlsFolder }) => ({
      ...{ name, url: tlsUrl, tls: tlsFolder, slots: 2, labels: [] },
    }));
    const run = runHere(scratch, state, {
      ...{ engine: commandEngine({ name: 'command', command }), hosts: wanted, image, maxAgents: 3 },
      hostLostAfterMs: 2_000,
      onWarning: (line) => warnings.push(line),
    });
    const atWork = () => state.unendedAttempts().filter(({ state }) => state === 'running');
    await until(async () => atWork().length === 3);
    const lost = atWork().filter(({ host }) => host === one.name);
    expect(lost.length).toBeGreaterThan(0);
    // What they have so far is kept.
    await until(async () => {
      const refs = await scratch.git('for-each-ref', '--format=%(refname)', 'refs/orchestrate');
      return lost.every(({ task }) => refs.includes(`${task}/1/wip`));
    });
    await one.cutNetwork();
    await until(async () => lost.every(({ task }) => state.task(task).attempts === 2));
    await one.joinNetwork();
    await run;
    expect(state.tasks().map(({ state }) => state)).toEqual(Array(state.tasks().length).fill('succeeded'));
    expect(warnings.join('\n')).toContain(`the host ${one.name} does not answer`);
    for (const { id, task } of lost) {
      const [first, second] = state.attemptsOf(task);
      expect(first).toMatchObject({ outcome: 'lost', fault: 'HOST_LOST', host: one.name });
      expect(second).toMatchObject({ outcome: 'succeeded', host: two.name });
      expect(state.patch(id)).toMatchObject({ state: 'salvaged' });
    }
    await scratch.must(['submit', 'afterwards']);
    await runHere(scratch, state, {
      ...{ engine: commandEngine({ name: 'command', command: 'true' }), hosts: wanted, image },
      onWarning: (line) => warnings.push(line),
    });
    for (const { id } of lost) {
      expect(warnings.join('\n')).toContain(`what ${id} had done on the host ${one.name} was fetched`);
      expect(await scratch.must(['patch', 'show', id])).toContain('+done');
    }
    for (const host of [one, two]) expect(await leftOn(host)).toEqual([]);
  });
});

/** Names of containers that no host keeps. */
async function leftOn(host: RemoteEngine): Promise<string[]> {
  const label = ['orchestrate.kind'];
  const found = await host.docker.listContainers({ all: true, filters: { label } });
  return found.filter(({ Labels }) => Labels['orchestrate.kind'] !== 'cache').flatMap(({ Names }) => Names);
}
