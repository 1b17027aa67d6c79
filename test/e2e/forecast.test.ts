import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { finishTask } from '../support/queue.ts';
import { Scratch } from '../support/scratch.ts';

let scratch: Scratch;

beforeEach(async () => {
  scratch = await Scratch.create({ 'lines.txt': 'one\ntwo\n' });
});
afterEach(() => scratch[Symbol.asyncDispose]());

interface Conflicting {
  readonly id: string;
  readonly conflictsWith: readonly string[];
}

interface StatusJson {
  readonly tasks: readonly { readonly id: string; readonly patch: Conflicting | null }[];
  readonly conflicts: readonly { readonly left: string; readonly right: string; readonly paths: readonly string[] }[];
}

describe('patches that will not merge', () => {
  it('are named by patch list, and by status and task from then on', async () => {
    await finishTask(scratch, { title: 'Shout', files: { 'lines.txt': 'ONE\ntwo\n' } });
    await finishTask(scratch, { title: 'Count', files: { 'lines.txt': '1\ntwo\n' } });
    await finishTask(scratch, { title: 'Apart', files: { 'new.txt': 'new\n' } });
    const { patches } = await scratch.json<{ patches: readonly Conflicting[] }>(['patch', 'list']);
    expect(patches.map(({ id, conflictsWith }) => [id, conflictsWith])).toEqual([
      ['shout.1', ['count.1']],
      ['count.1', ['shout.1']],
      ['apart.1', []],
    ]);
    expect(await scratch.must(['patch', 'list'])).toMatch(/^shout\.1 .* conflicts with count\.1$/m);
    expect(await scratch.must(['status'])).toMatch(
      /\n\nwarning: count\.1 will not merge with shout\.1 \(lines\.txt\)$/,
    );
    const status = await scratch.json<StatusJson>(['status']);
    expect(status.conflicts).toEqual([{ left: 'count.1', right: 'shout.1', paths: ['lines.txt'] }]);
    expect(status.tasks.map(({ patch }) => patch?.conflictsWith)).toEqual([['count.1'], ['shout.1'], []]);
    expect(await scratch.must(['task', 'shout'])).toMatch(
      /conflicts +count\.1 will not merge with shout\.1 \(lines\.txt\)/,
    );
    expect(await scratch.json(['task', 'shout'])).toMatchObject({ patch: { conflictsWith: ['count.1'] } });
    expect(await scratch.json(['patch', 'show', 'shout', '--stat'])).toMatchObject({ conflictsWith: ['count.1'] });
    await scratch.must(['patch', 'reject', 'count']);
    expect(await scratch.must(['status'])).not.toContain('will not merge');
  });
});
