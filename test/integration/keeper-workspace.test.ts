// What agents do in a real overlay over laid-out trees, collected by the keeper, against what real git makes of it.
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ObjectId } from '../../src/types.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';
import { applied, DockerKeeper, lay, type ReadChange, readChanges } from '../support/keeper.ts';

interface Scenario {
  readonly name: string;
  /** Run in a folder of its own that holds `FIXTURE`. */
  readonly script: string;
  /** Codes and paths (relative to that folder) of the flags to expect. */
  readonly flags?: readonly string[];
  /** What real git takes and the keeper must not, as shell words. */
  readonly leaveOut?: readonly string[];
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'an edit', script: 'echo more >>a.txt; echo more >>dir/x.txt' },
  { name: 'added files and folders', script: 'echo new >new.txt; mkdir -p deep/er; echo new >deep/er/new.txt' },
  { name: 'deleted files', script: 'rm a.txt dir/x.txt link' },
  { name: 'a deleted folder', script: 'rm -r dir' },
  { name: 'a folder left without files', script: 'rm -r dir/sub/*; rm keep/*' },
  { name: 'a renamed folder', script: 'mv dir moved' },
  { name: 'a folder renamed into another', script: 'mv dir keep/dir' },
  { name: 'a changed mode', script: 'chmod +x a.txt; chmod -x run.sh; chmod 600 dir/x.txt' },
  { name: 'binary content', script: 'head -c 300000 /dev/urandom >b.bin; printf "\\0\\r\\n\\r" >dir/nul' },
  {
    name: 'symlinks',
    script: 'ln -s /etc/passwd out; ln -sf dir link; ln -s "" x 2>/dev/null; ln -s nowhere dir/dangling',
  },
  { name: 'a file that becomes a folder', script: 'rm a.txt; mkdir a.txt; echo in >a.txt/in.txt' },
  { name: 'a folder that becomes a file', script: 'rm -r dir; echo file >dir' },
  {
    name: 'folders that become ignored files',
    script: 'rm -r dir keep; echo "dir*" >>.gitignore; echo file >dir; ln -s x keep; echo "keep" >>.gitignore',
  },
  {
    name: 'a file that becomes an ignored folder',
    script: 'rm a.txt; mkdir a.txt; echo in >a.txt/in; echo a.txt >>.gitignore',
  },
  { name: 'a folder that becomes a symlink', script: 'rm -r dir; ln -s keep dir' },
  { name: 'a symlink that becomes a folder', script: 'rm link; mkdir link; echo in >link/in.txt' },
  { name: 'a file that becomes an empty folder', script: 'rm a.txt; mkdir a.txt' },
  { name: 'a folder deleted and made again', script: 'rm -r dir; mkdir dir; echo y >dir/y.txt; echo new >dir/new.txt' },
  {
    name: 'a folder deleted and made again as it was',
    script: 'cp -a dir /tmp/saved; rm -r dir; cp -a /tmp/saved dir; rm -r /tmp/saved',
  },
  {
    name: 'a folder inside one that was made again',
    script: 'rm -r dir; mkdir -p dir/sub; echo z >dir/sub/z.txt; echo n >dir/sub/n.txt',
  },
  { name: 'a folder made again and left empty', script: 'rm -r dir; mkdir dir' },
  {
    name: 'files only touched',
    script: 'touch a.txt dir/x.txt link; chmod 0600 run.sh; chmod 0755 run.sh; echo y >dir/y.txt',
  },
  {
    name: 'ignored files',
    script: 'echo l >x.log; echo l >dir/x.log; mkdir -p build/deep; echo b >build/deep/out; echo i >important.log',
  },
  {
    name: 'tracked files that the rules ignore',
    script: 'echo more >>tracked.log; echo more >>build/tracked.txt; echo new >build/new.txt',
  },
  {
    name: 'nested ignore rules',
    script: 'echo t >nested/x.tmp; echo t >nested/keep.tmp; echo t >x.tmp; mkdir nested/d; echo t >nested/d/x.tmp',
  },
  {
    name: 'changed ignore rules',
    script: 'echo "*.new" >.gitignore; echo n >a.new; echo l >x.log; mkdir -p build/deep; echo o >build/deep/out',
  },
  { name: 'deleted ignore rules', script: 'rm .gitignore nested/.gitignore; echo l >x.log; echo t >nested/x.tmp' },
  {
    name: 'added ignore rules',
    script: 'printf "*\\n!.gitignore\\n!*.txt\\n" >dir/.gitignore; echo a >dir/a.c; echo t >dir/t.txt',
  },
  {
    name: 'ignore rules of a folder that was made again',
    script: 'rm -r nested; mkdir nested; echo t >nested/x.tmp; echo n >nested/n.txt',
  },
  {
    name: 'a symlink as ignore rules',
    script: 'rm .gitignore; echo "*.txt" >rules; ln -s rules .gitignore; echo n >new.txt; echo l >x.log',
  },
  {
    name: 'names that look like patterns',
    script:
      'echo 1 >"*"; echo 2 >":x"; echo 3 >"#x"; echo 4 >"!x"; echo 5 >"[a]"; echo 6 >-n; echo 7 >"a b"; echo 8 >":(top)x"',
  },
  {
    name: 'a nested repository without commits',
    script: 'mkdir repo; cd repo; git init -q; echo f >file; mkdir sub; echo f >sub/file',
    flags: ['nested-repository repo'],
  },
  {
    name: 'a nested repository with commits',
    script:
      'mkdir repo; cd repo; git init -q; echo f >file; git add .; git -c user.name=a -c user.email=a@b commit -qm x; echo g >other',
    flags: ['nested-repository repo'],
  },
  {
    name: 'a repository made of a folder of the base',
    script: 'cd dir; git init -q; echo f >file',
    flags: ['nested-repository dir'],
  },
  {
    name: 'files and folders without permissions',
    script:
      'echo s >secret; chmod 000 secret; mkdir closed; echo s >closed/in; chmod 000 closed; chmod 000 dir/x.txt; chmod 000 keep',
  },
  {
    name: 'special files',
    script:
      'mkfifo pipe; rm a.txt; mkfifo a.txt; python3 -c "import socket; socket.socket(socket.AF_UNIX).bind(\'sock\')"',
    flags: ['special-file a.txt', 'special-file pipe', 'special-file sock'],
  },
  {
    name: 'setuid files',
    script: 'echo s >suid; chmod 4755 suid; chmod 2755 run.sh; echo more >>dir/x.txt; chmod g+s dir/x.txt',
    flags: ['setuid dir/x.txt', 'setuid suid'],
  },
  {
    name: 'names with newlines and other bytes',
    script:
      "echo 1 >$'new\\nline'; echo 2 >$'\\xff\\xfe'; mkdir $'d\\xe9\\n'; echo 3 >$'d\\xe9\\n/\\x01'; echo 4 >\"back\\\\slash\"; rm $'odd\\xff/in\\n'; echo 5 >$'odd\\xff/other'",
  },
  {
    name: 'a folder of other bytes made again',
    script:
      "rm -r $'odd\\xff'; mkdir $'odd\\xff'; echo 5 >$'odd\\xff/other'; rm -r $'b\\\\s\"'; mkdir $'b\\\\s\"'; echo 6 >$'b\\\\s\"/6'",
  },
  { name: 'empty folders', script: 'mkdir -p empty/er; mkdir keep/empty' },
  {
    name: 'files of one size swapped',
    script: 'mv swap1 t; mv swap2 swap1; mv t swap2; cp -p swap1 /tmp/s; touch -r swap2 swap1',
  },
  {
    name: 'folders of files of one size swapped',
    script: 'mv twin1 t; mv twin2 twin1; mv t twin2',
  },
  { name: 'hard links', script: 'ln a.txt hard.txt; echo more >>hard.txt' },
  {
    name: 'names that git refuses',
    script:
      'mkdir GIT~1 .GIT; echo x >GIT~1/x; echo x >.GIT/x; echo x >"dir/git~1"; echo x >"dir/.git "; ln -s a dir/.gitmodules; echo x >$\'.g\\xe2\\x80\\x8cit\'',
    flags: [
      'unsupported-path .GIT',
      'unsupported-path .g\\xe2\\x80\\x8cit',
      'unsupported-path GIT~1',
      'unsupported-path dir/.git ',
      'unsupported-path dir/.gitmodules',
      'unsupported-path dir/git~1',
    ],
    leaveOut: ['GIT~1', "$'.g\\xe2\\x80\\x8cit'", 'dir/git~1', '"dir/.git "', 'dir/.gitmodules'],
  },
  {
    name: 'files inside a submodule',
    script: 'echo x >module/x; mkdir module/d',
    flags: ['submodule module'],
    leaveOut: ['module/x', 'module/d'],
  },
  { name: 'a deleted submodule', script: 'rmdir module' },
  { name: 'a submodule that becomes a file', script: 'rmdir module; echo f >module' },
  { name: 'a long way down', script: 'for i in $(seq 150); do mkdir d-$i; cd d-$i; done; echo deep >deep.txt' },
  { name: 'a long name', script: 'echo long >$(printf "%0255d" 1)' },
  {
    name: 'odd time stamps',
    script: 'touch -d @0 a.txt; touch -d 2100-01-01 dir/x.txt; echo n >n; touch -d 1990-01-01 n',
  },
];

function folderOf(at: number): string {
  return `s${String(at).padStart(2, '0')}`;
}

async function writeFixture(repository: ScratchRepository, folder: string): Promise<void> {
  const write = (file: string | Buffer, content: string | Buffer, mode?: number) =>
    repository.write(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(file)]), content, mode);
  await write('a.txt', 'a\n');
  await write('b.bin', Buffer.from([0, 1, 2, 255, 13, 10]));
  await write('run.sh', '#!/bin/sh\n', 0o755);
  await repository.link(`${folder}/link`, 'a.txt');
  for (const name of ['x', 'y', 'sub/z', 'sub/deep/q']) await write(`dir/${name}.txt`, `${name}\r\n`);
  for (const name of ['one', 'two']) await write(`keep/${name}.txt`, `${name}\n`);
  await write('.gitignore', '*.log\nbuild/\n!important.log\n');
  await write(
    '.gitattributes',
    '* text=auto\n*.txt text eol=crlf ident working-tree-encoding=UTF-16\n*.bin filter=lfs\n',
  );
  await write('nested/.gitignore', '*.tmp\n!keep.tmp\n');
  await write('nested/n.txt', '$Id$\n');
  await write('tracked.log', 'tracked\n');
  await write('build/tracked.txt', 'tracked\n');
  await write('swap1', '1111\n');
  await write('swap2', '2222\n');
  await write('twin1/x', '1111\n');
  await write('twin2/x', '2222\n');
  await write(Buffer.from('odd\xff/in\n', 'latin1'), 'odd\n');
  await write('b\\s"/5', 'five\n');
}

/** Stages all as raw bytes, whatever the attributes and ignore rules say, with a submodule per scenario. */
async function commitRaw(repository: ScratchRepository, folders: readonly string[]): Promise<void> {
  await repository.write('.git/info/attributes', '* -text -eol -ident -filter -working-tree-encoding\n');
  await repository.git('add', '-A', '-f');
  for (const folder of folders) {
    const entry = `160000,${'1234567890'.repeat(4)},${folder}/module`;
    await repository.git('update-index', '--add', '--cacheinfo', entry);
  }
  await repository.git('commit', '-q', '-m', 'fixture');
}

/** Four more states of every folder, so that deltas have all there is to write and to hide. */
const STEPS: readonly string[] = [
  // From something else to something else still.
  `rm -rf dir keep a.txt; echo file >dir; mkdir a.txt; echo in >a.txt/in; ln -s x keep; echo only >only.txt; chmod -x run.sh;
   rm .gitignore; mkdir -p gone/er; echo 1 >gone/er/1; echo 2 >gone/2; echo 3 >build/three; rm swap1; mkdir swap1; echo 1 >swap1/1`,
  // Most of it back, by way of whiteouts and folders over files.
  `rm -rf dir a.txt keep gone swap1; mkdir -p dir/sub/deep keep; echo a >a.txt; printf 'x\\r\\n' >dir/x.txt; printf 'y\\r\\n' >dir/y.txt;
   printf 'sub/z\\r\\n' >dir/sub/z.txt; printf 'sub/deep/q\\r\\n' >dir/sub/deep/q.txt; echo one >keep/one.txt; echo two >keep/two.txt;
   chmod +x run.sh; printf '*.log\\nbuild/\\n!important.log\\n' >.gitignore; echo 1111 >swap1; rm build/three; mkdir gone; echo again >gone/er`,
  // And a little more.
  `rm -rf gone only.txt; echo third >third.txt; echo more >>nested/n.txt; rm -r odd*; mkdir $'odd\\xff'; echo odd >$'odd\\xff/in\\n'`,
];

describe.each(['overlay', 'copy'] as const)('an attempt in an %s of laid-out trees', (workspace) => {
  let repository: ScratchRepository;
  let keeper: DockerKeeper;
  const folders = SCENARIOS.map((_, at) => folderOf(at));
  /** The tree at every depth: whole, then deltas one over the other. */
  const trees: ObjectId[] = [];

  beforeAll(async () => {
    repository = await scratchRepository();
    for (const folder of folders) await writeFixture(repository, folder);
    await commitRaw(repository, folders);
    keeper = await DockerKeeper.start();
    keeper.workspace = workspace;
    trees.push((await lay(keeper.client, repository, 'HEAD')).tree);
    for (const [at, step] of STEPS.entries()) {
      await execa('bash', ['-ec', `for s in ${folders.join(' ')}; do (cd $s; ${step}); done`], {
        cwd: repository.root,
      });
      await commitRaw(repository, at === 0 ? [] : folders);
      trees.push((await lay(keeper.client, repository, 'HEAD', trees.at(-1))).tree);
    }
  });

  afterAll(async () => {
    await keeper?.[Symbol.asyncDispose]();
    await repository?.remove();
  });

  const collect = (attempt: string, tree: ObjectId) =>
    keeper.client.collect({ attempt, tree, objectFormat: 'sha1', maxEntries: 10_000, maxBytes: 1e8 });
  const treeAt = (depth: number): ObjectId => {
    const tree = trees[depth];
    if (tree === undefined) throw new Error(`no tree at depth ${depth}`);
    return tree;
  };

  it('lists the layers and how they stand on each other', async () => {
    const layers = await keeper.client.trees();
    expect(new Map(layers.map((one) => [one.tree, [one.from, one.depth]]))).toEqual(
      new Map(trees.map((tree, depth) => [tree, [trees[depth - 1] ?? null, depth]])),
    );
    expect(await keeper.client.stackOf(treeAt(3))).toEqual([...trees].reverse().map((tree) => `t/${tree}/f`));
  });

  describe.each([0, 1, 2, 3])('at depth %i', (depth) => {
    it('shows exactly the tree, and a status that is clean before git looks into any file', async () => {
      const attempt = `clean-${depth}.1`;
      const tree = treeAt(depth);
      const shown = await keeper.agent(
        attempt,
        tree,
        `set -e
         git diff-files --name-only; git status --porcelain --ignored; git log --format='%T %s'; git rev-parse --abbrev-ref HEAD; git fsck --no-dangling 2>&1
         find . -path ./.git -prune -o ! -user 61000 -print; find . -path ./.git -prune -o -type f ! -perm 644 ! -perm 755 -print
         find . -path ./.git -prune -o -type d ! -perm 755 -print`,
      );
      expect(shown.split('\n')).toEqual([`${tree} start`, 'main']);
      expect((await keeper.truth(attempt, tree)).tree).toBe(tree);
      const collection = await collect(attempt, tree);
      expect([collection.count, collection.flags, collection.ignored]).toEqual([0, [], 0]);
      expect(await readChanges(collection)).toEqual([]);
      expect(await collection.tree).toBe(tree);
    });
  });

  describe.each([0, 2, 3])('over depth %i', (depth) => {
    let changes: ReadChange[];
    let flags: readonly { code: string; path: string }[];
    let keepers: string;
    let result: string;
    let entries: string[];
    let real: { tree: string; entries: string[] };

    beforeAll(async () => {
      const attempt = `all-${depth}.1`;
      const tree = treeAt(depth);
      const edits = SCENARIOS.map((one, at) => `(cd ${folderOf(at)} && { ${one.script}\n})`).join('\n');
      await keeper.agent(attempt, tree, Buffer.from(edits));
      const collection = await collect(attempt, tree);
      changes = await readChanges(collection);
      flags = collection.flags;
      keepers = await collection.tree;
      const leaveOut = SCENARIOS.flatMap((one, at) => (one.leaveOut ?? []).map((path) => `${folderOf(at)}/${path}`));
      real = await keeper.truth(attempt, tree, leaveOut);
      expect(collection.count).toBe(changes.length);
      result = await applied(repository, tree, changes);
      entries = (await repository.bytes('ls-tree', '-r', '-z', result)).toString('latin1').split('\0');
    });

    it.each(SCENARIOS.map((one, at) => [one.name, at] as const))('collects %s', async (_, at) => {
      const scenario = SCENARIOS[at];
      const inFolder = (entry: string) => entry.includes(`\t${folderOf(at)}/`);
      expect(entries.filter(inFolder)).toEqual(real.entries.filter(inFolder));
      const mine = flags.filter((flag) => flag.path.startsWith(`${folderOf(at)}/`));
      expect(mine.map((flag) => `${flag.code} ${flag.path.slice(4)}`).sort()).toEqual(
        [...(scenario?.flags ?? [])].sort(),
      );
    });

    it('computes the very tree that git makes of the changes', async () => {
      expect(keepers).toBe(real.tree);
      expect(result).toBe(real.tree);
    });

    it('removes the attempt, whatever the agent made of it', async () => {
      await keeper.client.removeAttempt(`all-${depth}.1`);
      await keeper.client.removeAttempt(`all-${depth}.1`);
      expect(await keeper.client.attempts()).not.toContain(`all-${depth}.1`);
    });
  });

  it('does not mind a deleted or rewritten .git', async () => {
    for (const [attempt, script] of [
      ['git-gone.1', 'rm -rf .git; echo x >x'],
      [
        'git-new.1',
        'rm -rf .git; git init -q; git config core.fsmonitor false; git add -A; git commit -qm mine; echo x >x',
      ],
      ['git-file.1', 'rm -rf .git; echo "gitdir: /nowhere" >.git; echo x >x'],
      ['git-link.1', 'rm -rf .git; ln -s /nowhere .git; echo x >x'],
    ] as const) {
      await keeper.agent(attempt, treeAt(3), script);
      const collection = await collect(attempt, treeAt(3));
      expect(await readChanges(collection)).toEqual([
        { path: 'x', kind: 'file', mode: '100644', content: Buffer.from('x\n') },
      ]);
      expect(collection.flags).toEqual([]);
    }
  });

  it('takes no more than the caps allow', async () => {
    await keeper.agent('large.1', treeAt(0), 'truncate -s 50G sparse; for i in $(seq 300); do echo $i >f$i; done');
    const request = { attempt: 'large.1', tree: treeAt(0), objectFormat: 'sha1' } as const;
    await expect(keeper.client.collect({ ...request, maxEntries: 200, maxBytes: 1e12 })).rejects.toMatchObject({
      code: 'COLLECT_TOO_LARGE',
    });
    const collection = await keeper.client.collect({ ...request, maxEntries: 1000, maxBytes: 1e10 });
    expect(collection.flags.map((flag) => [flag.code, flag.path])).toEqual([['too-large', 'sparse']]);
    expect((await readChanges(collection)).map((change) => change.path)).toHaveLength(300);
    expect((await keeper.client.collect({ ...request, maxEntries: 1000, maxBytes: 1e11 })).count).toBe(301);
  });

  it('removes what is deeper than a path can be long', async () => {
    await keeper.agent(
      'deep.1',
      treeAt(0),
      'mkdir in; cd in; n=$(printf "%0200d" 1); for i in $(seq 40); do mkdir $n; cd $n; done; echo x >x',
    );
    const collection = await collect('deep.1', treeAt(0));
    expect(collection.flags.map((flag) => flag.code)).toEqual(['unsupported-path']);
    await keeper.client.removeAttempt('deep.1');
    expect(await keeper.client.attempts()).not.toContain('deep.1');
  });

  it('takes layers away from the top only', async () => {
    await expect(keeper.client.removeTree(treeAt(0))).rejects.toMatchObject({ code: 'KEEPER_LAYER_IN_USE' });
    for (const tree of [...trees].reverse()) await keeper.client.removeTree(tree);
    expect(await keeper.client.trees()).toEqual([]);
  });
});
