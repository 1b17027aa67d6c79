/** Random trees and edits of them, as flat lists, for property tests. */

import fc from 'fast-check';
import type { TreeChange } from '../../src/git/quarantine.ts';

/** A tree as a flat list: path (latin1) to what is there. */
export type Entry = { readonly mode: '100644' | '100755' | '120000'; readonly content: Buffer };
export type Tree = ReadonlyMap<string, Entry>;

const component = fc
  .oneof(
    fc.constantFrom(
      'a',
      'b',
      'c',
      'dir',
      'README',
      '.gitattributes',
      '.gitignore',
      'a b',
      '-x',
      '"',
      '\\',
      'x\ny',
      'é',
    ),
    fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  )
  .filter((name) => !/[/\0]/.test(name) && name !== '.' && name !== '..' && !/^(?:\.git|git~1)(?![a-z])/i.test(name));
const path = fc.array(component, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const lines = fc
  .array(
    fc.constantFrom('one', 'two', '', 'three\r', '-- ', '+++ b/x', '\\ No newline', '\xff\xfe', '* -diff binary'),
    { maxLength: 12 },
  )
  .map((all) => Buffer.from(all.join('\n'), 'latin1'));
const content = fc.oneof(
  { weight: 4, arbitrary: lines },
  { weight: 2, arbitrary: lines.map((text) => Buffer.concat([text, Buffer.from('\n')])) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
);
const target = fc.constantFrom('a', '../..', '/etc/passwd', 'x\ny', 'no newline').map((text) => Buffer.from(text));
const entry: fc.Arbitrary<Entry> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ mode: fc.constantFrom('100644' as const, '100755' as const), content }) },
  { weight: 1, arbitrary: fc.record({ mode: fc.constant('120000' as const), content: target }) },
);
const tree: fc.Arbitrary<Tree> = fc.array(fc.tuple(path, entry), { maxLength: 10 }).map(consistent);

/** A tree, and a second one that shares much with it: entries dropped, changed, moved, added. */
export const twoTrees: fc.Arbitrary<readonly [Tree, Tree]> = fc
  .tuple(
    tree,
    fc.array(fc.constantFrom('keep', 'keep', 'drop', 'chmod', 'append', 'move'), { minLength: 10, maxLength: 10 }),
    fc.array(fc.tuple(path, entry), { maxLength: 4 }),
  )
  .map(([before, edits, added]) => [before, edit(before, edits, added)] as const);

/** Later entries win; what cannot exist beside them (a file that is also a folder) goes. */
function consistent(entries: readonly (readonly [string, Entry])[]): Tree {
  const all = new Map<string, Entry>();
  for (const [name, value] of entries) {
    for (const other of [...all.keys()]) {
      if (other.startsWith(`${name}/`) || name.startsWith(`${other}/`)) all.delete(other);
    }
    all.set(name, value);
  }
  return all;
}

function edit(before: Tree, edits: readonly string[], added: readonly (readonly [string, Entry])[]): Tree {
  const after: [string, Entry][] = [];
  for (const [n, [name, value]] of [...before].entries()) {
    const kind = edits[n % edits.length];
    if (kind === 'drop') continue;
    if (kind === 'chmod' && value.mode !== '120000') {
      after.push([name, { ...value, mode: value.mode === '100644' ? '100755' : '100644' }]);
    } else if (kind === 'append' && value.mode !== '120000') {
      after.push([name, { ...value, content: Buffer.concat([value.content, Buffer.from('more')]) }]);
    } else if (kind === 'move') after.push([`moved-${n}`, value]);
    else after.push([name, value]);
  }
  return consistent([...after, ...added]);
}

/** What `importChanges` takes to get from one tree to the other. */
export async function* changesBetween(before: Tree, after: Tree): AsyncGenerator<TreeChange> {
  const differs = (name: string) => {
    const [old, now] = [before.get(name), after.get(name)];
    return old?.mode !== now?.mode || !old?.content.equals(now?.content ?? Buffer.alloc(0));
  };
  for (const name of before.keys()) if (!after.has(name)) yield { kind: 'delete', path: Buffer.from(name, 'latin1') };
  for (const [name, { mode, content: bytes }] of after) {
    const at = Buffer.from(name, 'latin1');
    if (before.has(name) && !differs(name)) continue;
    if (mode === '120000') yield { kind: 'symlink', path: at, target: bytes };
    else yield { kind: 'file', path: at, mode, size: bytes.length, content: once(bytes) };
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let from = 0; from < bytes.length; from += 7) yield bytes.subarray(from, from + 7);
}
