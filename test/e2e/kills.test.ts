// However often and whenever the coordinator is killed: each task is done once, and what was acknowledged stays.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { doneOnce, expectSound, withState } from '../support/chaos-queue.ts';
import { leftInDocker, type Moment, runUntil, seeded, times } from '../support/endurance.ts';
import { Scratch } from '../support/scratch.ts';

const KILLS = times({ short: 12, long: 500 });
/** Generous: other tests may have the machine as well. */
const TIMEOUT_MS = times({ short: 10, long: 180 }) * 60_000;

/** What each agent does: says that it was here, and what it found of those before it. */
const COMMAND = `mkdir -p journal seen; sleep 0.3
echo "$ORCHESTRATE_TASK_ID.$ORCHESTRATE_ATTEMPT" >> "journal/$ORCHESTRATE_TASK_ID"
cat journal/* > "seen/$ORCHESTRATE_TASK_ID"`;

/** Six tasks by letter, with what each depends on. */
const QUEUE: Readonly<Record<string, readonly string[]>> = {
  a: [],
  b: [],
  c: ['a'],
  d: ['a', 'b'],
  e: ['c', 'd'],
  f: [],
};

let scratch: Scratch;

beforeEach(async () => {
  scratch = await Scratch.create();
});
afterEach(() => scratch[Symbol.asyncDispose]());

it(
  `${KILLS} kills of the coordinator lose nothing, double nothing and leave nothing behind`,
  { timeout: TIMEOUT_MS },
  () =>
    seeded(async (random) => {
      let kills = 0;
      for (let round = 1; kills < KILLS; round += 1) {
        await submitQueue(round);
        kills += await workQueue(() => (kills < KILLS ? momentOf(random) : null), KILLS - kills);
        await expectDoneOnce(round);
        expect(await leftInDocker(scratch)).toEqual(['volume store']);
      }
      expectSound(scratch);
      await scratch.git('fsck', '--strict');
      expect(await scratch.git('status', '--porcelain')).toBe('');
    }),
);

/** A commit more, and six tasks from there. */
async function submitQueue(round: number): Promise<void> {
  await scratch.write({ 'round.txt': `${round}\n` });
  await scratch.git('add', '--all');
  await scratch.git('commit', '--quiet', '--message', `round ${round}`);
  const lines = Object.entries(QUEUE).map(([letter, dependsOn]) => {
    const id = `${letter}${round}`;
    return JSON.stringify({ key: id, description: id, title: id, dependsOn: dependsOn.map((one) => `${one}${round}`) });
  });
  await mkdir(path.join(scratch.folder, 'queues'), { recursive: true });
  const file = path.join(scratch.folder, 'queues', `${round}.jsonl`);
  await writeFile(file, `${lines.join('\n')}\n`);
  await scratch.must(['submit', '--batch', file]);
}

/** Runs until nothing is left to do, killed at most `most` times; returns how often it was. */
async function workQueue(nextMoment: () => Moment | null, most: number): Promise<number> {
  const acknowledged = new Map<string, string>();
  for (let kills = 0; ; ) {
    const run = await runUntil(scratch, COMMAND, kills < most ? nextMoment() : null);
    for (const { type, task = '', attempt = '', status } of run.events) {
      if (type === 'task.ended' && status === 'succeeded') acknowledged.set(task, attempt);
    }
    const isOver = withState(scratch, (state) => {
      for (const [task, attempt] of acknowledged) {
        const { state: is } = state.task(state.resolveTask(task));
        expect({ task, is, patch: state.patchOf(state.resolveTask(task))?.id }).toEqual({
          ...{ task, is: 'succeeded', patch: attempt },
        });
      }
      return state.tasks().every((task) => task.state === 'succeeded');
    });
    if (run.exitCode !== null && run.exitCode >= 0) {
      expect(run).toMatchObject({ exitCode: 0 });
      expect(isOver).toBe(true);
      return kills;
    }
    kills += 1;
  }
}

/** Spread over start-up, laying out, creating, running, collecting and the end. */
function momentOf(random: () => number): Moment {
  const kinds = [
    { event: null, upToMs: 1500 },
    { event: 'run.started', upToMs: 600 },
    { event: 'task.started', upToMs: 900 },
    { event: 'patch.created', upToMs: 60 },
    { event: 'task.ended', upToMs: 500 },
    { event: null, upToMs: 6000 },
  ];
  const kind = kinds[Math.floor(random() * kinds.length)] ?? { event: null, upToMs: 1500 };
  const occurrence = kind.event === null || kind.event === 'run.started' ? 1 : 1 + Math.floor(random() * 3);
  return { event: kind.event, occurrence, delayMs: Math.floor(random() * kind.upToMs) };
}

async function expectDoneOnce(round: number): Promise<void> {
  const patches = withState(
    scratch,
    (state) => new Map(Object.keys(QUEUE).map((letter) => [letter, doneOnce(state, `${letter}${round}`)])),
  );
  const refs = (await scratch.git('for-each-ref', '--format=%(refname)', 'refs/orchestrate')).split('\n');
  expect(refs.filter((ref) => ref.endsWith('/wip'))).toEqual([]);
  for (const [letter, patch] of patches) {
    const [task = '', n = ''] = patch.split('.');
    const ref = `refs/orchestrate/${task}/${n}/result`;
    expect(refs).toContain(ref);
    const before = below(letter).map((one) => patches.get(one) ?? '');
    const changed = await scratch.git('diff', '--name-only', `${ref}^`, ref);
    expect(changed.split('\n')).toEqual([`journal/${task}`, `seen/${task}`]);
    expect(await scratch.git('show', `${ref}:journal/${task}`)).toBe(patch);
    const seen = await scratch.git('show', `${ref}:seen/${task}`);
    expect(seen.split('\n')).toEqual([...before, patch].sort());
  }
}

/** What a task depends on, and what that depends on. */
function below(letter: string): string[] {
  const direct = QUEUE[letter] ?? [];
  return [...new Set(direct.flatMap((one) => [one, ...below(one)]))];
}
