/** Runs over two real Docker hosts, one reached by TLS, one by ssh, while what goes wrong between machines goes wrong. */

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import Docker from 'dockerode';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { commandEngine } from '../../src/engine/command.ts';
import { ensureImages } from '../../src/sandbox/docker/images.ts';
import type { AttemptRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import type { AttemptId, TaskId } from '../../src/types.ts';
import { times } from '../support/endurance.ts';
import { until } from '../support/killed-run.ts';
import { obedient } from '../support/model-server/obedient.ts';
import { ModelServer } from '../support/model-server/server.ts';
import { stateOf } from '../support/queue.ts';
import { type RemoteEngine, RemoteNetwork } from '../support/remote-engine.ts';
import { type FollowedRun, followedRun } from '../support/run-events.ts';
import { runHere } from '../support/run-here.ts';
import { Scratch } from '../support/scratch.ts';

const KEY = 'sk-test-canary-5b0e9c71d2a64f38';
const TASKS = times({ short: 6, long: 40 });
const AT_WORK_S = times({ short: 4, long: 10 });
const CUT_MS = times({ short: 2_000, long: 60_000 });
const LATENCY_MS = 200;
const TIMEOUT_MS = times({ short: 4, long: 40 }) * 60_000;
/** What whoever ends a run waits at most, though a host is away, milliseconds. */
const ENDS_WITHIN_MS = 15_000;

/** Text, binary, a mode, a link and a deletion, told apart by the task. */
const WORK = `id=$ORCHESTRATE_TASK_ID; mkdir -p "made/$id"; echo "$id" > "made/$id/text"
head -c 70000 /dev/zero | tr '\\0' '\\377' > "made/$id/bytes"; printf '#!/bin/sh\\n' > "made/$id/run"; chmod 755 "made/$id/run"
ln -s text "made/$id/link"; rm -f README.md`;
const SLOW_WORK = `echo begun > begun; sleep ${AT_WORK_S}; rm begun\n${WORK}`;

vi.setConfig({ testTimeout: TIMEOUT_MS });

let network: RemoteNetwork;
let byTls: RemoteEngine;
let bySsh: RemoteEngine;
/** Small beside that of agents. */
let image: string;
let scratch: Scratch;
let state: State;

beforeAll(async () => {
  const images = await ensureImages(new Docker(), { image: null, dockerfile: null }, () => {});
  image = images.sidecar;
  network = await RemoteNetwork.create();
  [byTls, bySsh] = await Promise.all([network.add({ diskBytes: 6 * 2 ** 30 }), network.add()]);
  const needed = ['orchestrate-base:latest', images.sidecar, images.toolbox];
  await Promise.all([byTls, bySsh].map((host) => host.load(...needed)));
}, 240_000);

afterAll(async () => {
  await network?.[Symbol.asyncDispose]();
});

/** A repository with its tasks in the queue, whose user has both hosts in the settings. */
async function begin(tasks: number): Promise<void> {
  scratch = await Scratch.create();
  const hosts = [
    `  ${byTls.name}: {url: "${byTls.tlsUrl}", tls: ${byTls.tlsFolder}, slots: 2}`,
    `  ${bySsh.name}: {url: "${bySsh.sshUrl}", slots: 2}`,
  ];
  const folder = path.join(scratch.env.XDG_CONFIG_HOME ?? '', 'orchestrate');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'config.yaml'), ['hosts:', ...hosts, ''].join('\n'));
  state = stateOf(scratch);
  if (tasks > 0) await submit(tasks);
}

/** Numbered on from those that are there. */
async function submit(tasks: number): Promise<void> {
  const first = state.tasks().length;
  const lines = Array.from({ length: tasks }, (_, n) => {
    const title = `job ${first + n}`;
    return JSON.stringify({ title, description: title });
  });
  const file = path.join(scratch.folder, 'tasks.jsonl');
  await writeFile(file, lines.join('\n'));
  await scratch.must(['submit', '--batch', file]);
}

afterEach(async () => {
  state?.close();
  await scratch?.[Symbol.asyncDispose]();
});

const start = (command: string, hosts = ['--host', byTls.name, '--host', bySsh.name]): FollowedRun =>
  followedRun(scratch, command, { PATH: network.env.PATH }, [...hosts, '--max-agents', '4', '--image', image]);
const wantedHosts = () => [
  { ...{ name: byTls.name, url: byTls.tlsUrl, tls: byTls.tlsFolder }, slots: 2, labels: [] },
  { ...{ name: bySsh.name, url: bySsh.sshUrl, tls: null }, slots: 2, labels: [] },
];
const atWorkOn = ({ name }: RemoteEngine): AttemptRecord[] =>
  state.unendedAttempts().filter((one) => one.host === name && one.state === 'running');

/** With more to do where the queue is empty by then. */
function untilAtWorkOn(host: RemoteEngine): Promise<void> {
  return until(async () => {
    if (state.counts().queued === 0) await submit(1);
    return atWorkOn(host).length > 0;
  });
}

/** Each task succeeded exactly once, and what else was tried was lost around it. Returns the faults of those. */
function expectDoneOnce(): string[] {
  const faults: string[] = [];
  for (const { id, state: status } of state.tasks()) {
    expect({ id, status }).toMatchObject({ status: 'succeeded' });
    const attempts = state.attemptsOf(id);
    expect(attempts.filter(({ outcome }) => outcome === 'succeeded')).toHaveLength(1);
    const lost = attempts.slice(0, -1);
    expect(lost.map(({ outcome }) => outcome)).toEqual(lost.map(() => 'lost'));
    faults.push(...lost.map(({ fault }) => String(fault)));
  }
  return faults;
}

/** The trees of all results, by task. */
function resultTrees(of: State): Readonly<Record<string, string>> {
  const trees = of.tasks().map(({ id }): [TaskId, string] => {
    const { id: attempt } = of.attemptsOf(id).at(-1) ?? {};
    return [id, (attempt && of.patch(attempt)?.tree) ?? 'none'];
  });
  return Object.fromEntries(trees);
}

/** What the local engine makes of the same tasks. */
async function expectAsLocal(): Promise<void> {
  const remote = { scratch, state };
  try {
    await begin(state.tasks().length);
    await scratch.must(['run', '--max-agents', '4', '--image', image, '--engine-command', WORK]);
    expect(resultTrees(remote.state)).toEqual(resultTrees(state));
  } finally {
    state.close();
    await scratch[Symbol.asyncDispose]();
    ({ scratch, state } = remote);
  }
}

/** Runs once more, with one task more, and looks whether anything is left on the hosts. */
async function expectNothingLeft(): Promise<void> {
  await scratch.must(['submit', 'afterwards']);
  const run = start(WORK);
  expect(await run.ended).toBe(0);
  await expectEmptyHosts();
}

async function expectEmptyHosts(): Promise<void> {
  const label = [`orchestrate=${await scratch.installation()}`];
  for (const { docker } of [byTls, bySsh]) {
    const found = await docker.listContainers({ all: true, filters: { label } });
    expect(found.flatMap(({ Names }) => Names)).toEqual([]);
  }
}

const soon = (ended: Promise<number>) => Promise.race([ended, pause(ENDS_WITHIN_MS, 'not over', { ref: false })]);
const said = (text: string) => (event: { readonly message?: string }) => event.message?.includes(text) === true;

describe('a run on two hosts', () => {
  it('outlives a full disk, a short cut, a killed engine, latency and an sshd with one session at a time', async () => {
    await begin(TASKS);
    await Promise.all([bySsh.setMaxSessions(1), bySsh.addLatency(LATENCY_MS)]);
    const giveBack = await byTls.fillDisk(0.04);
    const run = start(SLOW_WORK);
    await run.when(({ type, host }) => type === 'task.started' && host === bySsh.name);
    await run.when(said(`no task is given to ${byTls.name}: the Docker engine's disk is nearly full`));
    expect(run.events.filter(({ host }) => host === byTls.name)).toEqual([]);
    await giveBack();
    await run.when(said(`tasks are given to the host ${byTls.name} again`));
    await untilAtWorkOn(byTls);
    await byTls.cutNetwork();
    await pause(CUT_MS);
    await byTls.joinNetwork();
    const killed = atWorkOn(byTls).length;
    await byTls.killEngine();
    await byTls.startEngine();
    expect(await run.ended).toBe(0);
    // The cut took nobody's work.
    expect(expectDoneOnce().length).toBeLessThanOrEqual(killed);
    await expectAsLocal();
    await Promise.all([bySsh.setMaxSessions(10), bySsh.addLatency(0)]);
    await expectEmptyHosts();
  });

  it('goes on elsewhere while a host has another key, and while a certificate has expired, and says what to do', async () => {
    await begin(TASKS);
    const warnings: string[] = [];
    const run = runHere(scratch, state, {
      ...{ engine: commandEngine({ name: 'command', command: SLOW_WORK }), hosts: wantedHosts(), image },
      ...{ maxAgents: 4, hostLostAfterMs: 2_000, env: { ...scratch.env, PATH: network.env.PATH } },
      onWarning: (line) => warnings.push(line),
    });
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    run.then(over, over);
    const told = async (text: string): Promise<void> => {
      await until(async () => isOver || warnings.some((line) => line.includes(text)));
      expect(warnings.join('\n')).toContain(text);
    };
    await until(async () => atWorkOn(bySsh).length === 2);
    const lost = atWorkOn(bySsh).map(({ task }) => task);
    await bySsh.changeHostKey();
    await bySsh.closeSshConnections();
    await told(`no task is given to ${bySsh.name}: ssh://ops@${bySsh.address} has another key than it had`);
    await told(`-R "${bySsh.address}" && ssh ops@${bySsh.address}`);
    await until(async () => lost.every((task) => state.task(task).attempts === 2));
    await network.trust(bySsh);
    await untilAtWorkOn(bySsh);
    for (const task of lost) {
      await told(`what ${task}.1 had done on the host ${bySsh.name} was fetched`);
      expect(state.patch(`${task}.1` as AttemptId)).toMatchObject({ state: 'salvaged', size: { files: 5 } });
    }
    // Enough to be at work still when that is seen.
    await submit(4);
    await byTls.expireCertificate();
    await told(`${byTls.tlsUrl} is not used: its certificate has expired: renew the certificate`);
    await run;
    await byTls.renewCertificate();
    expect(expectDoneOnce()).toContain('HOST_LOST');
    expect(await scratch.must(['report'])).toContain('HOST_LOST');
  });

  it('is over soon though a host is away, and the next one does what is left with the other', async () => {
    await begin(5);
    const killed = start(SLOW_WORK);
    killed.ended.catch(() => {});
    await until(async () => atWorkOn(byTls).length === 2 && atWorkOn(bySsh).length === 2);
    killed.kill('SIGKILL');
    const [left] = atWorkOn(bySsh);
    await bySsh.killEngine();
    // Agents of the first run are on it, though this one names the other alone.
    const interrupted = start(SLOW_WORK, ['--host', byTls.name]);
    await interrupted.when(said(`the host ${bySsh.name} cannot be used, and is tried again`));
    await interrupted.event('task.started');
    interrupted.kill('SIGINT');
    expect(await soon(interrupted.ended)).toBe(130);
    expect(left && state.attemptsOf(left.task)[0]).toMatchObject({ fault: 'HOST_LOST', host: bySsh.name });
    await bySsh.startEngine();
    const stopped = start(SLOW_WORK);
    await until(async () => atWorkOn(byTls).length > 0 && atWorkOn(bySsh).length > 0);
    await byTls.cutNetwork();
    await scratch.must(['stop', '--now']);
    expect(await soon(stopped.ended)).toBe(0);
    await byTls.joinNetwork();
    await expectNothingLeft();
    expect(state.tasks().map((task) => task.state)).toEqual(Array(6).fill('succeeded'));
  });

  it('keeps keys on this machine: the gateway over there has no network, and no key is found there', async () => {
    await begin(0);
    await using service = await ModelServer.start({ script: obedient, key: KEY });
    await scratch.submitScript('Greet', 'printf "hello\\n" > greeting.txt; sleep 3');
    const env = { PATH: network.env.PATH, ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: service.url };
    // By another name once more: it is used once.
    const hosts = ['--host', bySsh.name, '--host', bySsh.sshUrl];
    const flags = ['--engine', 'api', '--model', 'claude-sonnet-5-5', ...hosts, '--image', image];
    const run = scratch.orchestrate(['run', ...flags], { env });
    await until(async () => service.modelRequests.length > 0);
    const gateway = await bySsh.run('docker ps --quiet --filter label=orchestrate.kind=gateway');
    expect(await bySsh.run(`docker inspect --format '{{.HostConfig.NetworkMode}}' ${gateway}`)).toBe('none');
    // Environments and arguments of all processes; definitions and logs of all containers; all files of the engine.
    const places = await bySsh.run(`read -r key <<<'${[...KEY].join(' ')}'; key=$(echo "$key" | tr -d ' ')
      grep -alF "$key" /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null || true
      for id in $(docker ps --all --quiet); do
        { docker inspect "$id"; docker logs "$id"; } 2>&1 | grep -aF "$key" || true
      done
      grep -ralF "$key" /var/lib/docker /run /tmp 2>/dev/null || true`);
    expect(places).toBe('');
    expect(await run).toMatchObject({ exitCode: 0 });
    expect(expectDoneOnce()).toEqual([]);
    expect(await scratch.must(['patch', 'show', 'greet'])).toContain('+hello');
  });
});
