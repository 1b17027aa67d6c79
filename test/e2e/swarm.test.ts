/** A run whose agents a Swarm of two real nodes places. */

import { appendFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensureImages } from '../../src/sandbox/docker/images.ts';
import { type RemoteEngine, RemoteNetwork } from '../support/remote-engine.ts';
import { Scratch } from '../support/scratch.ts';

let network: RemoteNetwork;
let manager: RemoteEngine;
let worker: RemoteEngine;
let scratch: Scratch;
/** Small beside that of agents. */
let image: string;

beforeAll(async () => {
  const images = await ensureImages(new Docker(), { image: null, dockerfile: null }, () => {});
  image = images.sidecar;
  network = await RemoteNetwork.create();
  [manager, worker] = await Promise.all([network.add(), network.add()]);
  await Promise.all([manager, worker].map((host) => host.load(images.sidecar, images.toolbox)));
  await manager.run(`docker swarm init --advertise-addr ${manager.address}`);
  const token = await manager.run('docker swarm join-token --quiet worker');
  await worker.run(`docker swarm join --token ${token} ${manager.address}:2377`);
  scratch = await Scratch.create();
  const folder = path.join(scratch.env.XDG_CONFIG_HOME ?? '', 'orchestrate');
  await mkdir(folder, { recursive: true });
  await appendFile(path.join(folder, 'config.yaml'), 'swarm: {address: "ssh://ops@{addr}"}\n');
}, 240_000);

afterAll(async () => {
  await scratch?.[Symbol.asyncDispose]();
  await network?.[Symbol.asyncDispose]();
});

it('has both nodes work on tasks, each where Swarm has room, and leaves nothing in the Swarm', async () => {
  for (const n of [1, 2, 3, 4]) await scratch.must(['submit', `file ${n}`]);
  const command = 'echo "$ORCHESTRATE_TASK_ID" > "$ORCHESTRATE_TASK_ID.txt"; sleep 5';
  const cpus = Number(await manager.run('nproc'));
  const where = ['--sandbox', 'swarm', '--host', manager.sshUrl, '--cpus', String(cpus / 2), '--memory', '256m'];
  const run = await scratch.orchestrate(
    ['run', ...where, '--max-agents', '4', '--image', image, '--engine-command', command],
    { env: { PATH: network.env.PATH } },
  );
  expect(run, run.stderr).toMatchObject({ exitCode: 0 });
  const { tasks } = JSON.parse(await scratch.must(['status', '--json'])) as {
    tasks: { readonly host: string; readonly status: string }[];
  };
  expect(tasks.map(({ status }) => status)).toEqual(Array(4).fill('succeeded'));
  expect(tasks.map(({ host }) => host).sort()).toEqual([manager.name, manager.name, worker.name, worker.name]);
  expect(await scratch.must(['patch', 'show', 'file-1'])).toContain('+file-1');
  expect(await manager.run('docker service ls --quiet')).toBe('');
});
