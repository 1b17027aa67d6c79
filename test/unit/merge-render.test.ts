import { describe, expect, it } from 'vitest';
import { mergeJson, mergeText, planText } from '../../cli/render/merge.ts';
import type { MergeReport } from '../../src/merge/merge.ts';
import type { AttemptId, ObjectId } from '../../src/types.ts';

const [FROM, TO] = ['a'.repeat(40) as ObjectId, 'b'.repeat(40) as ObjectId];
const id = (text: string): AttemptId => text as AttemptId;

const REPORT: MergeReport = {
  ...{ target: { branch: 'ma\u001b[31min', ref: 'refs/heads/main' }, from: FROM, to: TO },
  merged: [id('one.1'), id('two.1')],
  setAside: [
    {
      ...{ id: id('bad.1'), reason: 'makes `npm test` fail together with one.1; without that it passes' },
      evidence: [{ command: 'npm test', exitCode: 1, durationMs: 5, tree: TO, isFlaky: false, log: 'checks/x.log' }],
    },
    { id: id('above.1'), reason: 'stands on bad.1, which was set aside', evidence: [] },
  ],
  conflicts: [
    { id: id('left.1'), with: null, paths: ['src/\u202ea.ts'] },
    { id: id('over.1'), with: id('left.1'), paths: [] },
  ],
  leftOut: [{ id: id('late.1'), reason: 'stands on x.1, which is pending, not approved' }],
  ...{ flaky: [], checked: 9, undo: `git reset --keep ${FROM}` },
};

describe('what merge says', () => {
  it('names what landed, what did not and why, and what to type next, and nothing that moves the cursor', () => {
    const text = mergeText(REPORT, '/repo/.git/orchestrate');
    for (const character of ['\u001b', '\u202e']) expect(text).not.toContain(character);
    expect(text.split('\n').slice(1)).toEqual([
      '  one.1',
      '  two.1',
      'Set aside:',
      '  bad.1  makes `npm test` fail together with one.1; without that it passes',
      '    output in /repo/.git/orchestrate/checks/x.log',
      '  above.1  stands on bad.1, which was set aside',
      'In conflict:',
      expect.stringMatching(/^ {2}left\.1 {2}conflicts with .* in src\/.*a\.ts$/),
      '  over.1  stands on left.1, which is in conflict',
      'Left out:',
      '  late.1  stands on x.1, which is pending, not approved',
      `Undo: git reset --keep ${FROM}`,
      'Next: orchestrate patch show bad.1, or: orchestrate review bad.1',
      '',
    ]);
  });

  it('has the stable fields in JSON', () => {
    expect(mergeJson({ ...REPORT, target: { branch: null, ref: 'HEAD' } })).toMatchObject({
      ...{ target: 'HEAD', from: FROM, to: TO, merged: ['one.1', 'two.1'], undo: REPORT.undo },
      setAside: [
        { id: 'bad.1', reason: expect.any(String), check: { command: 'npm test', exitCode: 1, log: 'checks/x.log' } },
        { id: 'above.1', reason: expect.any(String), check: null },
      ],
      conflicts: [
        { id: 'left.1', with: 'HEAD', paths: ['src/\u202ea.ts'] },
        { id: 'over.1', with: 'left.1', paths: [] },
      ],
    });
  });

  it('says in a dry run which checks would run, or that none would', () => {
    expect(planText(REPORT, ['npm test'])).toContain('After these checks:\n  npm test\n');
    expect(planText(REPORT, [])).toContain('Nothing would be checked');
  });
});
