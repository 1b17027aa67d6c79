// What an attempt was started with goes on when a later run takes it over.

import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandEngine } from '../../src/engine/command.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { openState } from '../../src/state/state.ts';
import { killedRun } from '../support/killed-run.ts';
import { runHere } from '../support/run-here.ts';
import { Scratch } from '../support/scratch.ts';

let scratch: Scratch;

beforeEach(async () => {
  scratch = await Scratch.create();
});
afterEach(() => scratch[Symbol.asyncDispose]());

/** Reads no output and never believes that the work was done. */
const DOUBTFUL: Engine = {
  name: 'doubtful',
  apis: [],
  begin: (assignment, access) => ({
    ...commandEngine({ name: 'doubtful', command: 'exit 1' }).begin(assignment, access),
    verdict: () => ({ done: false, reason: 'not mine' }),
  }),
};

describe('an attempt that is taken over', () => {
  it('is judged by the engine that it was started with', async () => {
    await scratch.must(['submit', 'x', '--title', 'taken']);
    await killedRun(scratch, ['--engine-command', 'sleep 3; echo x > x.txt']);
    const state = openState(path.join(scratch.repository, '.git/orchestrate'));
    try {
      const asked: string[] = [];
      await runHere(scratch, state, {
        engine: DOUBTFUL,
        engineNamed: async (name) => {
          asked.push(name);
          return commandEngine({ name, command: '' });
        },
      });
      expect(asked).toEqual(['command']);
      expect(state.attemptsOf(state.resolveTask('taken'))).toMatchObject([{ outcome: 'succeeded', exitCode: 0 }]);
    } finally {
      state.close();
    }
  });
});
