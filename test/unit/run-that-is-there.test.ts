// A run that is not there yet, but in a moment: nobody is told that there is none.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Context } from '../../cli/context.ts';
import { runThatIsThere } from '../../cli/run-that-is-there.ts';
import { openState, type State } from '../../src/state/state.ts';
import { acquireLock, type Lock } from '../../src/tasks/lock.ts';
import type { ObjectId, RunId } from '../../src/types.ts';

let directory: string;
let state: State;
const said: string[] = [];
const context = { note: (line: string) => void said.push(line) } as Context;
const forEver = new AbortController().signal;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'orchestrate-there-'));
  state = openState(directory);
  said.length = 0;
});
afterEach(() => {
  state.close();
  rmSync(directory, { recursive: true });
});

function begin(id: string): void {
  const nothing = { deadline: null, budgetUsd: null, budgetTokens: null };
  state.beginRun({ id: id as RunId, pid: process.pid, base: 'b'.repeat(40) as ObjectId, ...nothing });
}

function lock(): Lock {
  const startedAt = new Date().toISOString();
  const taken = acquireLock(directory, { pid: process.pid, startedAt, command: 'orchestrate run' });
  if ('heldBy' in taken) throw new Error('another process holds the lock');
  return taken;
}

describe('the run that is there', () => {
  it('is waited for while it makes ready what it needs, which is said', async () => {
    using _held = lock();
    const found = runThatIsThere(context, state, forEver);
    begin('new');
    expect(await found).toMatchObject({ id: 'new' });
    expect(said).toEqual([expect.stringContaining('about to begin')]);
  });

  it('is waited for where one was cut off and is started again', async () => {
    begin('cut-off');
    const found = runThatIsThere(context, state, forEver);
    using _held = lock();
    begin('next');
    expect(await found).toMatchObject({ id: 'next' });
  });

  it('is none where none was cut off, or whoever asks goes', async () => {
    expect(await runThatIsThere(context, state, forEver)).toBeNull();
    begin('cut-off');
    expect(await runThatIsThere(context, state, AbortSignal.abort())).toBeNull();
  });
});
