// What `npm pack` makes is complete: it runs from a folder of its own, and carries migrations and image contexts.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const ROOT = path.resolve(import.meta.dirname, '../..');
const manifest = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
  version: string;
  bin: { orchestrate: string };
};

let scratch: string;
let files: readonly string[];
let bin: string;

beforeAll(() => {
  scratch = mkdtempSync(path.join(os.tmpdir(), 'orchestrate package '));
  // The set-up built dist/ already: the scripts of packing would only do it again.
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', scratch], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  execFileSync('tar', ['-xzf', path.join(scratch, packed.trim()), '-C', scratch]);
  const unpacked = path.join(scratch, 'package');
  files = readdirSync(unpacked, { recursive: true, encoding: 'utf8' });
  // The same dependencies as a real installation would fetch, without compiling the database module once more.
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(unpacked, 'node_modules'), 'dir');
  bin = path.join(unpacked, manifest.bin.orchestrate);
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function orchestrate(args: readonly string[], directory: string): string {
  return execFileSync(bin, args, { cwd: directory, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } });
}

function repository(name: string): string {
  const folder = path.join(scratch, name);
  mkdirSync(folder);
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], { cwd: folder });
  git('init', '-q');
  git('commit', '-q', '--allow-empty', '-m', 'first');
  return folder;
}

describe('the packed command', () => {
  it('tells its version', () => {
    expect(orchestrate(['--version'], scratch).trim()).toBe(manifest.version);
  });

  it('queues a task in a repository, with migrations of its own', () => {
    const folder = repository('queue');
    orchestrate(['submit', 'Add a licence file'], folder);
    const status = JSON.parse(orchestrate(['status', '--json'], folder)) as { counts: { queued: number } };
    expect(status.counts.queued).toBe(1);
  });
});

describe('the packed files', () => {
  it('hold every migration of the source tree', () => {
    const migrations = readdirSync(path.join(ROOT, 'src/state/migrations'), { recursive: true, encoding: 'utf8' });
    expect(migrations.filter((name) => name.endsWith('.sql')).length).toBeGreaterThan(0);
    expect(files).toEqual(
      expect.arrayContaining(migrations.map((name) => path.join('dist/src/state/migrations', name))),
    );
  });

  it('hold what images are built from, and the local base image with it', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        'Dockerfile.agent',
        'docker-compose.yml',
        '.env.example',
        'LICENSE',
        'images/ca/README.md',
        'images/clis/README.md',
        'images/base/build.sh',
        'examples/lib/sample.sh',
        'examples/web_app.sh',
        'scripts/docker-engine.sh',
        'scripts/fetch-clis.sh',
        'images/sidecar/Dockerfile',
        'images/toolbox/Dockerfile',
        'dist/src/keeper/main.js',
        'dist/src/gateway/main.js',
        'dist/src/gateway/bridge.js',
        'dist/src/toolbox/main.js',
      ]),
    );
  });

  it('hold no sources, tests, keys or certificates of this machine, and no CLI of somebody else', () => {
    const unwanted = /^(src|cli|test|bench|node_modules)\/|(^|\/)\.env$|\.crt$|^images\/clis\/[^/]+\//;
    expect(files.filter((name) => unwanted.test(name))).toEqual([]);
  });
});

describe.each(['keeper/main', 'gateway/main', 'gateway/bridge', 'toolbox/main'])('the program %s', (program) => {
  it('imports nothing but Node itself, its own folder and the session layer, since these alone are copied into its image', () => {
    const sources = path.join(ROOT, 'dist/src');
    const { modules, files } = reachableFrom(path.join(sources, `${program}.js`));
    expect(modules).not.toEqual([]);
    expect(modules.filter((name) => !name.startsWith('node:'))).toEqual([]);
    const folders = [path.dirname(program), 'session'].map((folder) => `${path.join(sources, folder)}/`);
    expect(files.filter((file) => !folders.some((folder) => file.startsWith(folder)))).toEqual([]);
  });
});

/** The modules and files of ours that a program needs, directly or not. */
function reachableFrom(main: string): { readonly modules: readonly string[]; readonly files: readonly string[] } {
  const modules = new Set<string>();
  const files = new Set([main]);
  for (const file of files) {
    for (const specifier of importsOf(file)) {
      if (specifier.startsWith('.')) files.add(path.join(path.dirname(file), specifier));
      else modules.add(specifier);
    }
  }
  return { modules: [...modules], files: [...files] };
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  return [
    ...text.matchAll(
      /^(?:import|export)\b[^'"]*?\bfrom\s*['"]([^'"]+)['"]|^import\s*['"]([^'"]+)['"]|\bimport\(['"]([^'"]+)['"]\)/gm,
    ),
  ].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

describe('docker-compose.yml', () => {
  it('builds from files that exist and passes keys by name only', () => {
    const compose = parse(readFileSync(path.join(ROOT, 'docker-compose.yml'), 'utf8')) as {
      services: { orchestrate: { build: { dockerfile: string }; environment: Record<string, string | null> } };
    };
    const { build, environment } = compose.services.orchestrate;
    expect(readFileSync(path.join(ROOT, build.dockerfile), 'utf8')).toMatch(/^FROM /m);
    expect(Object.keys(environment)).toContain('ANTHROPIC_API_KEY');
    const keys = Object.entries(environment).filter(([name]) => name !== 'DOCKER_HOST' && name !== 'TZ');
    expect(keys.map(([, value]) => value)).toEqual(keys.map(() => null));
  });
});

/** The coordinator image's entry, with stand-ins for the programs that it calls: `script` is what orchestrate does. */
function entry(script: string, env: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(path.join(scratch, 'bin-'));
  for (const [name, text] of Object.entries({ stat: 'echo 0', id: 'echo 0', node: script })) {
    writeFileSync(path.join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }
  const options = { env: { PATH: `${folder}:/usr/bin:/bin`, ...env }, extendEnv: false, reject: false } as const;
  return execa(path.join(ROOT, 'images/coordinator/entrypoint.sh'), ['run'], options);
}

describe('the coordinator as a service', () => {
  const SERVICE = { ORCHESTRATE_SERVICE: '1' };

  it.each([
    [0, 0],
    [1, 0],
    [4, 0],
    [130, 0],
    [2, 2],
    [3, 3],
  ])('that ends with %i ends its container with %i', async (code, told) => {
    expect((await entry(`exit ${code}`, SERVICE)).exitCode).toBe(told);
  });

  it('that is killed is seen as that, for the restart policy', async () => {
    expect((await entry('kill -KILL $$', SERVICE)).exitCode).toBe(137);
  });

  it.each([
    ['as a service', SERVICE, 0],
    ['as a command', {}, 130],
  ])('%s gets SIGTERM, and the time that it needs', async (_, env, told) => {
    const script = 'trap "sleep 0.3; echo kept; exit 130" TERM; echo begun; while :; do sleep 0.05; done';
    const running = entry(script, env);
    running.stdout.once('data', () => running.kill('SIGTERM'));
    expect(await running).toMatchObject({ exitCode: told, stdout: 'begun\nkept' });
  });

  it('is started again by compose when it was cut off, and no other way', () => {
    const file = readFileSync(path.join(ROOT, 'docker-compose.yml'), 'utf8');
    const { night } = (parse(file, { merge: true }) as { services: { night: Record<string, unknown> } }).services;
    expect(night).toMatchObject({
      ...{ profiles: ['night'], restart: 'on-failure:5', init: true, stop_grace_period: '2m' },
      environment: { ORCHESTRATE_SERVICE: 1, ANTHROPIC_API_KEY: null },
    });
  });
});
