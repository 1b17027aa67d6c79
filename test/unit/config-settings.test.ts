import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkFlags, type LoadedSettings, loadSettings, type SettingsSources } from '../../src/config/load.ts';
import { rememberedTrust, type Trust, type UntrustedFile } from '../../src/config/trust.ts';
import { OrchestrateError } from '../../src/errors.ts';

const GIB = 1024 ** 3;

let folder: string;
let userFile: string;
let repositoryFile: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestrate-config-'));
  userFile = join(folder, 'config.yaml');
  repositoryFile = join(folder, 'orchestrate.yaml');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Layers extends Partial<SettingsSources> {
  readonly user?: string;
  readonly repository?: string;
}

const refuse: Trust = async () => false;
const accept: Trust = async () => true;

async function load({ user, repository, ...sources }: Layers = {}): Promise<LoadedSettings> {
  if (user !== undefined) await writeFile(userFile, user);
  if (repository !== undefined) await writeFile(repositoryFile, repository);
  return loadSettings({
    ...{ repositoryFile, userFile, directory: folder, trust: refuse, environment: {}, flags: {} },
    ...sources,
  });
}

async function problemsOf(layers: Layers): Promise<string> {
  const error = await load(layers).then(
    () => null,
    (problem: unknown) => problem,
  );
  if (!(error instanceof OrchestrateError)) throw new Error('expected to be refused');
  expect(error).toMatchObject({ code: 'BAD_SETTINGS', exitCode: 2 });
  return error.message.replaceAll(folder, '');
}

describe('layers', () => {
  it('has defaults', async () => {
    const { settings, warnings } = await load();
    expect(settings).toEqual({
      maxAgents: 3,
      engine: null,
      engines: {},
      model: null,
      roles: {},
      effort: null,
      network: 'model',
      allowOverlap: false,
      allow: [],
      registries: {},
      budget: { usd: null, tokens: null },
      taskBudgetUsd: null,
      base: null,
      includeDirty: false,
      history: 1,
      image: null,
      dockerfile: null,
      workspace: null,
      setUp: null,
      checks: [],
      autoApprove: 'never',
      autoMerge: null,
      maxPendingReviews: null,
      runtime: null,
      sandbox: 'docker',
      swarm: null,
      hosts: {},
      host: [],
      on: [],
      end: null,
      notify: null,
      timeoutMs: 3_600_000,
      idleTimeoutMs: 600_000,
      limits: { memoryBytes: 4 * GIB, cpus: 2, pids: 2048, diskBytes: 10 * GIB },
    });
    expect(warnings).toEqual([]);
  });

  it('lets each layer hide the ones below', async () => {
    const layers = {
      user: 'max-agents: 8\nmemory: 8g\ncpus: 4\npids: 4096\n',
      repository: 'memory: 6g\ncpus: 3\npids: 3000\n',
      environment: { ORCHESTRATE_CPUS: '1.5', ORCHESTRATE_PIDS: '100', ORCHESTRATE_IMAGE: '' },
      flags: { pids: '50' },
    };
    const { settings } = await load(layers);
    expect(settings).toMatchObject({
      maxAgents: 8,
      image: null,
      limits: { memoryBytes: 6 * GIB, cpus: 1.5, pids: 50 },
    });
  });

  it('take a Dockerfile and an image as two ways to say one thing', async () => {
    const user = 'image: mine\n';
    expect((await load({ user, flags: { dockerfile: 'Dockerfile' } })).settings).toMatchObject({
      ...{ image: null, dockerfile: join(folder, 'Dockerfile') },
    });
    expect((await load({ user: 'dockerfile: d\n', flags: { image: 'mine' } })).settings).toMatchObject({
      ...{ image: 'mine', dockerfile: null },
    });
    const both = { image: 'mine', dockerfile: 'Dockerfile' };
    expect(await problemsOf({ flags: both })).toBe('--dockerfile: image and dockerfile exclude each other');
  });

  it('find a Dockerfile from where it is named: the file that says so, or the current folder', async () => {
    const trusted = { repository: 'dockerfile: docker/Dockerfile\n', directory: '/somewhere', trust: accept };
    expect((await load(trusted)).settings.dockerfile).toBe(join(folder, 'docker/Dockerfile'));
    const flagged = await load({ directory: '/somewhere', flags: { dockerfile: '../Dockerfile' } });
    expect(flagged.settings.dockerfile).toBe('/Dockerfile');
    const environment = { ORCHESTRATE_DOCKERFILE: 'x/Dockerfile' };
    expect((await load({ directory: '/somewhere', environment })).settings.dockerfile).toBe('/somewhere/x/Dockerfile');
  });

  it('reads every key in its written form', async () => {
    const user = [
      'max-agents: 5',
      'allow-overlap: true',
      'engine: mine',
      "engines: { mine: { command: ./agent.sh, env: [ANTHROPIC_BASE_URL], usage: 'in (?<input>[0-9]+)' } }",
      'model: some-model',
      'roles: { test-engineer: { model: other } }',
      'effort: high',
      'network: allowlist',
      'allow: ["@npm", example.org]',
      'registries: { npm.example.org: { tokenEnv: NPM_TOKEN } }',
      'budget-usd: 12.5',
      'budget-tokens: 1000000',
      'task-budget-usd: 2',
      'base: main',
      'include-dirty: true',
      'image: "node:24"',
      'workspace: copy',
      'history: 20',
      'setup: npm ci',
      'setup-allow: ["@npm", "*.example.org", "registry.example.org:8443=10.0.0.0/8"]',
      'setup-inputs: ["db/*.sql", "**/pom.xml"]',
      'checks: [npm test, "npm run lint"]',
      'auto-approve: passing',
      'auto-merge: night',
      'max-pending-reviews: 12',
      'runtime: runsc',
      'sandbox: swarm',
      'swarm: { address: "tcp://{addr}:2376", tls: certs }',
      'hosts: { build-1: { url: "ssh://ops@build-1", slots: 4, labels: [gpu] }, b: { url: "tcp://b:2376", tls: certs } }',
      'host: [build-1]',
      'on: [gpu]',
      'until: "07:00"',
      'notify: https://hooks.example.org/x',
      'timeout: 1h30m',
      'idle-timeout: 90s',
      'memory: 512m',
      'cpus: 0.5',
      'pids: 64',
      'disk: 1.5GiB',
    ].join('\n');
    const mine = { command: './agent.sh', env: ['ANTHROPIC_BASE_URL'], usage: 'in (?<input>[0-9]+)' };
    expect((await load({ user })).settings).toEqual({
      maxAgents: 5,
      allowOverlap: true,
      engine: { name: 'mine', definition: mine },
      engines: { mine },
      model: 'some-model',
      roles: { 'test-engineer': { model: 'other' } },
      effort: 'high',
      network: 'allowlist',
      allow: ['@npm', 'example.org'],
      registries: { 'npm.example.org': { tokenEnv: 'NPM_TOKEN' } },
      budget: { usd: 12.5, tokens: 1_000_000 },
      taskBudgetUsd: 2,
      base: 'main',
      includeDirty: true,
      image: 'node:24',
      dockerfile: null,
      workspace: 'copy',
      history: 20,
      setUp: {
        command: 'npm ci',
        allow: ['@npm', '*.example.org', 'registry.example.org:8443=10.0.0.0/8'],
        inputs: ['db/*.sql', '**/pom.xml'],
      },
      checks: ['npm test', 'npm run lint'],
      autoApprove: 'passing',
      autoMerge: 'night',
      maxPendingReviews: 12,
      runtime: 'runsc',
      sandbox: 'swarm',
      swarm: { address: 'tcp://{addr}:2376', tls: join(folder, 'certs') },
      hosts: {
        'build-1': { url: 'ssh://ops@build-1', slots: 4, labels: ['gpu'] },
        b: { url: 'tcp://b:2376', tls: join(folder, 'certs') },
      },
      host: ['build-1'],
      on: ['gpu'],
      end: { until: '07:00' },
      notify: 'https://hooks.example.org/x',
      timeoutMs: 5_400_000,
      idleTimeoutMs: 90_000,
      limits: { memoryBytes: GIB / 2, cpus: 0.5, pids: 64, diskBytes: 1.5 * GIB },
    });
  });

  it('reads lists from flags and variables, separated by commas', async () => {
    const environment = { ORCHESTRATE_SETUP: 'make deps', ORCHESTRATE_SETUP_INPUTS: 'Makefile, db/*.sql' };
    const { settings } = await load({ environment, flags: { 'setup-allow': 'a.example,@npm' } });
    const inputs = ['Makefile', 'db/*.sql'];
    expect(settings.setUp).toEqual({ command: 'make deps', allow: ['a.example', '@npm'], inputs });
  });

  it('lets the upper layer choose between an engine and a command', async () => {
    const user = 'engine: demo\n';
    expect((await load({ user, flags: { 'engine-command': 'true' } })).settings.engine).toEqual({
      name: 'command',
      definition: { command: 'true' },
    });
    const environment = { ORCHESTRATE_ENGINE_COMMAND: 'true' };
    expect((await load({ user, environment, flags: { engine: 'demo' } })).settings.engine).toEqual({
      name: 'demo',
      definition: null,
    });
  });

  it('takes an empty file, comments and a missing repository', async () => {
    await expect(load({ user: '', repository: '# nothing\n' })).resolves.toMatchObject({ warnings: [] });
    await expect(load({ repositoryFile: null })).resolves.toMatchObject({ warnings: [] });
  });
});

describe('what a repository says of review', () => {
  const ignored = async (layers: Layers): Promise<string> => (await load(layers)).warnings.join();

  it('counts where it is tighter', async () => {
    const repository = 'checks: [make test]\nauto-approve: never\nmax-pending-reviews: 2\n';
    const { settings, warnings } = await load({ user: 'auto-approve: passing\n', repository });
    expect(warnings).toEqual([]);
    expect(settings).toMatchObject({ checks: ['make test'], autoApprove: 'never', maxPendingReviews: 2 });
  });

  it('waits for the user where it merges by itself, or lets more pile up', async () => {
    expect(await ignored({ repository: 'auto-approve: passing\n' })).toContain('ignored: auto-approve');
    expect(await ignored({ repository: 'auto-merge: night\n' })).toContain('ignored: auto-merge');
    const user = 'max-pending-reviews: 3\n';
    expect(await ignored({ user, repository: 'max-pending-reviews: 4\n' })).toContain('ignored: max-pending-reviews');
  });

  it('takes commands of flags as they are', async () => {
    const flags = { checks: 'npm test, please\0make -s lint' };
    expect((await load({ flags })).settings.checks).toEqual(['npm test, please', 'make -s lint']);
    await expect(load({ flags: { checks: 'make\0 ' } })).rejects.toThrow(/--check: /);
  });
});

describe('what a repository says of the network and of money', () => {
  const warned = async (layers: Layers): Promise<string> => (await load(layers)).warnings.join();

  it('counts where it is tighter', async () => {
    const repository = 'network: none\nbudget-usd: 3\ntask-budget-usd: 1\n';
    const { settings, warnings } = await load({ user: 'budget-usd: 5\n', repository });
    expect(warnings).toEqual([]);
    expect(settings).toMatchObject({ network: 'none', budget: { usd: 3, tokens: null }, taskBudgetUsd: 1 });
  });

  it('waits for the user where it is looser', async () => {
    expect(await warned({ repository: 'network: allowlist\n' })).toContain('ignored: network');
    expect(await warned({ repository: 'allow: [example.org]\n' })).toContain('ignored: allow');
    expect(await warned({ repository: 'registries: { r.example.org: { tokenEnv: T } }\n' })).toContain('registries');
    expect(await warned({ user: 'budget-tokens: 10\n', repository: 'budget-tokens: 11\n' })).toContain('budget-tokens');
  });

  it('is an allow-list where only hosts are named, and a contradiction where another network is', async () => {
    expect((await load({ flags: { allow: '@npm' } })).settings.network).toBe('allowlist');
    expect((await load({ flags: { allow: '@npm', network: 'allowlist' } })).settings.network).toBe('allowlist');
    expect(await problemsOf({ flags: { allow: '@npm', network: 'none' } })).toBe(
      '--allow: counts with --network allowlist, not with none',
    );
    expect(await problemsOf({ user: 'network: model\n', flags: { allow: '@npm' } })).toContain('not with model');
  });

  it('is a list of words in a flag', async () => {
    const { settings } = await load({ flags: { network: 'allowlist', allow: '@npm  example.org,@pypi' } });
    expect(settings.allow).toEqual(['@npm', 'example.org', '@pypi']);
  });
});

describe('problems', () => {
  it('are told all together, each with its place', async () => {
    const text = await problemsOf({
      user: 'max-agent: 3\nmemory: 4x\n',
      repository: '\n\ntimeout: soon\nengines:\n  Bad Name: { command: x }\n  good: { comand: y }\n',
      environment: { ORCHESTRATE_PIDS: '3' },
      flags: { cpus: '0', 'max-agents': 'many' },
    });
    expect(text.split('\n')).toEqual([
      '9 problems in the settings',
      expect.stringMatching(/^\/config\.yaml:2: memory: "4x" is not a size/),
      '/config.yaml:1: unknown setting max-agent; did you mean max-agents?',
      expect.stringMatching(/^\/orchestrate\.yaml:5: engines\.Bad Name: an engine has a name/),
      expect.stringMatching(/^\/orchestrate\.yaml:6: engines\.good\.command: /),
      '/orchestrate.yaml:6: unknown setting engines.good.comand',
      expect.stringMatching(/^\/orchestrate\.yaml:3: timeout: "soon" is not a duration/),
      'ORCHESTRATE_PIDS: "3" is too little: at least 16',
      expect.stringMatching(/^--max-agents: "many" is not a whole number/),
      expect.stringMatching(/^--cpus: "0" is too little/),
    ]);
  });

  it.each([
    ['a list', '- a\n- b\n', ':1: expected settings'],
    ['no YAML', 'a: [1\nb: 2\n', ':'],
    ['a key twice', 'cpus: 1\ncpus: 2\n', ':2: '],
    ['no address', 'notify: x\n', ':1: notify: expected an http or https address'],
    ['no time of day', 'until: 25:00\n', ':1: until: expected a time of day'],
    ['two ends', 'for: 8h\nuntil: "07:00"\n', ':2: for and until exclude each other'],
    ['no runtime', 'runtime: "a b"\n', ':1: runtime: expected the name'],
    ['a network that is none', 'network: all\n', ':1: network: expected none, model, allowlist'],
    [
      'two ways to name the engine',
      'engine: demo\nengine-command: x\n',
      ':2: engine and engine-command exclude each other',
    ],
    ['an engine with a built-in name', 'engines: { demo: { command: x } }\n', 'belongs to a built-in engine'],
    ['aliases that explode', 'a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c]\n', ':1: '],
  ])('%s', async (_, user, said) => {
    expect(await problemsOf({ user })).toContain(`/config.yaml${said.startsWith(':') ? said : ''}`);
    expect(await problemsOf({ user })).toContain(said.replace(/^:/, ''));
  });

  it('name the engines that there are', async () => {
    const text = await problemsOf({ user: 'engines: { mine: { command: x } }\n', flags: { engine: 'claud' } });
    expect(text).toBe('--engine: unknown engine "claud", expected one of api, claude, codex, demo, mine');
  });

  it('of a file that cannot be a settings file', async () => {
    const text = await problemsOf({ userFile: folder, repository: '' });
    expect(text).toContain('is not a file');
    await writeFile(userFile, Buffer.alloc(1024 ** 2 + 1, 32));
    expect(await problemsOf({})).toContain('is larger than 1 MiB');
  });

  it.each([
    ['setup-allow: ["http://x"]', 'expected hosts'],
    ['setup-allow: [a b]', 'expected hosts'],
    ['setup-allow: 3', 'expected hosts'],
    ['setup-allow: ["r.example.org=all"]', 'expected hosts'],
    ['registries: { "*.example.org": { tokenEnv: T } }', 'expected a host'],
    ['setup-inputs: [/etc/passwd]', 'expected files'],
    ['setup: ""', 'is empty'],
    ['hosts: { local: { url: "ssh://a" } }', "local is this machine's own engine"],
    ['hosts: { a: { url: "http://a" } }', 'hosts.a.url: "http://a" is no host'],
    ['swarm: { address: "ssh://a" }', 'is the same for all nodes'],
    ['swarm: { address: "unix:///{addr}" }', 'is on no other machine'],
    ['swarm: { address: "tcp://{addr}" }', 'swarm.tls: tcp:// needs the folder'],
    ['swarm: { address: "ssh://{hostname}", tls: x }', 'swarm.tls: counts for tcp:// alone'],
    ['hosts: { a: { url: "tcp://a" } }', 'anyone on the network would be root there'],
    ['hosts: { a: { url: "ssh://a", tls: x } }', 'hosts.a.tls: counts for tcp:// alone'],
    ['hosts: { a: { url: "ssh://a", slots: 0 } }', 'at least 1'],
    ['on: ["a b"]', 'not a label'],
    ['sandbox: vm', 'expected docker or swarm'],
  ])('of %s', async (user, said) => {
    expect(await problemsOf({ user: `${user}\n` })).toContain(said);
  });

  it('of flags are found without any file', () => {
    expect(() => checkFlags({ memory: '4x', 'include-dirty': true })).toThrow('--memory: "4x" is not a size');
    expect(() => checkFlags({ memory: '4g', 'include-dirty': true })).not.toThrow();
  });
});

describe("a repository's own file", () => {
  it('may tighten anything without being asked about', async () => {
    const trust: Trust = () => Promise.reject(new Error('asked'));
    const repository = 'max-agents: 1\nmemory: 1g\ncpus: 1\npids: 100\ndisk: 1g\ntimeout: 10m\nbase: main\n';
    const { settings } = await load({ repository, trust });
    expect(settings).toMatchObject({
      maxAgents: 1,
      base: 'main',
      timeoutMs: 600_000,
      limits: { memoryBytes: GIB, pids: 100 },
    });
  });

  it.each([
    ['max-agents: 4', 'max-agents'],
    ['memory: 5g', 'memory'],
    ['cpus: 2.5', 'cpus'],
    ['pids: 2049', 'pids'],
    ['disk: 11g', 'disk'],
    ['history: 2', 'history'],
    ['timeout: 2h', 'timeout'],
    ['idle-timeout: 11m', 'idle-timeout'],
    ['image: evil', 'image'],
    ['dockerfile: Dockerfile', 'dockerfile'],
    ['engine: demo', 'engine'],
    ['engine-command: evil', 'engine-command'],
    ['engines: { evil: { command: evil } }', 'engines'],
    ['include-dirty: true', 'include-dirty'],
    ['setup: evil', 'setup'],
    ['sandbox: swarm', 'sandbox'],
    ['swarm: { address: "ssh://{addr}.evil" }', 'swarm'],
    ['hosts: { a: { url: "ssh://evil" } }', 'hosts'],
    ['host: ["ssh://evil"]', 'host'],
  ])('cannot set %s without being accepted', async (repository, key) => {
    const untouched = (await load()).settings;
    const { settings, warnings } = await load({ repository: `${repository}\n` });
    expect(settings).toEqual(untouched);
    expect(warnings).toEqual([expect.stringContaining(`ignored: ${key} (`)]);
    expect((await load({ trust: accept })).settings).not.toEqual(untouched);
  });

  it('cannot let a set-up reach more than the user lets it, and may let it reach less', async () => {
    const layers = { user: 'setup: npm ci\nsetup-allow: ["@npm", own.example.org]\n' };
    const { settings, warnings } = await load({
      ...layers,
      repository: 'setup-allow: [own.example.org, other.example]\n',
    });
    expect(settings.setUp?.allow).toEqual(['@npm', 'own.example.org']);
    expect(warnings).toEqual([expect.stringContaining('ignored: setup-allow (')]);
    const less = await load({ ...layers, repository: 'setup-allow: [own.example.org]\nsetup-inputs: [a]\n' });
    expect(less).toMatchObject({ warnings: [], settings: { setUp: { allow: ['own.example.org'], inputs: ['a'] } } });
  });

  it('may go as far as the user went', async () => {
    const { settings, warnings } = await load({ user: 'memory: 16g\n', repository: 'memory: 12g\n' });
    expect(settings.limits.memoryBytes).toBe(12 * GIB);
    expect(warnings).toEqual([]);
  });

  it('loses only what loosens', async () => {
    const { settings } = await load({ repository: 'cpus: 1\nimage: evil\n' });
    expect(settings).toMatchObject({ image: null, limits: { cpus: 1 } });
  });

  it('cannot be made to count by naming its engine', async () => {
    const text = await problemsOf({ repository: 'engines: { evil: { command: evil } }\n', flags: { engine: 'evil' } });
    expect(text).toContain('count once you accept it with --trust');
  });
});

describe('remembered trust', () => {
  const file: UntrustedFile = { path: 'orchestrate.yaml', hash: 'a'.repeat(64), keys: ['image'] };

  it('asks once for one content, and again for another', async () => {
    const state = join(folder, 'state');
    const asked: string[] = [];
    const trust = rememberedTrust(state, async ({ hash }) => {
      asked.push(hash);
      return true;
    });
    expect([
      await trust(file),
      await trust(file),
      await trust({ ...file, hash: 'b'.repeat(64) }),
      await trust(file),
    ]).toEqual([true, true, true, true]);
    expect(asked).toEqual([file.hash, 'b'.repeat(64)]);
    expect((await stat(join(state, 'trusted.json'))).mode & 0o777).toBe(0o600);
    expect((await stat(state)).mode & 0o777).toBe(0o700);
  });

  it('does not remember a no', async () => {
    expect(await rememberedTrust(folder, refuse)(file)).toBe(false);
    expect(await rememberedTrust(folder, accept)(file)).toBe(true);
    expect(await rememberedTrust(folder, refuse)(file)).toBe(true);
  });

  it('takes a damaged memory for an empty one', async () => {
    await writeFile(join(folder, 'trusted.json'), '{"version":1,"accepted":"all"}');
    await chmod(join(folder, 'trusted.json'), 0o600);
    expect(await rememberedTrust(folder, refuse)(file)).toBe(false);
  });

  it('is of the content: one changed byte is another file', async () => {
    const trust = (accepts: Trust) => rememberedTrust(join(folder, 'state'), accepts);
    await load({ repository: 'image: mine\n', trust: trust(accept) });
    expect((await load({ trust: trust(refuse) })).settings.image).toBe('mine');
    expect((await load({ repository: 'image: mine2\n', trust: trust(refuse) })).settings.image).toBeNull();
    expect(JSON.parse(await readFile(join(folder, 'state', 'trusted.json'), 'utf8'))).toMatchObject({
      accepted: [{ sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }],
    });
  });
});
