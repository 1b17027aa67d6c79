import { randomBytes } from 'node:crypto';
import path from 'node:path';
import Docker from 'dockerode';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandEngine } from '../../src/engine/command.ts';
import { agentName } from '../../src/sandbox/docker/names.ts';
import { openState, type State } from '../../src/state/state.ts';
import { finishTask } from '../support/queue.ts';
import { runHere } from '../support/run-here.ts';
import { Scratch } from '../support/scratch.ts';

let scratch: Scratch;
let state: State;

beforeEach(async () => {
  scratch = await Scratch.create();
  state = openState(path.join(scratch.repository, '.git/orchestrate'));
});
afterEach(async () => {
  state.close();
  await scratch[Symbol.asyncDispose]();
});

async function work(command: string): Promise<void> {
  await runHere(scratch, state, { engine: commandEngine({ name: 'command', command }) });
}

function addTask(title: string): void {
  state.addTasks([{ title, description: 'x', agent: 'backend-systems-engineer', priority: 'normal', dependsOn: [] }]);
}

async function wip(task: string): Promise<string> {
  return scratch.git('for-each-ref', '--format=%(objectname)', `refs/orchestrate/${task}/1/wip`);
}

describe('snapshots of an agent at work', () => {
  it('keep what it had when its container vanishes', async () => {
    addTask('vanishes');
    // The second attempt ends at once; the first waits for its end, which comes from outside.
    const running = work(
      'if test $ORCHESTRATE_ATTEMPT = 1; then truncate -s 50G huge; echo half > half.txt; sleep 60; fi',
    );
    while ((await wip('vanishes')) === '') await new Promise((resolve) => setTimeout(resolve, 100));
    // Nobody knows it any more where only the snapshot is left.
    while (!JSON.stringify(state.eventsOf(state.resolveTask('vanishes'))).includes('left out: huge')) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await new Docker().getContainer(agentName(state.installation, 'vanishes', 1)).remove({ force: true });
    await running;
    expect(state.attemptsOf(state.resolveTask('vanishes'))).toMatchObject([
      { outcome: 'lost' },
      { outcome: 'no-changes' },
    ]);
    expect(await scratch.git('show', 'refs/orchestrate/vanishes/1/result:half.txt')).toBe('half');
    expect(state.patch(state.resolvePatch('vanishes.1'))).toMatchObject({ state: 'salvaged', size: { files: 1 } });
  });

  it('hold the agent only for the moment, and go when there is a result', async () => {
    addTask('counts');
    const lines = 40;
    const token = randomBytes(4).toString('hex');
    await work(`for i in $(seq ${lines}); do echo ${token} >> lines.txt; sleep 0.05; done`);
    const text = await scratch.git('show', 'refs/orchestrate/counts/1/result:lines.txt');
    expect(text.split('\n')).toEqual(Array.from({ length: lines }, () => token));
    expect(await wip('counts')).toBe('');
  });

  it('are looked at beside the patches that wait: what will not merge is told while the agent still works', async () => {
    await finishTask(scratch, { title: 'Shout', files: { 'README.md': '# LOUD\n' } });
    addTask('busy');
    const run = new AbortController();
    const engine = commandEngine({ name: 'command', command: 'echo "# Quiet" > README.md; sleep 60' });
    const running = runHere(scratch, state, { engine, signal: run.signal });
    while (state.conflicts().length === 0) await new Promise((resolve) => setTimeout(resolve, 100));
    expect(state.conflicts()).toEqual([{ left: 'busy.1', right: 'shout.1', paths: ['README.md'] }]);
    run.abort();
    await running;
    const warnings = state.eventsOf(state.resolveTask('shout')).filter(({ type }) => type === 'warning');
    expect(warnings).toMatchObject([{ attempt: 'shout.1', message: 'will not merge with busy.1 (README.md)' }]);
    // What it left is salvaged, and nobody merges that unless it is approved.
    expect(state.conflicts()).toEqual([]);
  });
});
