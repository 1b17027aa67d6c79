// The id of a resulting tree, against what git fast-import makes of the same edits.
import { execFile } from 'node:child_process';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ObjectReader } from '../../src/keeper/objects.ts';
import {
  hashObject,
  NO_ENTRIES,
  type ObjectFormat,
  parseTree,
  resultingTree,
  type TreeEdit,
} from '../../src/keeper/tree.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';

const name = fc.constantFrom('a', 'b', 'a.b', 'a-b', 'ab', 'a0', '\xe9', '\xff');
const anyPath = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const anyDelete = anyPath.map((path) => ({ kind: 'delete' as const, path }));
const anyPut = fc.record({
  kind: fc.constant('put' as const),
  path: anyPath,
  mode: fc.constantFrom('100644', '100755', '120000', '160000'),
  content: fc.constantFrom('one', 'two'),
});

type Edit = typeof anyDelete | typeof anyPut extends fc.Arbitrary<infer One> ? One : never;

describe.each(['sha1', 'sha256'] as const)('a resulting tree (%s)', (format: ObjectFormat) => {
  let repository: ScratchRepository;
  let blobs: ReadonlyMap<string, string>;

  beforeAll(async () => {
    repository = await scratchRepository({ objectFormat: format });
    for (const content of ['one', 'two']) await repository.write(content, content);
    await repository.commit();
    blobs = new Map(['one', 'two'].map((content) => [content, hashObject('blob', Buffer.from(content), format)]));
    for (const [content, id] of blobs) expect(await repository.id(`HEAD:${content}`)).toBe(id);
  });
  afterAll(() => repository.remove());

  const toEdit = (edit: Edit): TreeEdit =>
    edit.kind === 'delete' ? edit : { ...edit, id: blobs.get(edit.content) ?? '' };

  /** The trees of two commits, one edit list over the other. */
  async function imported(base: readonly Edit[], edits: readonly Edit[]): Promise<[string, string]> {
    const quoted = (path: string) =>
      `"${[...Buffer.from(path, 'latin1')].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')}"`;
    const commit = (mark: number, list: readonly Edit[]) => {
      const lines = list.map(toEdit).map((one) => {
        return one.kind === 'delete' ? `D ${quoted(one.path)}` : `M ${one.mode} ${one.id} ${quoted(one.path)}`;
      });
      const head = `commit refs/heads/imported\nmark :${mark}\ncommitter a <a@b> 0 +0000\ndata 0\n`;
      return `${head}${mark === 2 ? 'from :1\n' : ''}${lines.map((line) => `${line}\n`).join('')}\n`;
    };
    const reset = 'reset refs/heads/imported\n';
    await new Promise<void>((resolve, reject) => {
      const options = { cwd: repository.root, env: repository.env };
      const git = execFile('git', ['fast-import', '--quiet', '--force'], options, (error) =>
        error ? reject(error) : resolve(),
      );
      git.stdin?.end(`${reset}${commit(1, base)}${commit(2, edits)}`);
    });
    return [await repository.id('refs/heads/imported~^{tree}'), await repository.id('refs/heads/imported^{tree}')];
  }

  it('is the one that git makes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyPut, { maxLength: 12 }),
        fc.array(anyDelete, { maxLength: 6 }),
        fc.array(anyPut, { maxLength: 6 }),
        async (base, deletes, puts) => {
          const edits = [...deletes, ...puts];
          const [before, after] = await imported(base, edits);
          using objects = new ObjectReader(
            { gitDir: `${repository.root}/.git`, alternates: [] },
            { format, signal: new AbortController().signal },
          );
          const result = await resultingTree(before, edits.map(toEdit), { read: (id) => objects.tree(id), format });
          expect(result).toBe(after);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('a resulting tree', () => {
  const id = '1'.repeat(40);

  it('needs only the folders on the way to an edit', async () => {
    const read: string[] = [];
    const folder = (mode: string, of: string) =>
      new Map([
        ['in', { mode, id: of }],
        ['other', { mode: '40000', id: 'never' }],
      ]);
    const trees = new Map([
      ['root', folder('40000', 'middle')],
      ['middle', folder('40000', 'leaf')],
      ['leaf', folder('100644', id)],
    ]);
    const reader = async (of: string) => {
      read.push(of);
      return trees.get(of) ?? NO_ENTRIES;
    };
    // The ids of a real tree are hexadecimal; these are not, but they are only hashed after being replaced.
    await resultingTree('root', [{ kind: 'put', path: 'in/in/new', mode: '100644', id }], {
      read: reader,
      format: 'sha1',
    });
    expect(read).toEqual(['root', 'middle', 'leaf']);
  });

  it('may be thousands of folders deep', async () => {
    const path = `${'d/'.repeat(20_000)}file`;
    const options = { read: async () => NO_ENTRIES, format: 'sha1' } as const;
    const tree = await resultingTree('unused', [{ kind: 'put', path, mode: '100644', id }], options);
    expect(tree).toMatch(/^[0-9a-f]{40}$/);
  });

  it('is the base itself where nothing changed', async () => {
    const options = { read: async () => NO_ENTRIES, format: 'sha1' } as const;
    expect(await resultingTree('base', [], options)).toBe('base');
  });

  it('is not made of a malformed one', () => {
    const tree = Buffer.concat([Buffer.from('100644 a\0'), Buffer.alloc(20, 1)]);
    expect(parseTree(tree, 'sha1').get('a')).toEqual({ mode: '100644', id: '01'.repeat(20) });
    expect(() => parseTree(tree.subarray(0, -1), 'sha1')).toThrow('malformed');
    expect(() => parseTree(Buffer.from('nonsense'), 'sha1')).toThrow('malformed');
  });
});
