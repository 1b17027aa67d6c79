// The unit for systemd, started and stopped as systemd does it: no terminal, an environment of its own, its signals.

import { mkdir, readFile, symlink } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { containersOf, until } from '../support/killed-run.ts';
import { CLI, Scratch } from '../support/scratch.ts';

const UNIT = path.resolve(import.meta.dirname, '../../examples/orchestrate.service');

/** The settings of the unit's [Service] section. */
async function serviceOf(home: string): Promise<Readonly<Record<string, string>>> {
  const lines = (await readFile(UNIT, 'utf8')).split('[Service]')[1]?.split('\n') ?? [];
  const settings = lines.map((line) => /^(\w+)=(.*)$/.exec(line)).filter((match) => match !== null);
  return Object.fromEntries(settings.map(([, name = '', value = '']) => [name, value.replaceAll('%h', home)]));
}

it('its run keeps the work when systemd stops it, in the time that it is given, and counts as a success', async () => {
  await using scratch = await Scratch.create();
  const home = path.join(scratch.folder, 'home');
  const service = await serviceOf(home);
  // What a person sets up by hand: the repository and the command where the unit says they are.
  await symlink(scratch.repository, service.WorkingDirectory ?? '');
  await mkdir(path.join(home, '.local/bin'), { recursive: true });
  await symlink(CLI, path.join(home, '.local/bin/orchestrate'));
  await symlink(process.execPath, path.join(home, '.local/bin/node'));
  await scratch.must(['submit', 'x', '--title', 'long']);
  await scratch.write({ 'orchestrate.yaml': 'engine-command: echo kept > kept.txt; echo written; sleep 300\n' });
  await scratch.must(['run', '--dry-run', '--trust']);
  const [file = '', ...args] = (service.ExecStart ?? '').split(' ');
  const PATH = /^PATH=(.*)$/.exec(service.Environment ?? '')?.[1] ?? '';
  const docker = process.env.DOCKER_HOST;
  const run = execa(file, args, {
    cwd: service.WorkingDirectory ?? '',
    env: { HOME: home, PATH, ...(docker === undefined ? {} : { DOCKER_HOST: docker }) },
    ...{ extendEnv: false, reject: false, stdin: 'ignore', all: true, detached: true },
  });
  await until(async () => (await scratch.orchestrate(['logs', 'long'])).stdout.includes('written'));
  run.kill(service.KillSignal as NodeJS.Signals);
  const { exitCode, all } = await run;
  expect((service.SuccessExitStatus ?? '').split(' '), all).toContain(String(exitCode));
  expect(exitCode).toBe(130);
  expect(await scratch.json(['task', 'long'])).toMatchObject({ status: 'queued', patch: { status: 'salvaged' } });
  expect(await containersOf(scratch)).toEqual([]);
  // It goes to the coordinator alone: its helpers end with their work.
  expect(service.KillMode).toBe('mixed');
  // The deadline came, and some task failed: an end, and none to start again after.
  expect(service.SuccessExitStatus).toBe('1 4 130');
  expect(service.Restart).toBe('on-abnormal');
});
