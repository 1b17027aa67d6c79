// quickstart.sh says what is wrong in one sentence before it changes anything. What it sets up is tried by running it:
// the whole suite runs from `quickstart.sh --test`.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '../..');
const PARTS = ['quickstart.sh', 'scripts', '.env.example', 'package.json', 'package-lock.json', '.npmrc'];

let scratch: string;
let copy: string;

beforeAll(() => {
  scratch = mkdtempSync(path.join(os.tmpdir(), 'orchestrate-quickstart-'));
  copy = path.join(scratch, 'a path with spaces');
  mkdirSync(copy);
  for (const part of PARTS) cpSync(path.join(ROOT, part), path.join(copy, part), { recursive: true });
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

/** Runs from another folder, without a terminal. */
function quickstart(args: readonly string[], env: Readonly<Record<string, string>> = {}): Outcome {
  const ran = spawnSync(path.join(copy, 'quickstart.sh'), args, {
    cwd: os.tmpdir(),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOME: scratch, ...env },
  });
  return { code: ran.status, output: ran.stdout + ran.stderr };
}

/** A folder for the front of PATH with one program that prints a fixed text. */
function pretend(program: string, text: string): string {
  const folder = mkdtempSync(path.join(scratch, 'bin-'));
  const file = path.join(folder, program);
  writeFileSync(file, `#!/bin/sh\necho '${text}'\n`);
  chmodSync(file, 0o755);
  return `${folder}:${process.env.PATH ?? ''}`;
}

describe('quickstart.sh', () => {
  it('explains itself', () => {
    const { code, output } = quickstart(['--help']);
    expect(code).toBe(0);
    expect(output).toContain('--test');
    expect(output).toContain('--without-clis');
  });

  it('refuses an unknown option as wrong usage', () => {
    expect(quickstart(['--tset'])).toEqual({ code: 2, output: expect.stringContaining('--tset') });
  });

  it('names the git version that is too old', () => {
    const { code, output } = quickstart([], { PATH: pretend('git', 'git version 2.30.2') });
    expect(code).toBe(3);
    expect(output).toContain('git 2.38 or newer is needed; here is 2.30.2');
  });

  it('refuses a Node that the database module aborts on', () => {
    const { code, output } = quickstart([], { PATH: pretend('node', 'v24.19.0') });
    expect(code).toBe(3);
    expect(output).toContain('Node 24.19.0 is too new');
  });

  it('says so when the engine that DOCKER_HOST names does not answer, and installs nothing', () => {
    const { code, output } = quickstart(['--yes'], { DOCKER_HOST: `unix://${scratch}/nobody.sock` });
    expect(code).toBe(3);
    expect(output).toContain('DOCKER_HOST');
    expect(output).not.toContain('installing');
    expect(readdirSync(copy)).not.toContain('node_modules');
  });

  it('prints no colours without a terminal', () => {
    const { output } = quickstart([], { DOCKER_HOST: `unix://${scratch}/nobody.sock` });
    expect(output).not.toContain('\u001b');
  });

  it('offers four ways to begin, the last of them a script that is there', () => {
    const part = `sed -n '/^show_launch_options() {/,/^}/p' "$here/quickstart.sh"`;
    const program = `set -u; bold= plain= cyan= green=; eval "$(${part})"; show_launch_options`;
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', program], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, here: ROOT },
    });
    expect(stderr).toBe('');
    expect(stdout.match(/^ {2}\d\. [\w ]+/gm)).toEqual([
      ...['  1. Interactive planning ', '  2. Quick demo', '  3. Direct task submission', '  4. View examples'],
    ]);
    const script = /^ +(\/.*\/examples\/\w+\.sh)$/m.exec(stdout)?.[1] ?? '';
    expect(statSync(script).mode & 0o111).not.toBe(0);
  });
});
