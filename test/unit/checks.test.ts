// What checks say of a patch, what policy makes of it, and what becomes of patches in a run; the checker is the test's.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { environmentError } from '../../src/errors.ts';
import type { EventBody } from '../../src/events.ts';
import type { CheckedTree, Checker } from '../../src/review/checker.ts';
import { idlePolicy, mayApprove, ownCheck, type ReviewPolicy } from '../../src/review/policy.ts';
import { uncheckedBy, verdictOf, verdictOn } from '../../src/review/verdict.ts';
import type { CheckRecord, PatchRecord } from '../../src/state/records.ts';
import { openState, type State } from '../../src/state/state.ts';
import { Reviews } from '../../src/tasks/reviews.ts';
import { type AttemptId, type Flag, NO_USAGE, type ObjectId, type PatchState, type RunId } from '../../src/types.ts';

const OID = 'a'.repeat(40) as ObjectId;
const OTHER = 'b'.repeat(40) as ObjectId;
const FLAG: Flag = { code: 'git-hook', path: '.husky/pre-commit', detail: 'runs by itself' };
const PLACE = {
  ...{ host: 'local', engine: 'demo', timeoutMs: 60_000, diskBytes: 2 ** 30 },
  container: (task: string, n: number) => `o-${task}-${n}`,
};

let directory: string;
let state: State;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'orchestrate-checks-'));
  state = openState(directory);
});
afterEach(() => {
  state.close();
  rmSync(directory, { recursive: true });
});

function record(command: string, exitCode = 0, more: Partial<CheckRecord> = {}): CheckRecord {
  return { command, exitCode, durationMs: 5, tree: OID, isFlaky: false, log: `checks/${command}.log`, ...more };
}

/** A finished task with a patch. */
function patched(title: string, flags: readonly Flag[] = [], patchState: PatchState = 'pending'): AttemptId {
  const task = { title, description: title, agent: 'general', priority: 'normal', dependsOn: [] } as const;
  state.addTasks([task]);
  const nothing = { deadline: null, budgetUsd: null, budgetTokens: null };
  const run = state.beginRun({ id: `run-${title}` as RunId, pid: 1, base: OID, ...nothing });
  const claim = state.claimNext(run, PLACE);
  if (claim === null) throw new Error('nothing was queued');
  const { id, task: of } = claim.attempt;
  const isSalvaged = patchState === 'salvaged';
  state.endAttempt(id, run.fence, {
    ...{ outcome: isSalvaged ? 'failed' : 'succeeded', taskState: isSalvaged ? 'failed' : 'succeeded' },
    ...{ exitCode: 0, reason: null, usage: NO_USAGE, egressDenied: [], summary: null },
    patch: {
      ...{ id, task: of, state: patchState, baseTree: OID, baseCommit: OID, tree: OID, commit: OID, reason: null },
      ...{ size: { files: 1, insertions: 1, deletions: 0 }, flags },
    },
  });
  return id;
}

function patch(id: AttemptId): PatchRecord {
  const found = state.patch(id);
  if (found === null) throw new Error(`there is no ${id}`);
  return found;
}

describe('the checks of a patch', () => {
  it('are each command’s newest, and what they were comes back as it was', () => {
    const id = patched('one');
    state.addChecks(id, [record('lint', 1), record('test', 0, { isFlaky: true })]);
    state.addChecks(id, [record('lint')]);
    expect(patch(id).checks).toEqual([record('test', 0, { isFlaky: true }), record('lint')]);
    expect(state.patches()[0]?.checks).toEqual(patch(id).checks);
  });

  it('are of its present tree alone: what passed on another one is no verdict', () => {
    const id = patched('one');
    state.addChecks(id, [record('test', 0, { tree: OTHER }), record('lint', 0, { tree: null })]);
    expect(patch(id).checks).toEqual([]);
    expect(state.patches()[0]?.checks).toEqual([]);
    expect(verdictOf(patch(id))).toBe('none');
  });

  it.each([
    [[], 'none'],
    [[record('a'), record('b', 0, { isFlaky: true })], 'passed'],
    [[record('a'), record('b', 2)], 'failed'],
  ])('give a verdict: %j', (checks, verdict) => {
    expect(verdictOf({ checks })).toBe(verdict);
  });

  it('give none on commands that were not all run, and one on these whatever others say', () => {
    const checks = [record('a'), record('old', 1)];
    expect(verdictOn({ checks }, ['a', 'b'])).toBe('none');
    expect(verdictOn({ checks }, [])).toBe('none');
    expect(verdictOn({ checks }, ['a'])).toBe('passed');
    expect(uncheckedBy({ checks }, ['b', 'a', 'b'])).toEqual(['b']);
  });
});

describe('--auto-approve passing', () => {
  const passing: ReviewPolicy = { autoApprove: 'passing', checks: ['test'] };
  const green = (flags: readonly Flag[] = []): PatchRecord => {
    const id = patched('one', flags);
    state.addChecks(id, [record('test')]);
    return patch(id);
  };

  it('takes what passed and has no sensitive flag, a flake that passed too', () => {
    const patch = green();
    expect(mayApprove(patch, passing)).toBe(true);
    expect(mayApprove({ ...patch, flags: [{ ...FLAG, code: 'generated-file' }] }, passing)).toBe(true);
    expect(mayApprove({ ...patch, checks: [record('test', 0, { isFlaky: true })] }, passing)).toBe(true);
  });

  it.each<[string, (patch: PatchRecord) => PatchRecord, ReviewPolicy]>([
    ['is flagged as sensitive', (one) => ({ ...one, flags: [FLAG] }), passing],
    ['has a flag that nobody knows', (one) => ({ ...one, flags: [{ ...FLAG, code: 'of-a-newer-one' }] }), passing],
    ['failed', (one) => ({ ...one, checks: [record('test', 1)] }), passing],
    ['was not checked by every command', (one) => one, { ...passing, checks: ['test', 'lint'] }],
    ['has no check that could pass', (one) => ({ ...one, checks: [] }), { ...passing, checks: [] }],
    ['passed another check than is configured', (one) => one, { ...passing, checks: [] }],
    ['is not pending', (one) => ({ ...one, state: 'changes-requested' }), passing],
    ['is salvaged', (one) => ({ ...one, state: 'salvaged' }), passing],
    ['nobody wants approved', (one) => one, { ...passing, autoApprove: 'never' }],
  ])('leaves to a person what %s', (_, change, policy) => {
    expect(mayApprove(change(green()), policy)).toBe(false);
  });

  it.each([
    ['sh check.sh', 'check.sh'],
    ['npm ci && ./scripts/check --all', 'scripts/check'],
    ['CI=1 /bin/bash -e "./test/run.sh" fast', 'test/run.sh'],
    ['python3 -u tools/verify.py', 'tools/verify.py'],
  ])('sees that a patch changes what %s runs', (command, path) => {
    expect(ownCheck([command], ['a.ts', path])).toBe(path);
  });

  it('takes no file that a check only looks at for the check', () => {
    expect(ownCheck(['test -f a.ts', 'grep -q x a.ts', 'npm test'], ['a.ts', 'test'])).toBeNull();
  });

  it('says beforehand where it can approve nothing', () => {
    expect(idlePolicy({ ...passing, checks: [] })).toContain('--check');
    expect(idlePolicy(passing)).toBeNull();
    expect(idlePolicy({ autoApprove: 'never', checks: [] })).toBeNull();
  });

  it('approves no other tree than the one that passed, and nothing twice', () => {
    const { id } = green();
    expect(state.approveChecked(id, OTHER)).toBe(false);
    expect(patch(id)).toMatchObject({ state: 'pending', decidedBy: null });
    expect(state.approveChecked(id, OID)).toBe(true);
    expect(patch(id)).toMatchObject({ state: 'approved', decidedBy: 'policy' });
    expect(state.approveChecked(id, OID)).toBe(false);
  });
});

type Answer = (on: CheckedTree, command: string, signal: AbortSignal) => Promise<CheckRecord>;

/** Reviews with a checker that answers so; what was asked of it and what was told. */
function reviews(answer: Answer, policy: Partial<ReviewPolicy> = {}, stop = new AbortController()) {
  const told: EventBody[] = [];
  const asked: string[] = [];
  const checker: Checker = {
    check: (on, commands, signal) =>
      Promise.all(
        commands.map((command) => {
          asked.push(`${on.name} ${command}`);
          return answer(on, command, signal);
        }),
      ),
  };
  const made = new Reviews({
    ...{ state, checker, policy: { autoApprove: 'passing', checks: ['test', 'lint'], ...policy } },
    signal: stop.signal,
    emit: (event) => void told.push(event),
    isSetUpFor: async () => true,
    changedPaths: async () => ['scripts/check.sh'],
  });
  return { reviews: made, told, asked };
}

const pass: Answer = async (_, command) => record(command);

describe('the reviews of a run', () => {
  it('leave a patch that changes its own check to a person, and say so', async () => {
    const id = patched('one');
    const { reviews: all, told } = reviews(pass, { checks: ['sh scripts/check.sh'] });
    all.open();
    await all.done();
    expect(patch(id)).toMatchObject({ state: 'pending', checks: [record('sh scripts/check.sh')] });
    const message = 'changes scripts/check.sh, which a check runs: a person has to approve it';
    expect(told).toContainEqual(expect.objectContaining({ type: 'warning', attempt: id, message }));
  });

  it('check a pending patch by every command, write down and tell each, and approve what passed', async () => {
    const id = patched('one');
    const { reviews: all, told } = reviews(pass);
    all.open();
    expect(all.isBusy).toBe(true);
    await all.done();
    expect(all.isBusy).toBe(false);
    expect(patch(id)).toMatchObject({ state: 'approved', checks: [record('test'), record('lint')] });
    expect(told.map(({ type }) => type)).toEqual(['check.ended', 'check.ended', 'patch.approved']);
    expect(all.red).toBe(0);
  });

  it('leave a flagged or red patch pending, and count the red ones', async () => {
    const flagged = patched('flagged', [FLAG]);
    const red = patched('red');
    const { reviews: all } = reviews(async (on, command) => record(command, on.name === red ? 1 : 0));
    all.open();
    await all.done();
    expect(state.patches().map((one) => [one.id, one.state, verdictOf(one)])).toEqual([
      [flagged, 'pending', 'passed'],
      [red, 'pending', 'failed'],
    ]);
    expect(all.red).toBe(1);
  });

  it('do not count what was red before', async () => {
    state.addChecks(patched('old'), [record('test', 1), record('lint')]);
    const { reviews: all, asked } = reviews(pass);
    all.open();
    await all.done();
    expect(asked).toEqual([]);
    expect(all.red).toBe(0);
  });

  it('take neither what is salvaged nor anything before or after their time, and none where there is no check', async () => {
    patched('salvaged', [], 'salvaged');
    const early = patched('early');
    const { reviews: all, asked } = reviews(pass);
    all.look();
    await all.done();
    all.look();
    await all.done();
    const none = reviews(pass, { checks: [] });
    none.reviews.open();
    await none.reviews.done();
    expect([...asked, ...none.asked]).toEqual([]);
    expect(patch(early).state).toBe('pending');
  });

  it('run only what an earlier run did not, and decide even where nothing is left to run', async () => {
    const half = patched('half');
    state.addChecks(half, [record('test')]);
    const whole = patched('whole');
    state.addChecks(whole, [record('test'), record('lint')]);
    const { reviews: all, asked } = reviews(pass);
    all.open();
    await all.done();
    expect(asked).toEqual(['half.1 lint']);
    expect(state.patches().map((one) => one.state)).toEqual(['approved', 'approved']);
  });

  it('check anew what was amended meanwhile, whose earlier verdict approves nothing', async () => {
    const id = patched('one');
    const amended = {
      commit: OID,
      size: { files: 1, insertions: 2, deletions: 0 },
      flags: [],
      decidedBy: null,
    } as const;
    let again = (): void => {};
    const checkedAgain = new Promise<void>((resolve) => {
      again = resolve;
    });
    const answer: Answer = async (on, command) => {
      if (on.tree === OID) state.amendPatch(patch(id), { ...amended, tree: OTHER, state: 'pending' });
      else again();
      return record(command, 0, { tree: on.tree });
    };
    const { reviews: all, asked, told } = reviews(answer, { checks: ['test'] });
    all.open();
    await checkedAgain;
    await all.done();
    expect(asked).toEqual(['one.1 test', 'one.1 test']);
    expect(told.map(({ type }) => type)).toEqual(['check.ended', 'check.ended', 'patch.approved']);
    expect(patch(id)).toMatchObject({ tree: OTHER, state: 'approved' });
  });

  it('leave alone what a person decided meanwhile', async () => {
    const id = patched('one');
    const { reviews: all, told } = reviews(async (_, command) => {
      state.setPatchState(id, ['pending'], 'rejected');
      return record(command);
    });
    all.open();
    await all.done();
    expect(patch(id)).toMatchObject({ state: 'rejected', decidedBy: null });
    expect(told.map(({ type }) => type)).not.toContain('patch.approved');
  });

  it('end with the run, and leave the patch without a verdict', async () => {
    const id = patched('one');
    const stop = new AbortController();
    const never: Answer = (_, __, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
        stop.abort();
      });
    const { reviews: all, told } = reviews(never, { checks: ['test'] }, stop);
    all.open();
    await all.done();
    expect(patch(id)).toMatchObject({ state: 'pending', checks: [] });
    expect(told).toEqual([]);
  });

  it('tell of an engine in trouble and go on, and fail of what nobody foresaw', async () => {
    const id = patched('one');
    const { reviews: all, told } = reviews(async (_, command) => {
      if (command === 'test') throw environmentError('DOCKER', 'the engine is gone');
      return record(command);
    });
    all.open();
    await all.done();
    expect(told).toContainEqual(expect.objectContaining({ type: 'warning', message: expect.stringContaining('gone') }));
    expect(patch(id).state).toBe('pending');
    const { reviews: broken } = reviews(() => Promise.reject(new TypeError('a bug')));
    broken.open();
    await expect(broken.done()).rejects.toThrow('a bug');
  });
});
