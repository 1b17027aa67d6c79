// The pure parts of a review: in which order, by which keys, and what is taken of a patch.
import { describe, expect, it } from 'vitest';
import { Choosing } from '../../cli/review/choosing.ts';
import { actOf, legendLines, PART_KEYS, PATCH_KEYS, promptLine } from '../../cli/review/keys.ts';
import { reviewOrder, type Waiting } from '../../cli/review/order.ts';
import { recounted } from '../../cli/review/recount.ts';
import type { PatchFile } from '../../src/review/parts.ts';
import type { AttemptId } from '../../src/types.ts';

function waiting(id: string, more: Partial<Omit<Waiting, 'foundations'>> & { on?: readonly string[] } = {}): Waiting {
  const { on = [], ...rest } = more;
  return {
    ...{ id: id as AttemptId, foundations: on as readonly AttemptId[] },
    ...{ isRed: false, isInConflict: false, isFlagged: false, ...rest },
  };
}

describe('the order of a review', () => {
  it('is red and conflicting ones, then flagged ones, then as given', () => {
    const order = reviewOrder([
      ...[waiting('old'), waiting('flagged', { isFlagged: true }), waiting('red', { isRed: true })],
      ...[waiting('clash', { isInConflict: true }), waiting('new')],
    ]);
    expect(order).toEqual(['red', 'clash', 'flagged', 'old', 'new']);
  });

  it('has what others stand on first, however harmless it is', () => {
    const order = reviewOrder([
      ...[waiting('plain'), waiting('top', { isRed: true, on: ['middle', 'base'] })],
      ...[waiting('middle', { on: ['base'] }), waiting('base', { on: ['merged'] })],
    ]);
    expect(order).toEqual(['base', 'middle', 'top', 'plain']);
  });
});

describe('the keys of a review', () => {
  it('are each for one thing, and offered in one line of any terminal', () => {
    for (const keys of [PATCH_KEYS, PART_KEYS]) {
      expect(new Set(keys.map(({ key }) => key)).size).toBe(keys.length);
      for (const width of [20, 40, 80, 132, 400]) {
        const line = promptLine(keys, '(12/345) a-task-with-a-name-of-forty-characters-x.1', width);
        expect(line.length).toBeLessThan(width);
        expect(line).toMatch(/[\]:] $/);
      }
    }
    expect(promptLine(PATCH_KEYS, '(1/1) a.1', 400)).toContain('[a]pprove [r]eject');
    for (const line of legendLines(PATCH_KEYS, 40)) expect(line.length).toBeLessThanOrEqual(40);
  });

  it('are the same in both cases, but where that is another key', () => {
    expect(actOf(PATCH_KEYS, 'A')).toBe('approve');
    expect(actOf(PATCH_KEYS, 'j')).toBe('next');
    expect(actOf(PART_KEYS, 'A')).toBe('takeAll');
    expect(actOf(PART_KEYS, 'a')).toBe('takeFile');
    expect(actOf(PATCH_KEYS, '\r')).toBeNull();
  });
});

function file(path: string, hunks: number, isWhole = false): PatchFile {
  const hunk = (n: number) => ({ n, header: `@@ ${n}`, text: '+x\n', insertions: 1, deletions: 0 });
  return {
    ...{ path, rawPath: Buffer.from(path), status: 'M', oldMode: '100644', newMode: '100644', isWhole, unread: null },
    ...{ hunks: Array.from({ length: hunks }, (_, at) => hunk(at + 1)), insertions: hunks, deletions: 0 },
  };
}

describe('choosing parts', () => {
  it('names files that are taken whole, and the hunks of others', () => {
    const choosing = new Choosing([file('a', 3), file('b', 0, true), file('c', 2), file('d', 2)]);
    expect(choosing.parts).toHaveLength(8);
    expect(choosing.extent).toBe('nothing');
    choosing.answer(1, true);
    choosing.answer(3, true);
    expect(choosing.answerFile(4, true)).toBe(6);
    choosing.answer(7, false);
    expect(choosing.choice).toEqual(
      new Map<string, unknown>([
        ['a', new Set([2])],
        ['b', 'all'],
        ['c', 'all'],
      ]),
    );
    expect(choosing.extent).toBe('some');
    choosing.answerRest(0, true);
    expect(choosing.extent).toBe('all');
  });
});

describe('a patch that was edited by hand', () => {
  const HEAD = 'diff --git a/x b/x\nindex 1111111111111111..2222222222222222 100644\n--- a/x\n+++ b/x\n';

  it('gets its numbers right again, and keeps stripped blank lines as context', () => {
    const edited = `${HEAD}@@ -1,4 +1,4 @@ f\n a\n-b\n+B\n+C\n\n d\n@@ -10,2 +10,2 @@\n q\n-r\n\\ No newline at end of file\n`;
    expect(String(recounted(Buffer.from(edited)))).toBe(
      'diff --git a/x b/x\nindex 111111111111..222222222222 100644\n--- a/x\n+++ b/x\n' +
        '@@ -1,4 +1,5 @@ f\n a\n-b\n+B\n+C\n \n d\n@@ -10,2 +11 @@\n q\n-r\n\\ No newline at end of file\n',
    );
  });

  it('leaves out hunks and files that change nothing any more', () => {
    const none = `${HEAD}@@ -1,2 +1,2 @@\n a\n b\n`;
    expect(String(recounted(Buffer.from(none)))).toBe('');
    const one = `${HEAD}@@ -1,2 +1,3 @@\n a\n b\n@@ -5 +6,2 @@\n e\n+f\n`;
    expect(String(recounted(Buffer.from(one)))).toMatch(/^diff[^@]*@@ -5 \+5,2 @@\n e\n\+f\n$/);
  });

  it('stays as it is where nothing was edited, but for its ids', () => {
    const patch = `${HEAD}@@ -0,0 +1,2 @@\n+a\n+b\n`.replaceAll(/(\d{12})\d*/g, '$1');
    expect(String(recounted(Buffer.from(patch)))).toBe(patch);
    const binary =
      'diff --git a/x b/x\nindex 1111111111111111..2222222222222222 100644\nGIT binary patch\nliteral 1\nIcmZ\n\n';
    expect(String(recounted(Buffer.from(binary)))).toBe(binary);
  });
});
