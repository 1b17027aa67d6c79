import { afterEach, beforeEach, expect, it } from 'vitest';
import type { EventBody } from '../../src/events.ts';
import { findRepository, type Repository } from '../../src/git/repository.ts';
import { updateForecast } from '../../src/merge/forecast.ts';
import type { State } from '../../src/state/state.ts';
import { RunForecast } from '../../src/tasks/run-forecast.ts';
import { type AttemptId, NO_USAGE, type ObjectId, type RunId } from '../../src/types.ts';
import { looseTree } from '../support/loose-trees.ts';
import { PLACE, stateOf } from '../support/queue.ts';
import { Scratch } from '../support/scratch.ts';

let scratch: Scratch;
let repository: Repository;
let state: State;

beforeEach(async () => {
  scratch = await Scratch.create({ 'lines.txt': 'one\n' });
  repository = await findRepository(scratch.repository, scratch.env);
  state = stateOf(scratch);
});

afterEach(async () => {
  state.close();
  await scratch[Symbol.asyncDispose]();
});

/** Patches that all write the same file, each otherwise. */
async function addPatches(count: number): Promise<AttemptId[]> {
  const [commit, baseTree] = (await scratch.git('rev-parse', 'HEAD', 'HEAD^{tree}')).split('\n') as ObjectId[];
  if (commit === undefined || baseTree === undefined) throw new Error('no HEAD');
  const task = { description: 'x', agent: 'test-engineer', priority: 'normal', dependsOn: [] } as const;
  state.addTasks(Array.from({ length: count }, (_, n) => ({ ...task, title: `Task ${n}` })));
  const nothing = { deadline: null, budgetUsd: null, budgetTokens: null };
  const run = state.beginRun({ id: 'RUN' as RunId, pid: process.pid, base: commit, ...nothing });
  const ids: AttemptId[] = [];
  for (let n = 0; n < count; n += 1) {
    const claim = state.claimNext(run, PLACE);
    if (claim === null) throw new Error('nothing was queued');
    const { id } = claim.attempt;
    const tree = await looseTree(scratch.repository, { 'lines.txt': `written by ${n}\n` });
    const size = { files: 1, insertions: 1, deletions: 1 };
    const made = { id, task: claim.task.id, state: 'pending', baseTree, baseCommit: commit, tree, commit } as const;
    state.endAttempt(id, run.fence, {
      ...{ outcome: 'succeeded', taskState: 'succeeded', exitCode: 0, reason: null, usage: NO_USAGE },
      ...{ egressDenied: [], summary: null, patch: { ...made, size, flags: [], reason: null } },
    });
    ids.push(id);
  }
  state.endRun(run.id);
  return ids;
}

function forecastOf(on: Repository): { readonly forecast: RunForecast; readonly events: readonly EventBody[] } {
  const events: EventBody[] = [];
  const { signal } = new AbortController();
  const emit = (event: EventBody): void => void events.push(event);
  return { forecast: new RunForecast({ repository: on, state, signal, emit }), events };
}

it('warns of each new conflict once, however often results arrive', async () => {
  const [one, other] = await addPatches(2);
  if (one === undefined || other === undefined) throw new Error('no patches');
  const { forecast, events } = forecastOf(repository);
  for (const id of [one, other, one]) forecast.attemptEnded(id, true);
  await forecast.end();
  forecast.attemptEnded(other, true);
  await forecast.end();
  const message = 'will not merge with task-0.1 (lines.txt)';
  expect(events).toEqual([{ type: 'warning', task: 'task-1', attempt: 'task-1.1', message }]);
});

it('says once that it cannot look, and goes on', async () => {
  const [one, other] = await addPatches(2);
  if (one === undefined || other === undefined) throw new Error('no patches');
  const { forecast, events } = forecastOf({ ...repository, env: { ...repository.env, PATH: scratch.folder } });
  for (const id of [one, other]) {
    forecast.attemptEnded(id, true);
    await forecast.end();
  }
  expect(events).toEqual([{ type: 'warning', message: 'no forecast of conflicts: git was not found.' }]);
});

it('keeps what it looked at when it is told to stop, and goes on from there', async () => {
  await addPatches(30);
  const stopped = await updateForecast(repository, state, { signal: AbortSignal.abort() });
  expect(stopped.isCut).toBe(true);
  const soFar = state.conflicts().length;
  expect(soFar).toBeGreaterThan(0);
  const rest = await updateForecast(repository, state);
  expect(rest).toMatchObject({ isCut: false });
  expect(rest.found).toHaveLength((30 * 29) / 2 - soFar);
  expect(state.conflicts()).toHaveLength((30 * 29) / 2);
});
