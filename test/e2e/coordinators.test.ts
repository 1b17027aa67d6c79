// Two coordinators started at once: one gets to work, the other says who. The engine is a socket that never answers, so
// that the one at work is at work for as long as the test wants.
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { times } from '../support/endurance.ts';
import { Scratch } from '../support/scratch.ts';

const CLI = path.resolve(import.meta.dirname, '../../dist/cli/main.js');
const PAIRS = times({ short: 10, long: 500 });
const TIMEOUT_MS = times({ short: 5, long: 50 }) * 60_000;

let scratch: Scratch;
let engine: Server;

beforeEach(async () => {
  scratch = await Scratch.create();
  engine = createServer();
  engine.listen(path.join(scratch.folder, 'docker.sock'));
  await once(engine, 'listening');
});
afterEach(async () => {
  engine.close();
  await scratch[Symbol.asyncDispose]();
});

it(`of two runs started at once, ${PAIRS} times, exactly one works and the other names it`, {
  timeout: TIMEOUT_MS,
}, async () => {
  await scratch.must(['submit', 'a task']);
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const calls: Socket[] = [];
    engine.removeAllListeners('connection').on('connection', (socket: Socket) => calls.push(socket));
    const runs = [started(), started()];
    // The one at work waits for its engine: the first to end is the other.
    const loser = await Promise.race(runs.map((run, at) => run.then((ended) => ({ ended, winner: runs[1 - at] }))));
    expect(loser.ended.exitCode).toBe(3);
    const { error } = JSON.parse(loser.ended.stderr) as { error: { code: string; message: string } };
    expect(error.code).toBe('ALREADY_RUNNING');
    expect(error.message).toContain(`process ${loser.winner?.pid})`);
    if (calls.length === 0) await once(engine, 'connection');
    expect(calls).toHaveLength(1);
    for (const call of calls) call.destroy();
    const worked = await loser.winner;
    expect(worked?.exitCode).toBe(3);
    expect(JSON.parse(worked?.stderr ?? '')).toMatchObject({ error: { code: 'DOCKER_UNREACHABLE' } });
  }
  const { counts } = await scratch.json<{ counts: { queued: number } }>(['status']);
  expect(counts.queued).toBe(1);
});

function started() {
  return execa(process.execPath, [CLI, 'run', '--json', '--engine-command', 'true'], {
    cwd: scratch.repository,
    env: { ...scratch.env, DOCKER_HOST: `unix://${scratch.folder}/docker.sock` },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  });
}
