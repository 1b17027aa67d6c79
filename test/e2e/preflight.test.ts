// What is tried before a run is left alone, through the built command line.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { containersOf, runningAgents, until } from '../support/killed-run.ts';
import { CLI, Scratch } from '../support/scratch.ts';

interface Status {
  readonly counts: Readonly<Record<string, number>>;
}

it('refuses a base on which a check fails, leaves everything as it was, and starts all the same where told to', async () => {
  await using scratch = await Scratch.create();
  await scratch.submitScript('Good', 'echo good > good.txt');
  const run = ['run', '--engine', 'demo', '--for', '1h', '--check', 'echo before; echo it is broken; exit 7'];
  const refused = await scratch.orchestrate(run);
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toMatch(/the check fails on the base \(7\).*\| it is broken.*hint: .*--allow-red-base/s);
  expect(refused.stdout).not.toContain('started (attempt');
  expect((await scratch.json<Status>(['status'])).counts).toMatchObject({ queued: 1, failed: 0 });
  expect(await containersOf(scratch)).toEqual([]);

  const allowed = await scratch.orchestrate([...run, '--allow-red-base']);
  expect(allowed.stdout).toMatch(/ready, agents start\n.*RED \(7\), allowed: echo before.*started \(attempt/s);
  expect((await scratch.json<Status>(['status'])).counts).toMatchObject({ queued: 0, succeeded: 1 });
  const report = await scratch.must(['report']);
  expect(report).toMatch(/RED on the base: echo before.*isolation [a-z-]+, base.*1 RED and allowed/s);
  expect(report).toMatch(
    /the Docker engine's disk: .* free of .* when the newest run ended, .* before its first agent/,
  );
});

it('tells a webhook of a run that was ended by a signal, and shows its address to nobody', async () => {
  await using scratch = await Scratch.create();
  await scratch.submitScript('Endless', 'echo said-by-the-agent; echo kept > kept.txt; exec sleep 600');
  const bodies: string[] = [];
  await using server = createServer((request, response) => {
    request.setEncoding('utf8').on('data', (chunk: string) => void bodies.push(chunk));
    request.on('end', () => response.end('ok'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const notify = ['--notify', `http://${host}/services/s3cr3t`];
  const dry = await scratch.must(['run', '--engine', 'demo', '--dry-run', ...notify]);
  expect(dry).toContain(`${host} is told when it ends or needs you`);
  const run = execa(process.execPath, [CLI, 'run', '--engine', 'demo', ...notify], {
    ...{ cwd: scratch.repository, env: scratch.env, extendEnv: false, reject: false },
    ...{ stdin: 'ignore', forceKillAfterDelay: false },
  });
  await until(async () => (await runningAgents(scratch)).length === 1);
  run.kill('SIGTERM');
  const { exitCode, stdout, stderr } = await run;
  expect(exitCode).toBe(130);
  expect(`${dry}${stdout}${stderr}`).not.toContain('s3cr3t');
  expect(bodies).toHaveLength(1);
  expect(JSON.parse(bodies[0] ?? '')).toMatchObject({
    ...{ event: 'run.ended', repository: 'repository', reason: 'interrupted', counts: { running: 0, queued: 1 } },
    text: expect.stringMatching(/^repository: the run has ended: interrupted\. .*Next: orchestrate report$/),
  });
  expect(bodies[0]).not.toContain('said-by-the-agent');
});
