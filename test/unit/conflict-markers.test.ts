import { expect, it } from 'vitest';
import { conflictMarkers } from '../../src/patch/conflict-markers.ts';
import { parsePatch } from '../../src/patch/parse.ts';
import { OUTSIDE_PATCH } from '../../src/patch/parsed.ts';

/** A patch that replaces one line by others. */
function patchOf(old: string, ...lines: readonly string[]): Buffer {
  const id = 'a'.repeat(40);
  const head = `diff --git a/f b/f\nindex ${id}..${'b'.repeat(40)} 100644\n--- a/f\n+++ b/f\n`;
  const added = lines.map((line) => `+${line}\n`).join('');
  return Buffer.from(`${head}@@ -1 +1,${lines.length} @@\n-${old}\n${added}`);
}

function found(old: string, ...lines: readonly string[]): readonly string[] {
  return conflictMarkers(parsePatch(patchOf(old, ...lines), OUTSIDE_PATCH)).map(
    ({ code, path, detail }) => `${code} ${path} ${detail}`,
  );
}

it('markers that a patch adds are told for each file', () => {
  expect(found('x', '<<<<<<< ours', 'a', '=======', 'b', '>>>>>>> theirs\r')).toEqual([
    'conflict-markers f 2 conflict markers: a conflict is not resolved',
  ]);
  expect(found('x', '>>>>>>>')).toEqual(['conflict-markers f 1 conflict marker: a conflict is not resolved']);
});

it('markers that it takes away, and what only looks a little like one, are not', () => {
  expect(found('<<<<<<< ours', 'resolved')).toEqual([]);
  expect(found('x', 'Title', '=======', '<<<<<<<<< nine', ' <<<<<<< indented', 'a <<<<<<< b', '>>>>>>>>')).toEqual([]);
});
