/** Keepers for tests: the real program, as a child process on a temporary store or in its container over real Docker. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Duplex, PassThrough, type Readable } from 'node:stream';
import { execa } from 'execa';
import type { TreeChange } from '../../src/git/quarantine.ts';
import { type Collection, KeeperClient, type KeeperTransport } from '../../src/keeper/client.ts';
import type { ObjectId } from '../../src/types.ts';
import type { ScratchRepository } from './git.ts';
import { compiledProgram } from './programs.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const AGENT_UID = 61_000;
const LABEL = 'orchestrate=test-keeper';
const BUILT_IMAGE = 'orchestrate-test-keeper';
/** A base image made locally, where no registry answers. */
const LOCAL_BASE = 'orchestrate-base:latest';

/** A program's standard input and output as one stream; destroying it ends the program. */
export function duplexOf(child: ChildProcessWithoutNullStreams): Duplex {
  const duplex = Duplex.from({ readable: child.stdout, writable: child.stdin });
  duplex.once('close', () => child.kill());
  // What went wrong shows in the calls.
  duplex.on('error', () => {});
  child.stderr.pipe(process.stderr, { end: false });
  return duplex;
}

/** The keeper's program as a child of the test, on a store in a temporary folder. Needs root, as the keeper does. */
export class LocalKeeper implements AsyncDisposable {
  readonly sessions: ChildProcessWithoutNullStreams[] = [];
  readonly client: KeeperClient;

  private constructor(
    readonly store: string,
    transport: (keeper: LocalKeeper) => KeeperTransport,
  ) {
    this.client = new KeeperClient(transport(this));
  }

  static async start(): Promise<LocalKeeper> {
    if (process.getuid?.() !== 0) throw new Error('tests of the keeper need root: it gives files to the agents');
    const program = await compiledProgram('keeper');
    const store = await realpath(await mkdtemp(path.join(tmpdir(), 'keeper-store-')));
    await chmod(store, 0o755);
    return new LocalKeeper(store, (keeper) => ({
      open: async (user) => {
        const id = user === 'agent' ? { uid: AGENT_UID, gid: AGENT_UID } : {};
        const child = spawn(process.execPath, [path.join(program, 'main.js'), 'serve', store], {
          ...id,
          cwd: '/',
          stdio: ['pipe', 'pipe', 'pipe'],
        });
        keeper.sessions.push(child);
        return duplexOf(child);
      },
    }));
  }

  /** Absolute path of something in the store. */
  at(...parts: string[]): string {
    return path.join(this.store, ...parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    await Promise.all(
      this.sessions.map(async (child) => {
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      }),
    );
    await rm(this.store, { recursive: true, force: true });
  }
}

/** Name of the image that keepers run in; built with the product's own Dockerfile unless one is given. */
async function sidecarImage(): Promise<string> {
  const given = process.env.ORCHESTRATE_TEST_SIDECAR;
  if (given !== undefined) return given;
  const context = await mkdtemp(path.join(tmpdir(), 'keeper-image-'));
  try {
    await cp(path.join(ROOT, 'images/sidecar/Dockerfile'), path.join(context, 'Dockerfile'));
    const programs = path.dirname(await compiledProgram('keeper'));
    for (const name of ['keeper', 'session']) {
      await cp(path.join(programs, name), path.join(context, 'programs', name), { recursive: true });
    }
    const local = (await execa('docker', ['image', 'inspect', LOCAL_BASE], { reject: false })).exitCode === 0;
    const base = local ? ['--build-arg', `BASE_IMAGE=${LOCAL_BASE}`] : [];
    const build = ['build', '--quiet', '--force-rm', '--label', LABEL, '--tag', BUILT_IMAGE, ...base, context];
    await execa('docker', build, { env: { DOCKER_BUILDKIT: '0' } });
    return BUILT_IMAGE;
  } finally {
    await rm(context, { recursive: true, force: true });
  }
}

/** A store volume, a keeper's container over it with just its rights, and agents in containers over overlays of it. */
export class DockerKeeper implements AsyncDisposable {
  readonly client: KeeperClient;
  readonly #attempts = new Map<string, string>();

  private constructor(
    readonly image: string,
    readonly volume: string,
    /** Where the volume lies on the engine's machine. */
    readonly mountpoint: string,
    readonly container: string,
  ) {
    this.client = new KeeperClient({
      open: async (user) => {
        const serve = ['node', '/orchestrate/keeper/main.js', 'serve', '/store'];
        const id = user === 'agent' ? `${AGENT_UID}:${AGENT_UID}` : '0:0';
        return duplexOf(spawn('docker', ['exec', '-i', '-u', id, container, ...serve]));
      },
    });
  }

  static async start(): Promise<DockerKeeper> {
    const image = await sidecarImage();
    const { stdout: volume } = await execa('docker', ['volume', 'create', '--label', LABEL]);
    const { stdout: mountpoint } = await execa('docker', ['volume', 'inspect', '-f', '{{.Mountpoint}}', volume]);
    const rights = [
      '--cap-drop',
      'ALL',
      ...['DAC_READ_SEARCH', 'CHOWN', 'FOWNER'].flatMap((one) => ['--cap-add', one]),
    ];
    const { stdout: container } = await execa('docker', [
      ...['run', '-d', '--label', LABEL, '--user', '0:0', ...rights, '--security-opt', 'no-new-privileges'],
      ...['--network', 'none', '--read-only', '--tmpfs', '/tmp', '-v', `${volume}:/store:nocopy`, image],
    ]);
    return new DockerKeeper(image, volume, mountpoint, container);
  }

  /** Whether attempts get copies from here on, or overlays. */
  workspace: 'overlay' | 'copy' = 'overlay';

  /** Runs a bash script as an agent does: in a container over an overlay (or a copy) of the tree. */
  async agent(attempt: string, tree: ObjectId, script: string | Buffer): Promise<string> {
    const user = ['--user', `${AGENT_UID}:${AGENT_UID}`, '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];
    return this.#run(await this.#volume(attempt, tree), [...user, '--read-only', '--tmpfs', '/tmp:exec'], script);
  }

  /**
   * What real git makes of the attempt's workspace, ignored files, `.git`s and special files aside: the id of the tree,
   * then its entries as `ls-tree -r -z` gives them.
   */
  async truth(
    attempt: string,
    tree: ObjectId,
    leaveOut: readonly string[] = [],
  ): Promise<{ tree: string; entries: string[] }> {
    const stack = await this.client.stackOf(tree);
    const objects = stack.map((folder) => `/store/${folder}/.git/objects`).join(':');
    const script = `
      set -e
      cp -a /workspace /tmp/w; cd /tmp/w
      find . -iname .git -prune -exec rm -rf {} +
      find . \\( -type p -o -type s -o -type b -o -type c \\) -delete
      ${leaveOut.map((one) => `rm -rf -- ${one}`).join('\n')}
      export GIT_DIR=/tmp/g GIT_WORK_TREE=/tmp/w GIT_ALTERNATE_OBJECT_DIRECTORIES=${objects}
      git init -q 2>/dev/null
      printf '* -text -eol -ident -filter -working-tree-encoding\\n' >/tmp/g/info/attributes
      git read-tree ${tree}
      git add -A 2>/dev/null
      result=$(git write-tree); echo "$result"; git ls-tree -r -z "$result"
    `;
    const mount = ['-v', `${this.volume}:/store:ro,nocopy`];
    const output = await this.#run(await this.#volume(attempt, tree), mount, script);
    const end = output.indexOf('\n');
    return {
      tree: output.slice(0, end),
      entries: output
        .slice(end + 1)
        .split('\0')
        .slice(0, -1),
    };
  }

  async #run(overlay: string, options: readonly string[], script: string | Buffer): Promise<string> {
    const run = ['run', '-i', '--rm', '--label', LABEL, '--network', 'none', '-e', 'HOME=/tmp', '-w', '/workspace'];
    const { stdout } = await execa(
      'docker',
      [...run, ...options, '-v', `${overlay}:/workspace:nocopy`, '--entrypoint', 'bash', this.image, '-s'],
      { input: script, encoding: 'buffer', stderr: 'pipe' },
    );
    return Buffer.from(stdout).toString('latin1');
  }

  async #volume(attempt: string, tree: ObjectId): Promise<string> {
    const known = this.#attempts.get(attempt);
    if (known !== undefined) return known;
    const options = this.workspace === 'copy' ? await this.#copy(attempt, tree) : await this.#overlay(attempt, tree);
    const create = ['volume', 'create', '--label', LABEL, '-d', 'local'];
    const { stdout } = await execa('docker', [...create, ...options.flatMap((option) => ['-o', option])]);
    this.#attempts.set(attempt, stdout);
    return stdout;
  }

  async #overlay(attempt: string, tree: ObjectId): Promise<string[]> {
    const { upper, work } = await this.client.prepareAttempt({ id: attempt, homeFiles: [] });
    const on = (folder: string) => `${this.mountpoint}/${folder}`;
    const lower = (await this.client.stackOf(tree)).map(on).join(':');
    const o = `lowerdir=${lower},upperdir=${on(upper)},workdir=${on(work)},userxattr,nosuid,nodev`;
    return ['type=overlay', 'device=overlay', `o=${o}`];
  }

  async #copy(attempt: string, tree: ObjectId): Promise<string[]> {
    const { workspace } = await this.client.prepareCopy({ id: attempt, tree, homeFiles: [] });
    return ['type=none', 'o=bind', `device=${this.mountpoint}/${workspace}`];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    await execa('docker', ['rm', '-f', '-v', this.container]);
    // The image stays: other test files use it at the same time, and the next run builds it from the engine's cache.
    await execa('docker', ['volume', 'rm', '-f', ...this.#attempts.values(), this.volume]);
  }
}

/** A root commit of a tree, as the synthetic one that agents get. */
export async function rootCommit(repository: ScratchRepository, tree: string): Promise<ObjectId> {
  return (await repository.git('commit-tree', '-m', 'start', tree)) as ObjectId;
}

/** All objects of a commit without history, minus those of a tree that the receiver has; not thin. */
export function packOf(repository: ScratchRepository, commit: string, without?: string): Readable {
  const child = spawn('git', ['pack-objects', '--stdout', '--revs', '-q'], {
    cwd: repository.root,
    env: repository.env,
  });
  child.stdin.end(without === undefined ? `${commit}\n` : `${commit}\n^${without}\n`);
  // Node drops what a child wrote when nobody reads it by the time it exits.
  return child.stdout.pipe(new PassThrough());
}

export interface LaidTree {
  readonly tree: ObjectId;
  readonly commit: ObjectId;
}

/** Lays out the tree of a revision, whole or over another one. */
export async function lay(
  client: KeeperClient,
  repository: ScratchRepository,
  revision: string,
  from?: ObjectId,
): Promise<LaidTree> {
  const tree = (await repository.id(`${revision}^{tree}`)) as ObjectId;
  const commit = await rootCommit(repository, tree);
  const objectFormat = (await repository.git('rev-parse', '--show-object-format')) === 'sha256' ? 'sha256' : 'sha1';
  const layer = { tree, commit, objectFormat, pack: packOf(repository, commit, from) } as const;
  if (from === undefined) await client.layTree(layer);
  else await client.layDelta({ ...layer, from });
  return { tree, commit };
}

/** A change with its content read, paths as latin1 (one character per byte). */
export type ReadChange =
  | { readonly path: string; readonly kind: 'delete' }
  | { readonly path: string; readonly kind: 'file'; readonly mode: string; readonly content: Buffer }
  | { readonly path: string; readonly kind: 'known'; readonly mode: string; readonly id: string }
  | { readonly path: string; readonly kind: 'symlink'; readonly target: string };

export async function readChanges(collection: Pick<Collection, 'changes'>): Promise<ReadChange[]> {
  const read: ReadChange[] = [];
  for await (const change of collection.changes) read.push(await readChange(change));
  return read;
}

async function readChange(change: TreeChange): Promise<ReadChange> {
  const at = change.path.toString('latin1');
  if (change.kind === 'delete') return { path: at, kind: 'delete' };
  if (change.kind === 'symlink') return { path: at, kind: 'symlink', target: change.target.toString('latin1') };
  if (change.kind === 'known') return { path: at, kind: 'known', mode: change.mode, id: change.id };
  const chunks: Buffer[] = [];
  for await (const chunk of change.content) chunks.push(chunk);
  return { path: at, kind: 'file', mode: change.mode, content: Buffer.concat(chunks) };
}

/** The tree that changes make of a base, by real git's index. */
export async function applied(
  repository: ScratchRepository,
  base: string,
  changes: readonly ReadChange[],
): Promise<ObjectId> {
  const env = { ...repository.env, GIT_INDEX_FILE: path.join(repository.folder, `index-${crypto.randomUUID()}`) };
  const git = async (args: string[], input: Buffer = Buffer.alloc(0)) =>
    Buffer.from((await execa('git', args, { cwd: repository.root, env, input, encoding: 'buffer' })).stdout);
  const entries = new Map<string, string>();
  for (const line of (await git(['ls-tree', '-r', '-z', base])).toString('latin1').split('\0')) {
    const tab = line.indexOf('\t');
    if (tab > 0) entries.set(line.slice(tab + 1), line.slice(0, tab));
  }
  for (const change of changes) {
    if (change.kind === 'delete') {
      for (const one of entries.keys()) {
        if (one === change.path || one.startsWith(`${change.path}/`)) entries.delete(one);
      }
      continue;
    }
    if (change.kind === 'known') {
      entries.set(change.path, `${change.mode} blob ${change.id}`);
      continue;
    }
    const content = change.kind === 'symlink' ? Buffer.from(change.target, 'latin1') : change.content;
    const id = (await git(['hash-object', '-w', '--no-filters', '--stdin'], content)).toString().trim();
    entries.set(change.path, `${change.kind === 'symlink' ? '120000' : change.mode} blob ${id}`);
  }
  const info = [...entries].map(([at, entry]) => `${entry}\t${at}\0`).join('');
  await git(['update-index', '-z', '--index-info'], Buffer.from(info, 'latin1'));
  return (await git(['write-tree'])).toString().trim() as ObjectId;
}
