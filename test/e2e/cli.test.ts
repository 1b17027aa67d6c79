import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Scratch } from '../support/scratch.ts';

const CLI = path.resolve(import.meta.dirname, '../../dist/cli/main.js');
const COMMANDS = ['submit', 'run', 'demo', 'status', 'task', 'logs', 'patch', 'doctor', 'cleanup'];

let scratch: Scratch;

beforeAll(async () => {
  scratch = await Scratch.create();
});
afterAll(() => scratch[Symbol.asyncDispose]());

describe('help and version', () => {
  it('prints the version of the package', async () => {
    const { version } = JSON.parse(await readFile(path.join(CLI, '../../../package.json'), 'utf8')) as {
      version: string;
    };
    for (const flag of ['--version', '-V']) expect(await scratch.must([flag])).toBe(version);
    expect(await scratch.must(['--json', '--version'])).toBe(version);
  });

  it('shows every command, and examples with each', async () => {
    const help = await scratch.must(['--help']);
    for (const command of COMMANDS) expect(help).toMatch(new RegExp(`^ {2}${command}\\b`, 'm'));
    for (const command of [...COMMANDS, 'patch list', 'patch show', 'patch approve', 'patch reject', 'patch apply']) {
      expect(await scratch.must([...command.split(' '), '--help'])).toContain(`Examples:\n  orchestrate ${command}`);
    }
    expect(await scratch.must([])).toBe(help);
  });
});

describe('wrong usage', () => {
  it.each([
    [['sttus'], "unknown command 'sttus'", 'did you mean status?'],
    [['status', '--jsn'], "unknown option '--jsn'", 'did you mean --json?'],
    [['patch', 'lst'], "unknown command 'lst'", 'did you mean list?'],
    [['patch'], 'a sub-command is missing', '--help'],
    [['task'], "missing required argument 'task'", '--help'],
    [['stop', 'now'], "too many arguments for 'stop'", '--help'],
    [
      ['submit', 'x', '--priority', 'urgent'],
      "'--priority <level>' argument 'urgent' is invalid. Allowed choices are high, normal, low",
      '--help',
    ],
    [['patch', 'list', '--status', 'open'], 'Allowed choices are pending, approved', '--help'],
    [['run', '--memory', '4x'], '--memory: "4x" is not a size', ''],
    [['run', '--timeout', '-1h'], '--timeout: "-1h" is not a duration', ''],
    [['cleanup', '--older-than', 'old'], '--older-than: "old" is not a duration', ''],
    [['run', '--engine', 'claud'], '--engine: unknown engine "claud", expected one of api, claude, codex, demo', ''],
    [['run', '--on', 'gpu'], 'no host has the label gpu', 'orchestrate host list'],
    [['run', '--on', ''], "'--on <label>' argument '' is invalid. It is empty", '--help'],
    [['host', 'add', 'x', 'ssh://x', '--tls', '/x'], '--tls: counts for tcp:// alone', ''],
    [['task', 'nothing'], 'There is no task nothing', ''],
  ])('%j', async (args, said, hint) => {
    const answer = await scratch.orchestrate(args);
    expect(answer.stderr).toContain(`orchestrate: `);
    expect(answer.stderr).toContain(said);
    expect(answer.stderr).toContain(hint);
    expect(answer).toMatchObject({ exitCode: 2, stdout: '' });
  });

  it('is told before the environment is looked at', async () => {
    const elsewhere = path.join(scratch.folder, 'home');
    expect((await scratch.orchestrate(['run', '--cpus', '0'], { cwd: elsewhere })).exitCode).toBe(2);
    expect((await scratch.orchestrate(['submit', ''], { cwd: elsewhere })).exitCode).toBe(2);
    expect((await scratch.orchestrate(['run', '--cpus', '1'], { cwd: elsewhere })).exitCode).toBe(3);
  });

  it('is one JSON object on stderr with --json, wherever the flag stands', async () => {
    for (const args of [
      ['--json', 'status', '--nope'],
      ['status', '--nope', '--json'],
    ]) {
      const { stderr, stdout } = await scratch.orchestrate(args);
      expect(JSON.parse(stderr)).toEqual({
        error: { code: 'BAD_USAGE', message: "unknown option '--nope'", hint: expect.any(String) },
      });
      expect(stdout).toBe('');
    }
  });

  it('tells all problems of the settings at once, with file and line', async () => {
    await scratch.write({ 'orchestrate.yaml': '# ours\nmax-agent: 3\nmemory: lots\n' });
    const { stderr, exitCode } = await scratch.orchestrate(['run', '--dry-run', '--cpus', '1']);
    await rm(path.join(scratch.repository, 'orchestrate.yaml'));
    expect(exitCode).toBe(2);
    expect(stderr).toContain('orchestrate.yaml:2: unknown setting max-agent; did you mean max-agents?');
    expect(stderr).toContain('orchestrate.yaml:3: memory: "lots" is not a size');
  });
});

describe('the environment', () => {
  it.each([
    ['no repository', [], 'NO_REPOSITORY'],
    ['no commit', ['init', '--quiet', '.'], 'NO_COMMIT'],
    ['a bare repository', ['init', '--quiet', '--bare', '.'], 'BARE_REPOSITORY'],
  ])('%s: exit 3 and nothing half done', async (_, git, code) => {
    const folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-cli-'));
    if (git.length > 0) await execa('git', git, { cwd: folder, env: scratch.env });
    const before = await readdir(folder, { recursive: true });
    for (const args of [['status'], ['submit', 'x'], ['run'], ['patch', 'list'], ['cleanup']]) {
      const answer = await scratch.orchestrate([...args, '--json'], { cwd: folder });
      expect(answer, args.join(' ')).toMatchObject({ exitCode: 3, stdout: '' });
      expect(JSON.parse(answer.stderr)).toMatchObject({ error: { code } });
    }
    expect(await readdir(folder, { recursive: true })).toEqual(before);
    await rm(folder, { recursive: true });
  });

  it('is found from sub-folders, by --repo and from linked worktrees', async () => {
    await scratch.must(['submit', 'seen from everywhere']);
    await scratch.write({ 'deep/down/x': '' });
    await scratch.git('worktree', 'add', '--quiet', '--detach', path.join(scratch.folder, 'linked'));
    const places = [path.join(scratch.repository, 'deep/down'), path.join(scratch.folder, 'linked')];
    for (const cwd of places)
      expect((await scratch.orchestrate(['status'], { cwd })).stdout).toContain('seen-from-everywhere');
    const elsewhere = await scratch.orchestrate(['status', '--repo', scratch.repository], { cwd: tmpdir() });
    expect(elsewhere.stdout).toContain('seen-from-everywhere');
  });

  it('without Docker: one sentence and a hint, exit 3; doctor says so too', async () => {
    const env = { DOCKER_HOST: `unix://${scratch.folder}/none.sock` };
    const run = await scratch.orchestrate(['run', '--engine-command', 'true', '--json'], { env });
    expect(run.exitCode).toBe(3);
    expect(JSON.parse(run.stderr.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
      error: { code: 'DOCKER_UNREACHABLE', hint: expect.any(String) },
    });
    const doctor = await scratch.orchestrate(['doctor', '--json'], { env });
    expect(doctor.exitCode).toBe(3);
    const { ok, checks } = JSON.parse(doctor.stdout) as { ok: boolean; checks: { name: string; status: string }[] };
    expect(ok).toBe(false);
    expect(checks.filter((check) => check.status === 'fail').map((check) => check.name)).toEqual(['docker']);
  });
});

describe('run --dry-run', () => {
  const env = { ANTHROPIC_API_KEY: 'sk-test-dry-run-0123' };
  const plan = async (...flags: readonly string[]) => {
    const { stdout, exitCode } = await scratch.orchestrate(['run', '--dry-run', ...flags], { env });
    expect(exitCode).toBe(0);
    return stdout;
  };

  it('says which engine the keys choose, what agents reach and what it can cost', async () => {
    const bare = await plan();
    expect(bare).toContain('engine api (chosen by the keys there are)');
    expect(bare).toContain('no budget: cost not bounded');
    expect(bare).toMatch(/^agents reach anthropic \(https:\/\/[^)]+\) through the gateway, and nothing else$/m);
    const bounded = await plan('--model', 'claude-haiku-4-5', '--budget-usd', '5', '--allow', '@npm');
    expect(bounded).toContain('model claude-haiku-4-5');
    expect(bounded).toContain('cost at most $5.00');
    expect(bounded).toMatch(/^agents reach anthropic .*, @npm, and nothing else$/m);
    const plain = await plan('--engine-command', 'true', '--setup', 'npm ci', '--setup-allow', 'r.example.org');
    expect(plain).toContain('agents reach nothing');
    expect(plain).toMatch(/^set-up before the first agent: npm ci\n {2}which reaches r\.example\.org$/m);
  });

  it('is one document with --json, also of a task that is not queued', async () => {
    const said = JSON.parse(await plan('x', '--json', '--task-budget-usd', '1')) as object;
    expect(said).toMatchObject({
      ...{ tasks: [{ id: null, title: 'x' }], engine: 'api', engineChosenByKeys: true, network: 'model' },
      ...{ reach: { models: [{ api: 'anthropic' }], hosts: [] }, budget: { usd: null, taskUsd: 1 } },
    });
    expect(JSON.stringify(said)).not.toContain(env.ANTHROPIC_API_KEY);
  });

  it.each([
    [['--engine', 'nope'], {}, 2],
    [['--engine', 'api', '--network', 'none'], env, 2],
    [['--engine-command', 'true', '--budget-usd', '1'], {}, 2],
    [['--model', 'm-1', '--budget-usd', '1'], env, 2],
    [['--engine', 'codex'], env, 3],
    [[], {}, 3],
  ])('fails as the run would: %j', async (flags, keys, exitCode) => {
    const answer = await scratch.orchestrate(['run', '--dry-run', ...flags], { env: keys });
    expect(answer).toMatchObject({ exitCode, stdout: '' });
  });
});

describe('doctor', () => {
  it('says which engine a run would use, and which programs its image is made with', async () => {
    const named = async (env: Record<string, string>) => {
      const { stdout } = await scratch.orchestrate(['doctor', '--json'], { env });
      const { checks } = JSON.parse(stdout) as { checks: { name: string; status: string; detail: string }[] };
      return Object.fromEntries(checks.map((check) => [check.name, check]));
    };
    const { agent, programs } = await named({ OPENAI_API_KEY: 'sk-test-doctor' });
    expect(agent).toMatchObject({ status: 'ok', detail: expect.stringContaining('codex') });
    expect(programs?.detail).toMatch(/claude.*codex/);
    expect((await named({})).agent).toMatchObject({ status: 'warn' });
  });

  it('finds that a run could start, and names keys without their values', async () => {
    await writeFile(path.join(scratch.repository, '.env'), 'OPENAI_API_KEY=sk-secret-1\n');
    const env = { ANTHROPIC_API_KEY: 'sk-secret-2' };
    const { stdout, exitCode } = await scratch.orchestrate(['doctor'], { env });
    expect(stdout).toContain('A run could start.');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/keys .*ANTHROPIC_API_KEY \(the environment\), OPENAI_API_KEY \(the repository's \.env\)/);
    expect(stdout).not.toContain('secret');
    await scratch.git('add', '.env');
    // One of its hosts is enough for a run.
    const settings = path.join(scratch.env.XDG_CONFIG_HOME ?? '', 'orchestrate/config.yaml');
    await mkdir(path.dirname(settings), { recursive: true });
    await writeFile(settings, 'hosts: {away: {url: "ssh://127.0.0.1:1"}}\nhost: [away, local]\n');
    expect(await scratch.must(['doctor'])).toMatch(/^warn +host away .*^ok +keys +none;/ms);
    await rm(settings);
    await scratch.git('rm', '--quiet', '--cached', '.env');
  });
});

describe('the entry', () => {
  it('is silent when the reader of its output goes away', async () => {
    const { stderr } = await execa(
      'bash',
      ['-o', 'pipefail', '-c', `'${process.execPath}' '${CLI}' --help | head -c 1`],
      { env: scratch.env, extendEnv: false, reject: false },
    );
    expect(stderr).toBe('');
  });

  it('turns a fault of ours into one line and a log', async () => {
    const preload = path.join(scratch.folder, 'fault.mjs');
    await writeFile(preload, "String.prototype.padEnd = () => { throw new Error('boom\\nsecond line'); };\n");
    const env = { NODE_OPTIONS: `--import ${preload}` };
    const { stderr, exitCode } = await scratch.orchestrate(['doctor'], { env });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^orchestrate: unexpected fault: boom\nhint: details are in .+\n?$/);
    const log = path.join(scratch.env.XDG_STATE_HOME ?? '', 'orchestrate');
    const [name = ''] = await readdir(log);
    expect(await readFile(path.join(log, name), 'utf8')).toMatch(/boom\nsecond line\n\s+at /);
  });
});
