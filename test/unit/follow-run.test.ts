// How `attach` comes to know of a run that another process works.

import { expect, it } from 'vitest';
import { followRun } from '../../cli/follow-run.ts';
import { EventBus } from '../../src/events.ts';
import { PLACE, PlayedRun } from '../support/queue.ts';
import { Scratch } from '../support/scratch.ts';

it('an attempt that was claimed when somebody began to look is told once, when it starts', async () => {
  await using scratch = await Scratch.create();
  await using played = await PlayedRun.begin(scratch);
  const { state, run } = played;
  const [task] = state.addTasks([
    { title: 'First', description: 'x', agent: 'test-engineer', priority: 'normal', dependsOn: [] },
  ]);
  const claim = state.claimNext(run, PLACE);
  if (task === undefined || claim === null) throw new Error('there is a task to claim');
  const bus = new EventBus();
  const told: string[] = [];
  bus.on(({ type }) => void told.push(type));
  const signal = new AbortController().signal;
  const following = followRun({ state, run, bus, onPast: () => {}, withOutput: false, signal });
  const at = new Date().toISOString();
  const { id: attempt } = claim.attempt;
  const of = { task: task.id, attempt, title: task.title, agent: task.agent, host: 'local' };
  state.appendEvent({ at, type: 'task.started', ...of }, run.id);
  const ended = { succeeded: 0, failed: 0, blocked: 0, redPatches: 0, limit: null, reason: null, exitCode: 0 };
  state.appendEvent({ at, type: 'run.ended', run: run.id, ...ended }, run.id);
  await following;
  expect(told).toEqual(['task.started', 'run.ended']);
});
