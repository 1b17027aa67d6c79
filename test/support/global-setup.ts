// Before integration and e2e tests: a Docker engine that answers (made, where that is allowed) and a current dist/.
// After them: what tests left behind, found by label.
import { spawnSync } from 'node:child_process';
import { type Dirent, existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import Docker from 'dockerode';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** Label of every Docker object that a test makes by itself, outside the product. Its value does not matter. */
const TEST_LABEL = 'orchestrate.test';
/** What all repositories of an engine share; kept, or every test run would build its images again. */
const SHARED = 'shared';

export default async function setup(): Promise<() => Promise<void>> {
  await requireEngine();
  buildIfStale();
  const before = process.env.CI === undefined ? null : await ownedObjects(new Docker());
  return async () => {
    await removeLabelled();
    // A CI machine runs nothing but these tests: whatever is new there was left behind by them.
    if (before !== null) await removeNew(before);
  };
}

async function requireEngine(): Promise<void> {
  if (await answers()) return;
  const unattended = process.env.CI !== undefined || (process.getuid?.() === 0 && !process.stdin.isTTY);
  if (unattended) {
    spawnSync('bash', [path.join(ROOT, 'scripts/docker-engine.sh'), '--yes'], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    if (await answers()) return;
  }
  throw new Error(
    'no Docker engine answers: start one, or run ./quickstart.sh --test (unit tests alone: npm run test:unit)',
  );
}

async function answers(): Promise<boolean> {
  try {
    await new Docker({ timeout: 15_000 }).ping();
    return true;
  } catch {
    return false;
  }
}

function buildIfStale(): void {
  const built = path.join(ROOT, 'dist/cli/main.js');
  const builtAt = existsSync(built) ? statSync(built).mtimeMs : 0;
  const sources = ['cli', 'src', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts/build.mjs'];
  if (sources.every((source) => newestChange(path.join(ROOT, source)) <= builtAt)) return;
  // Type errors are `npm run check`'s business, as they are for the tests themselves.
  const build = spawnSync(process.execPath, [path.join(ROOT, 'scripts/build.mjs'), '--despite-type-errors'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (build.status !== 0) throw new Error('dist/ could not be built: see the lines above');
}

/** Milliseconds since the epoch; deleted files show in their folder's time. */
function newestChange(entry: string): number {
  if (!existsSync(entry)) return 0;
  const stat = statSync(entry);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const inside = readdirSync(entry, { withFileTypes: true }).map((child: Dirent) =>
    newestChange(path.join(entry, child.name)),
  );
  return Math.max(stat.mtimeMs, ...inside);
}

interface OwnedObjects {
  readonly containers: ReadonlySet<string>;
  readonly volumes: ReadonlySet<string>;
}

/** Containers and volumes that belong to some repository's installation or to a test. */
async function ownedObjects(docker: Docker, label = 'orchestrate'): Promise<OwnedObjects> {
  const filters = { label: [label] };
  const containers = await docker.listContainers({ all: true, filters });
  const { Volumes: volumes } = await docker.listVolumes({ filters });
  return {
    containers: new Set(containers.filter((one) => one.Labels.orchestrate !== SHARED).map((one) => one.Id)),
    volumes: new Set((volumes ?? []).filter((one) => one.Labels?.orchestrate !== SHARED).map((one) => one.Name)),
  };
}

async function removeLabelled(): Promise<void> {
  const docker = new Docker();
  await removeAll(docker, await ownedObjects(docker, TEST_LABEL));
  for (const { Id } of await docker.listNetworks({ filters: { label: [TEST_LABEL] } })) {
    await docker.getNetwork(Id).remove().catch(ignoreMissing);
  }
}

async function removeNew(before: OwnedObjects): Promise<void> {
  const docker = new Docker();
  const now = await ownedObjects(docker);
  await removeAll(docker, {
    containers: without(now.containers, before.containers),
    volumes: without(now.volumes, before.volumes),
  });
}

function without(all: ReadonlySet<string>, some: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...all].filter((one) => !some.has(one)));
}

/** Somebody else may be removing the same at this moment: not there any more is as good as removed. */
async function removeAll(docker: Docker, objects: OwnedObjects): Promise<void> {
  for (const id of objects.containers)
    await docker.getContainer(id).remove({ force: true, v: true }).catch(ignoreMissing);
  for (const name of objects.volumes) await docker.getVolume(name).remove({ force: true }).catch(ignoreMissing);
}

function ignoreMissing(error: { statusCode?: number }): void {
  // 404: gone. 409: its removal is under way, or something else still uses the volume. 403: the network.
  if (![403, 404, 409].includes(error.statusCode ?? 0)) throw error;
}
