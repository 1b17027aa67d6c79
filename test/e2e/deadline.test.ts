// A run with a deadline: what is at work then is kept, what is not is not begun, and nothing is left.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { leftInDocker } from '../support/endurance.ts';
import { Scratch } from '../support/scratch.ts';

let scratch: Scratch;

beforeEach(async () => {
  scratch = await Scratch.create();
});
afterEach(() => scratch[Symbol.asyncDispose]());

interface Task {
  readonly status: string;
  readonly reason: string | null;
  readonly attempts: readonly { readonly outcome: string }[];
  readonly patch: { readonly status: string } | null;
}

it('ends at its deadline with exit 4, keeps what is at work, and has the rest wait', async () => {
  for (const title of ['One', 'Two']) await scratch.must(['submit', '--title', title, title]);
  const command = 'echo half > half.txt; sleep 600';
  const run = ['run', '--engine-command', command, '--max-agents', '1', '--for', '8s', '--json'];
  const { exitCode, stdout } = await scratch.orchestrate(run);
  expect(exitCode).toBe(4);
  const events = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { type: string; reason?: string; task?: string; at: string });
  expect(events.at(-1)).toMatchObject({ type: 'run.ended', reason: expect.stringMatching(/deadline \(\d\d:\d\d\)/) });
  expect(events.filter(({ type }) => type === 'task.started').map(({ task }) => task)).toEqual(['one']);
  expect(await scratch.json<Task>(['task', 'one'])).toMatchObject({
    ...{ status: 'queued', reason: expect.stringContaining('deadline'), patch: { status: 'salvaged' } },
    attempts: [{ outcome: 'killed' }],
  });
  expect(await scratch.must(['patch', 'show', 'one'])).toContain('+half');
  expect(await scratch.json<Task>(['task', 'two'])).toMatchObject({ status: 'queued', attempts: [] });
  expect(await leftInDocker(scratch)).toEqual(['volume store']);

  const again = await scratch.orchestrate(['run', '--engine-command', 'echo whole > whole.txt', '--for', '1h']);
  expect(again).toMatchObject({ exitCode: 0 });
});

it('refuses one that has passed, and says on a dry run when it would end', async () => {
  await scratch.must(['submit', 'One']);
  const engine = ['--engine-command', 'true'];
  const past = await scratch.orchestrate(['run', ...engine, '--until', '2020-01-01T07:00']);
  expect(past).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('in the past') });
  expect(await scratch.must(['run', ...engine, '--until', '07:00', '--dry-run'])).toMatch(
    /^ends at 07:00: nothing is started after 0[67]:\d\d/m,
  );
});
