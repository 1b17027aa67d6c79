// Random trees and random edit programs in real sandboxes: what the keeper and the host make of them, against the same
// programs run on the host and stored by the host's git in a trusted way. ORCHESTRATE_LONG_TESTS=40 runs forty times a
// hundred programs, ORCHESTRATE_TEST_SEED repeats a run.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importChanges } from '../../src/git/quarantine.ts';
import { findRepository, type Repository } from '../../src/git/repository.ts';
import type { ObjectId } from '../../src/types.ts';
import { baseProgram, type Edit, program } from '../support/edits.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';
import { DockerKeeper, type LaidTree, lay } from '../support/keeper.ts';

const LONG = process.env.ORCHESTRATE_LONG_TESTS !== undefined;
const BATCHES = LONG ? Number(process.env.ORCHESTRATE_LONG_TESTS) : 2;
const CASES = LONG ? 100 : 40;
/** Another one each time; a failure names it, and this variable repeats it. */
const SEED = Number(process.env.ORCHESTRATE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
const PROGRAM = path.join(import.meta.dirname, '../support/edit-program.mjs');
const AGENT = { uid: 61_000, gid: 61_000 };
const RAW = '* -text -eol -ident -filter -working-tree-encoding\n';

interface FolderProgram {
  readonly folder: string;
  readonly edits: readonly Edit[];
}

/** What agents do to the repository that they find, besides; the last one nothing. */
const GITS = ['rm -rf .git', 'rm -rf .git; git init -q; git add -A . || true', 'rm -rf .git; echo x >.git', ':'];

function sample(arbitrary: fc.Arbitrary<readonly Edit[]>, seed: number): FolderProgram[] {
  const all = fc.sample(arbitrary, { numRuns: CASES, seed });
  return all.map((edits, at) => ({ folder: `c${String(at).padStart(3, '0')}`, edits }));
}

/** Stores a folder's content as git does without anybody's attributes, nested `.git`s and special files aside. */
async function store(repository: ScratchRepository, checkout: string, base: string): Promise<ObjectId> {
  const git = path.join(repository.folder, `git-${crypto.randomUUID()}`);
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: repository.env.HOME ?? '',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_DIR: git,
    GIT_WORK_TREE: checkout,
    GIT_OBJECT_DIRECTORY: path.join(repository.root, '.git/objects'),
  };
  const script = `set -e
    find . -iname .git -prune -exec rm -rf {} +
    find . \\( -type p -o -type c \\) -delete
    git init -q 2>/dev/null; mkdir -p "$GIT_DIR/info"; printf '%s' "$ATTRIBUTES" >"$GIT_DIR/info/attributes"
    git read-tree ${base}; git add -A; git write-tree`;
  const options = { cwd: checkout, env: { ...env, ATTRIBUTES: RAW }, extendEnv: false, input: script } as const;
  return (await execa('bash', ['-s'], options)).stdout as ObjectId;
}

/** Runs programs on the host as the user that agents are. */
async function runHere(checkout: string, programs: string): Promise<void> {
  const child = spawn(process.execPath, [PROGRAM, programs], { cwd: checkout, stdio: 'inherit', ...AGENT });
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
}

describe('every change of an agent arrives, and nothing else', () => {
  let scratch: ScratchRepository;
  let repository: Repository;
  let keeper: DockerKeeper;

  beforeAll(async () => {
    scratch = await scratchRepository();
    await chmod(scratch.folder, 0o755);
    repository = await findRepository(scratch.root, scratch.env);
    keeper = await DockerKeeper.start();
  });
  afterAll(async () => {
    await keeper?.[Symbol.asyncDispose]();
    await scratch?.remove();
  });

  async function checkoutOf(name: string): Promise<string> {
    const checkout = path.join(scratch.folder, name);
    await mkdir(checkout);
    await execa('chown', ['61000:61000', checkout]);
    return checkout;
  }

  async function save(programs: readonly FolderProgram[], name: string): Promise<string> {
    const file = path.join(scratch.folder, `${name}.json`);
    await writeFile(file, JSON.stringify(programs), { mode: 0o644 });
    return file;
  }

  /** A tree made by random programs, laid out whole or as a delta over `from`. */
  async function makeBase(name: string, from: LaidTree | null, programs: readonly FolderProgram[]): Promise<LaidTree> {
    const checkout = await checkoutOf(name);
    if (from !== null) await checkOut(from.tree, checkout);
    await runHere(checkout, await save(programs, name));
    const tree = await store(scratch, checkout, from?.tree ?? '4b825dc642cb6eb9a060e54bf8d69288fbee4904');
    await scratch.git('update-ref', `refs/heads/${name}`, await scratch.git('commit-tree', '-m', name, tree));
    return lay(keeper.client, scratch, name, from?.tree);
  }

  /** Raw blobs, as agents see them. */
  async function checkOut(tree: ObjectId, checkout: string): Promise<void> {
    const env = { ...scratch.env, GIT_INDEX_FILE: path.join(scratch.folder, `index-${crypto.randomUUID()}`) };
    const options = {
      cwd: checkout,
      env: { ...env, GIT_DIR: path.join(scratch.root, '.git'), GIT_WORK_TREE: checkout },
    };
    await writeFile(path.join(scratch.root, '.git/info/attributes'), RAW);
    await execa('git', ['read-tree', tree], options);
    await execa('git', ['checkout-index', '-a', '-f'], options);
    await execa('chown', ['-hR', '61000:61000', checkout]);
  }

  async function entriesOf(tree: string): Promise<string[]> {
    return (await scratch.bytes('ls-tree', '-r', '-z', tree)).toString('latin1').split('\0').filter(Boolean);
  }

  for (let batch = 0; batch < BATCHES; batch += 1) {
    const seed = SEED + batch;
    it(`in ${CASES} programs of seed ${seed}`, { timeout: LONG ? 600_000 : 120_000 }, async () => {
      const whole = await makeBase(`base-${batch}`, null, sample(baseProgram, seed));
      const base = batch % 2 === 0 ? whole : await makeBase(`delta-${batch}`, whole, sample(program, seed + 1000));
      const programs = sample(program, seed + 2000);
      const model = await checkoutOf(`model-${batch}`);
      await checkOut(base.tree, model);
      const file = await save(programs, `programs-${batch}`);
      await runHere(model, file);
      const wanted = await store(scratch, model, base.tree);

      for (const workspace of ['overlay', 'copy'] as const) {
        keeper.workspace = workspace;
        const attempt = `${workspace}-${batch}.1`;
        const [runner, edits] = await Promise.all([PROGRAM, file].map((one) => readFile(one, 'utf8')));
        const script = `cat >/tmp/run.mjs <<'${END}'\n${runner}${END}\ncat >/tmp/programs.json <<'${END}'\n${edits}\n${END}\n`;
        await keeper.agent(
          attempt,
          base.tree,
          `${script}node /tmp/run.mjs /tmp/programs.json && { ${GITS[batch % GITS.length]}; }`,
        );
        const collection = await keeper.client.collect({
          ...{ attempt, tree: base.tree, objectFormat: 'sha1', maxEntries: 100_000, maxBytes: 1e9 },
        });
        await using imported = await importChanges(repository, base, collection.changes);
        await imported.publish();
        const got = await entriesOf(imported.tree);
        const failures = differences(got, await entriesOf(wanted), programs);
        expect(failures, `${workspace}, ORCHESTRATE_TEST_SEED=${seed}`).toEqual([]);
        expect([imported.tree, await collection.tree]).toEqual([wanted, wanted]);
        await keeper.client.removeAttempt(attempt);
      }
    });
  }
});

const END = 'END_OF_TEST_FILE';

interface Failure {
  readonly program: FolderProgram | undefined;
  readonly missing: readonly string[];
  readonly tooMany: readonly string[];
}

/** By program, so that a failure can be understood. */
function differences(got: readonly string[], wanted: readonly string[], programs: readonly FolderProgram[]): Failure[] {
  const gotSet = new Set(got);
  const wantedSet = new Set(wanted);
  const missing = wanted.filter((entry) => !gotSet.has(entry));
  const tooMany = got.filter((entry) => !wantedSet.has(entry));
  const folderOf = (entry: string) => entry.split('\t')[1]?.split('/')[0];
  const folders = new Set([...missing, ...tooMany].map(folderOf));
  return [...folders].map((folder) => ({
    program: programs.find((one) => one.folder === folder),
    missing: missing.filter((entry) => folderOf(entry) === folder),
    tooMany: tooMany.filter((entry) => folderOf(entry) === folder),
  }));
}
