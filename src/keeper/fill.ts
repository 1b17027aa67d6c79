/** Fills opened layers with git, as the agents' own uid: owners, modes and the index's stat data are right at once. */

import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CallFault } from '../session/protocol.ts';
import { hideDeleted, treeDifference } from './difference.ts';
import { Layers, type NewLayer } from './layers.ts';
import { pathBytes } from './names.ts';
import { type ObjectStore, objectEnvironment } from './objects.ts';
import { run } from './spawn.ts';
import type { ObjectFormat } from './tree.ts';

/** Names that are odd elsewhere are legal on Linux and have to be laid out; a cache needs no fsync. */
const GIT = ['git', '-c', 'core.protectNTFS=false', '-c', 'core.protectHFS=false', '-c', 'core.fsync=none'] as const;

/**
 * No conversion whatever the tree's own attributes say. It stays: the files are the raw blobs, so the agent's git must
 * not convert either, or it would show changes that nobody made and hide some that were.
 */
const ATTRIBUTES = '* -text -eol -ident -filter -working-tree-encoding\n';

export interface Filling {
  readonly pack: AsyncIterable<Buffer>;
  readonly signal: AbortSignal;
}

/** Lays out a whole tree; `pack` holds the commit and all its objects. */
export async function fillTree(store: string, layer: NewLayer, { pack, signal }: Filling): Promise<void> {
  const folder = new Layers(store).folder(layer.tree);
  const gitDir = path.join(folder, '.git');
  for (const inner of ['objects/pack', 'objects/info', 'refs/heads', 'refs/tags', 'info']) {
    await mkdir(path.join(gitDir, inner), { recursive: true });
  }
  await writeFile(path.join(gitDir, 'HEAD'), 'ref: refs/heads/main\n');
  await writeFile(path.join(gitDir, 'config'), gitConfig(layer.objectFormat));
  await writeFile(path.join(gitDir, 'info/attributes'), ATTRIBUTES);
  const spawning = { cwd: folder, env: { GIT_DIR: gitDir, GIT_WORK_TREE: folder }, signal };
  await run([...GIT, 'index-pack', '--stdin'], spawning, pack);
  await requireTree(layer, spawning);
  await run([...GIT, 'read-tree', '--reset', '-u', layer.tree], spawning);
  await writeFile(path.join(gitDir, 'refs/heads/main'), `${layer.commit}\n`);
}

/** A new layer on another: its folder with a repository that has nothing of its own yet, and what git needs to work there. */
async function layerOn(store: string, layer: { readonly tree: string; readonly from: string }) {
  const layers = new Layers(store);
  const folder = layers.folder(layer.tree);
  const gitDir = path.join(folder, '.git');
  for (const inner of ['objects/pack', 'refs/heads']) await mkdir(path.join(gitDir, inner), { recursive: true });
  const env = deltaEnvironment(await layers.objects(layer.from), gitDir);
  return { layers, folder, gitDir, env };
}

/** Lays out the difference to the layer below; `pack` holds the objects that one lacks. Cost follows the difference. */
export async function fillDelta(
  store: string,
  layer: NewLayer & { readonly from: string },
  { pack, signal }: Filling,
): Promise<void> {
  const { layers, folder, gitDir, env } = await layerOn(store, layer);
  await copyFile(path.join(layers.folder(layer.from), '.git/index'), path.join(gitDir, 'index'));

  const spawning = {
    cwd: folder,
    env: { ...env, GIT_WORK_TREE: folder },
    signal,
  };
  await run([...GIT, 'index-pack', '--stdin'], spawning, pack);
  await requireTree(layer, spawning);
  const difference = await treeDifference([...GIT], layer, spawning);
  await run([...GIT, 'update-index', '-z', '--index-info'], spawning, [difference.indexInfo]);
  const paths = Buffer.concat(difference.written.flatMap((one) => [pathBytes(one), Buffer.of(0)]));
  await run([...GIT, 'checkout-index', '-f', '-u', '-z', '--stdin'], spawning, [paths]);
  await hideDeleted(folder, difference.hidden, signal);
  await writeFile(path.join(gitDir, 'refs/heads/main'), `${layer.commit}\n`);
}

/**
 * Gives the tree below another past: the branch at a real commit of that tree, with the history that `pack` holds, cut
 * where `shallow` says. The files and the index are those below.
 */
export async function fillHistory(
  store: string,
  layer: NewLayer & { readonly from: string; readonly shallow: readonly string[] },
  { pack, signal }: Filling,
): Promise<void> {
  const { folder, gitDir, env } = await layerOn(store, layer);
  await run([...GIT, 'index-pack', '--stdin'], { cwd: folder, env, signal }, pack);
  await requireTree({ commit: layer.commit, tree: layer.from }, { cwd: folder, env });
  if (layer.shallow.length > 0) await writeFile(path.join(gitDir, 'shallow'), `${layer.shallow.join('\n')}\n`);
  await writeFile(path.join(gitDir, 'refs/heads/main'), `${layer.commit}\n`);
}

/** Reads below, writes here: configuration and attributes are those of the whole tree at the bottom. */
function deltaEnvironment(below: ObjectStore, gitDir: string): Record<string, string> {
  const alternates = [...below.alternates, path.join(below.gitDir, 'objects')];
  return {
    ...objectEnvironment({ gitDir: below.gitDir, alternates }),
    GIT_OBJECT_DIRECTORY: path.join(gitDir, 'objects'),
    GIT_INDEX_FILE: path.join(gitDir, 'index'),
  };
}

async function requireTree(
  layer: Pick<NewLayer, 'commit' | 'tree'>,
  spawning: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Promise<void> {
  const tree = (await run(['git', 'rev-parse', '--verify', `${layer.commit}^{tree}`], spawning)).toString().trim();
  if (tree !== layer.tree) {
    throw new CallFault('KEEPER_BAD_OBJECT', `commit ${layer.commit} has tree ${tree}, not ${layer.tree}`);
  }
}

function gitConfig(format: ObjectFormat): string {
  const sections = [
    `[core]\n\trepositoryformatversion = ${format === 'sha1' ? 0 : 1}`,
    '\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true',
    '[user]\n\tname = agent\n\temail = agent@localhost',
    '[gc]\n\tauto = 0',
    '[maintenance]\n\tauto = false',
  ];
  if (format === 'sha256') sections.push('[extensions]\n\tobjectformat = sha256');
  return `${sections.join('\n')}\n`;
}
