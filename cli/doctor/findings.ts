/** Everything that `doctor` looks at, in the order in which a run would need it. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import prettyBytes from 'pretty-bytes';
import { type Keys, nameOf } from '../../src/config/env-file.ts';
import type { LoadedSettings } from '../../src/config/load.ts';
import type { Settings } from '../../src/config/settings.ts';
import { OrchestrateError } from '../../src/errors.ts';
import type { Repository } from '../../src/git/repository.ts';
import { roomAt } from '../../src/room.ts';
import type { Context } from '../context.ts';
import { keysOf } from '../keys.ts';
import { judgeFacts } from './engine-findings.ts';
import { type Finding, ok, warn } from './finding.ts';
import { placeFindings } from './host-findings.ts';

const NODE_WANTED = [20, 19] as const;
const LOW_SPACE_BYTES = 5 * 1024 ** 3;
const NO_SPACE_BYTES = 512 * 1024 ** 2;
/** Of the engines that start one by name. */
const PROGRAMS = ['claude', 'codex'] as const;
/** What an engine calls its machine → what images call it. */
const PROCESSORS: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64' };

export async function gatherFindings(context: Context): Promise<Finding[]> {
  const findings: Finding[] = [nodeFinding(process.versions.node), await gitFinding(context)];
  const repository = await tried(() => context.repository());
  if (repository instanceof OrchestrateError) {
    if (repository.code !== 'NO_GIT' && repository.code !== 'GIT_TOO_OLD')
      findings.push(failed('repository', repository));
    findings.push(...(await engineFindings(context)), ...(await keysFindings(context, null, null)));
    return findings;
  }
  // Looking must not ask: a file that was not accepted is a warning of its own.
  const loaded = await tried(() => context.settings({}, { trust: false, ask: false }));
  findings.push(ok('repository', repository.root), await identityFinding(repository), settingsFinding(loaded));
  const settings = loaded instanceof OrchestrateError ? null : loaded.settings;
  const local = await engineFindings(context);
  findings.push(await spaceFinding('disk', repository.root));
  findings.push(...(settings === null ? local : await placeFindings(context, settings, local)));
  findings.push(...(await keysFindings(context, repository, loaded)));
  return findings;
}

function failed(name: string, error: OrchestrateError): Finding {
  return { name, status: 'fail', detail: error.message, fix: error.hint ?? null };
}

/** What `act` gives, or its failure as a value; faults of ours stay thrown. */
async function tried<Result>(act: () => Promise<Result>): Promise<Result | OrchestrateError> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof OrchestrateError) return error;
    throw error;
  }
}

function nodeFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isEnough = major > NODE_WANTED[0] || (major === NODE_WANTED[0] && minor >= NODE_WANTED[1]);
  if (isEnough) return ok('node', version);
  const wanted = NODE_WANTED.join('.');
  return {
    name: 'node',
    status: 'fail',
    detail: `${version}, at least ${wanted} is needed`,
    fix: `install Node.js ${wanted} or newer`,
  };
}

async function gitFinding(context: Context): Promise<Finding> {
  const { git } = await import('../../src/git/git.ts');
  const env = { PATH: context.env.PATH ?? '', LC_ALL: 'C' };
  const answer = await tried(() => git({ cwd: context.cwd, env, config: [] }, ['version']));
  if (answer instanceof OrchestrateError) return failed('git', answer);
  const version = answer.stdout
    .toString('utf8')
    .trim()
    .replace(/^git version /, '');
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 2 || (major === 2 && minor >= 38)) return ok('git', version);
  return { name: 'git', status: 'fail', detail: `${version}, at least 2.38 is needed`, fix: 'install a newer git' };
}

async function identityFinding(repository: Repository): Promise<Finding> {
  const { userIdentity } = await import('../../src/git/commits.ts');
  const identity = await tried(() => userIdentity(repository));
  if (identity instanceof OrchestrateError) {
    return warn('identity', `${identity.message} A run needs none, \`patch apply\` does.`, identity.hint ?? null);
  }
  return ok('identity', `${identity.author.name} <${identity.author.email}>`);
}

function settingsFinding(loaded: LoadedSettings | OrchestrateError): Finding {
  if (loaded instanceof OrchestrateError) return failed('settings', loaded);
  const { settings } = loaded;
  return ok('settings', `${settings.maxAgents} agents at once, engine ${settings.engine?.name ?? 'none chosen'}`);
}

async function spaceFinding(name: string, folder: string): Promise<Finding> {
  const room = await roomAt(folder).catch(() => null);
  if (room === null) return warn(name, `the free space at ${folder} cannot be read`, null);
  const { free, total } = room.disk;
  const inodes = room.inodes.total > 0 ? room.inodes.free / room.inodes.total : 1;
  const detail = `${prettyBytes(free, { binary: true })} free of ${prettyBytes(total, { binary: true })} at ${folder}`;
  const fix = 'make room: orchestrate cleanup --dry-run shows what can go';
  if (free < NO_SPACE_BYTES) return { name, status: 'fail', detail, fix };
  if (inodes < 0.05) return warn(name, `${detail}, but hardly any inodes`, fix);
  return free < LOW_SPACE_BYTES || free < total / 10 ? warn(name, detail, fix) : ok(name, detail);
}

async function engineFindings(context: Context): Promise<Finding[]> {
  const { inspectEngine } = await import('../../src/sandbox/docker/facts.ts');
  const facts = await tried(() => inspectEngine(context.env));
  if (facts instanceof OrchestrateError) return [failed('docker', facts)];
  const isLocal = facts.isLocal && facts.rootFolder !== '';
  const space = isLocal ? await spaceFinding('docker disk', facts.rootFolder) : null;
  return [...judgeFacts(facts), await programsFinding(facts.architecture), ...(space === null ? [] : [space])];
}

/** The agents' image is made with the programs that were fetched for its processor. */
async function programsFinding(architecture: string): Promise<Finding> {
  const { packageRoot } = await import('../../src/sandbox/docker/package-root.ts');
  const processor = PROCESSORS[architecture] ?? architecture;
  const root = packageRoot();
  const versions = await readFile(join(root, 'images/clis', processor, 'VERSIONS'), 'utf8').catch(() => '');
  const there = versions.split('\n').filter((line) => line !== '');
  const missing = PROGRAMS.filter((program) => !there.some((line) => line.startsWith(`${program} `)));
  if (missing.length === 0) return ok('programs', `the agents' image is made with ${there.join(', ')}`);
  const detail = `the agents' image is made without ${missing.join(' and ')}: the engines of these names cannot be used`;
  return warn('programs', detail, join(root, 'scripts/fetch-clis.sh'));
}

async function keysFindings(
  context: Context,
  repository: Repository | null,
  loaded: LoadedSettings | OrchestrateError | null,
): Promise<Finding[]> {
  const keys = await keysOf(context, repository);
  const settings = loaded === null || loaded instanceof OrchestrateError ? null : loaded.settings;
  return [keysFinding(keys), await agentFinding(settings, keys)];
}

/** What a run without `--engine` would use. */
async function agentFinding(settings: Settings | null, { found }: Keys): Promise<Finding> {
  const named = settings?.engine?.name;
  if (named !== undefined) return ok('agent', `a run uses the engine ${named}, by the settings`);
  const { chooseEngine } = await import('../../src/engine/choose.ts');
  const chosen = await tried(async () => chooseEngine(found));
  if (chosen instanceof OrchestrateError) return warn('agent', chosen.message, chosen.hint ?? null);
  return ok('agent', `a run uses the engine ${chosen}, by the keys there are`);
}

function keysFinding({ found, warnings }: Keys): Finding {
  const present = Object.entries(found).map(([name, key]) => `${name} (${nameOf(key.source)})`);
  const detail = present.length === 0 ? 'none; --engine-command and --engine demo need none' : present.join(', ');
  return warnings.length === 0
    ? ok('keys', detail)
    : warn('keys', `${detail}; ${warnings.join('; ')}`, 'put the base URL where its key is');
}
