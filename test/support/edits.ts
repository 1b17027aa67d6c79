/** Random edit programs: what agents do to files, in the orders that hurt. Paths and texts hold one character per byte. */

import fc from 'fast-check';

export type Edit = { readonly act: string; readonly path: string } & Readonly<Record<string, unknown>>;

/** Names that sort around each other, that patterns, shells, C strings and UTF-8 decoders trip over. */
const NAMES = [
  ...['a', 'a.b', 'a-b', 'A', 'b', 'c.txt', 'd', 'run.sh', 'x.log', 'keep.log', 'build', 'big.bin'],
  ...['new\nline', '\xff\xfe', 'sp ace', '-n', '#x', '!x', '*', '[a]', 'tr ', 'back\\slash', '"q"', '\x01', '\xc3\xa9'],
];
const TEXTS = ['', '1111\n', '2222\n', '1111\r\n', 'x\0y\xff', '$Id$\n', 'no end', 'a\n'.repeat(50)];
const RULES = [
  '*.log\n',
  'build\n',
  'build/\n',
  '!keep.log\n',
  '/a\n',
  '*\n!*/\n!*.txt\n',
  'd/**/b\n',
  '\\#x\n',
  'A\n',
  '*\n',
];
const ATTRIBUTES = [
  '* text=auto eol=crlf\n',
  '*.txt filter=lfs diff=lfs merge=lfs -text\n',
  '* -diff\n*.bin binary\n',
  '* ident working-tree-encoding=UTF-16\n',
];
/** Nothing leads out of the folder: programs run on the host as well. */
const TARGETS = ['a', 'd', 'd/a', '.', 'nowhere', './b/../a', '/nonexistent/x', '\xff'];

/** Mostly few names, so that edits meet. */
const name = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'c.txt', 'd', 'x.log', 'new\nline') },
  { weight: 2, arbitrary: fc.constantFrom(...NAMES) },
);
const folderName = fc.constantFrom('d', 'd', 'a', 'build', '\xff\xfe');
const path = fc
  .tuple(fc.array(folderName, { maxLength: 2 }), name)
  .map(([folders, last]) => [...folders, last].join('/'));
const folder = fc.array(folderName, { minLength: 1, maxLength: 2 }).map((names) => names.join('/'));
const text = fc.constantFrom(...TEXTS);

function edit(act: string, fields: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<Edit> {
  return fc.record({ act: fc.constant(act), path, ...fields }) as unknown as fc.Arbitrary<Edit>;
}

const written = { text, repeat: fc.constant(1) };
const rules = (file: string, texts: readonly string[]) =>
  fc.tuple(fc.option(folder, { nil: null }), fc.constantFrom(...texts)).map(
    ([at, lines]): Edit => ({
      act: 'write',
      path: at === null ? file : `${at}/${file}`,
      text: lines,
      repeat: 1,
    }),
  );

const step: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 8, arbitrary: edit('write', written) },
  { weight: 3, arbitrary: edit('append', written) },
  { weight: 4, arbitrary: edit('remove', {}) },
  { weight: 2, arbitrary: edit('remove', { path: folder }) },
  { weight: 2, arbitrary: edit('folder', { path: fc.oneof(path, folder) }) },
  { weight: 4, arbitrary: edit('move', { path: fc.oneof(path, folder), to: fc.oneof(path, folder) }) },
  { weight: 3, arbitrary: edit('copy', { path: fc.oneof(path, folder), to: fc.oneof(path, folder) }) },
  { weight: 4, arbitrary: edit('swap', { to: path }) },
  { weight: 2, arbitrary: edit('swap', { path: folder, to: folder }) },
  { weight: 2, arbitrary: edit('again', { path: fc.oneof(path, folder) }) },
  { weight: 3, arbitrary: edit('symlink', { target: fc.constantFrom(...TARGETS) }) },
  { weight: 2, arbitrary: edit('touch', { time: fc.constantFrom(0, 1_000_000_000, 4_000_000_000) }) },
  { weight: 1, arbitrary: edit('fifo', {}) },
  { weight: 1, arbitrary: edit('repository', { path: fc.constantFrom('d', 'a', 'new'), commit: fc.boolean() }) },
  { weight: 2, arbitrary: rules('.gitignore', RULES) },
  { weight: 1, arbitrary: rules('.gitattributes', ATTRIBUTES) },
);

/** Last, because moving a folder in an overlay copies it: hard links would part, and what cannot be read would stay. */
const lastStep: fc.Arbitrary<Edit> = fc.oneof(
  edit('link', { to: path }),
  edit('append', written),
  edit('mode', { mode: fc.constantFrom(0o755, 0o644, 0o600, 0o711, 0o4755, 0o2644) }),
  edit('whiteout', {}),
);
const closing = edit('mode', { path: fc.oneof(path, folder), mode: fc.constantFrom(0o000, 0o300, 0o500, 0o755) });

/** What a base is made of, and what an agent makes of it. */
export const program: fc.Arbitrary<readonly Edit[]> = fc
  .tuple(
    fc.array(step, { minLength: 1, maxLength: 25 }),
    fc.array(lastStep, { maxLength: 4 }),
    fc.array(closing, { maxLength: 2 }),
  )
  .map((parts) => parts.flat());

export const baseProgram: fc.Arbitrary<readonly Edit[]> = fc
  .tuple(
    fc.array(fc.oneof(edit('write', written), edit('write', written), step), { minLength: 8, maxLength: 30 }),
    fc.array(edit('mode', { mode: fc.constantFrom(0o755, 0o644) }), { maxLength: 3 }),
  )
  .map((parts) => parts.flat());
