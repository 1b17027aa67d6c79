// `shell`: a person where the agents work, with nothing left behind and nobody disturbed.

import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestImages } from '../support/images.ts';
import { containersOf, killedRun, until } from '../support/killed-run.ts';
import { finishTask } from '../support/queue.ts';
import { PROMISED_ENVIRONMENT } from '../support/sandbox.ts';
import { type Answer, Scratch } from '../support/scratch.ts';

const CLI = path.resolve(import.meta.dirname, '../../dist/cli/main.js');

let scratch: Scratch;
const open = new Set<OpenShell>();

beforeEach(async () => {
  scratch = await Scratch.create();
});
afterEach(async () => {
  for (const shell of open) shell.process.kill('SIGKILL');
  open.clear();
  await scratch[Symbol.asyncDispose]();
});

/** `shell` with these commands on its input. */
function typed(commands: string, ...args: string[]): Promise<Answer> {
  return scratch.orchestrate(['shell', ...args], { stdin: 'pipe', input: `${commands}\n` });
}

function started(program: string, args: readonly string[]) {
  const env = { ...scratch.env, TERM: 'xterm' };
  return execa(program, args, { cwd: scratch.repository, env, extendEnv: false, reject: false, stdin: 'pipe' });
}

/** A shell that is open, as a person has one in another terminal. */
class OpenShell {
  readonly process: ReturnType<typeof started>;
  #output = '';
  #ended = false;

  constructor(program: string, args: readonly string[]) {
    this.process = started(program, args);
    this.process.stdout.on('data', (data) => {
      // A terminal within a terminal has one more of them.
      this.#output += String(data).replaceAll('\r', '');
    });
    void this.process.then(() => {
      this.#ended = true;
    });
    open.add(this);
  }

  static begin(...args: string[]): OpenShell {
    return new OpenShell(process.execPath, [CLI, 'shell', ...args]);
  }

  /** The same on a terminal of its own. */
  static onTerminal(...args: string[]): OpenShell {
    const line = ['stty rows 33 cols 77;', `'${process.execPath}'`, `'${CLI}'`, 'shell', ...args].join(' ');
    return new OpenShell('script', ['-qec', line, '/dev/null']);
  }

  type(text: string): void {
    this.process.stdin.write(text);
  }

  /** Waits for what it prints after this call; gives all since then. */
  async shows(text: string | RegExp): Promise<string> {
    const isShown = (): boolean => (typeof text === 'string' ? this.#output.includes(text) : text.test(this.#output));
    await until(async () => isShown() || this.#ended);
    if (!isShown()) throw new Error(`the shell has ended: ${JSON.stringify(await this.process)}`);
    const shown = this.#output;
    this.#output = '';
    return shown;
  }
}

async function volumesOf(): Promise<string[]> {
  const own = `label=orchestrate=${await scratch.installation()}`;
  const { stdout } = await execa('docker', ['volume', 'ls', '--quiet', '--filter', own]);
  return stdout.split('\n').filter((name) => name !== '' && !name.endsWith('-store'));
}

describe('a fresh shell', () => {
  it('is isolated like an agent, passes its exit code on, and leaves nothing', async () => {
    const answer = await typed(
      'id -u; pwd; cat README.md; env; grep -E "CapEff|NoNewPrivs" /proc/self/status; ls /sys/class/net; echo mine > mine; exit 7',
    );
    expect(answer.exitCode).toBe(7);
    expect(answer.stderr).toMatch(/^A fresh sandbox on HEAD .*thrown away when you leave\.$/m);
    const lines = answer.stdout.split('\n');
    expect(lines.slice(0, 3)).toEqual(['61000', '/workspace', '# Sample']);
    expect(lines.slice(-3)).toEqual(['CapEff:\t0000000000000000', 'NoNewPrivs:\t1', 'lo']);
    const names = lines.slice(3, -3).map((line) => line.split('=')[0] ?? '');
    // What bash adds by itself.
    expect(names.filter((name) => !['_', 'PWD', 'SHLVL', 'OLDPWD'].includes(name)).sort()).toEqual(['HOME', 'PATH']);
    expect(await containersOf(scratch)).toEqual([]);
    expect(await volumesOf()).toEqual([]);
    expect(await scratch.git('status', '--porcelain')).toBe('');
  });

  it('ends when told to, however long its input goes on', async () => {
    const shell = OpenShell.begin();
    shell.type('echo $((6*7)); exit 3\n');
    expect((await shell.process).exitCode).toBe(3);
    expect(await shell.shows('42')).toBe('42\n');
  });

  it('keeps the two outputs apart', async () => {
    expect(await typed('echo out; echo err >&2', '--quiet')).toEqual({ exitCode: 0, stdout: 'out', stderr: 'err' });
  });

  it('lies on a patch, on a revision or on the local changes', async () => {
    await finishTask(scratch, { title: 'Add x', files: { 'x.txt': 'patched\n' } });
    expect((await typed('cat x.txt', '--patch', 'add-x')).stdout).toBe('patched');
    await scratch.write({ 'README.md': '# Local\n' });
    expect((await typed('cat README.md', '--include-dirty')).stdout).toBe('# Local');
    const plain = await typed('cat README.md');
    expect(plain).toMatchObject({ stdout: '# Sample', stderr: expect.stringContaining('--include-dirty') });
    await scratch.git('commit', '--quiet', '--all', '--message', 'local');
    expect((await typed('cat README.md', '--base', 'HEAD~1')).stdout).toBe('# Sample');
  });

  it('is a real terminal where there is one: its size, Ctrl-C for what runs inside, the exit code', async () => {
    const shell = OpenShell.onTerminal('--quiet');
    await shell.shows('$ ');
    shell.type('stty size; test -t 0 && test -t 2 && echo ter""minal; echo $TERM\r');
    expect(await shell.shows(/xterm\n.*\$ $/s)).toMatch(/33 77\nterminal\n/);
    shell.type(`sh -c 'echo wait""ing; exec sleep 300'\r`);
    await shell.shows('waiting');
    shell.type('\u0003');
    await shell.shows('$ ');
    shell.type('echo co""de $?; exit 9\r');
    await shell.shows('code 130');
    expect((await shell.process).exitCode).toBe(9);
    expect(await containersOf(scratch)).toEqual([]);
  });

  it('is left by a signal, and nothing stays', async () => {
    const shell = OpenShell.begin();
    shell.type('echo in""side; sleep 300\n');
    await shell.shows('inside');
    shell.process.kill('SIGTERM');
    expect((await shell.process).exitCode).toBe(130);
    expect(await containersOf(scratch)).toEqual([]);
    expect(await volumesOf()).toEqual([]);
  });

  it('is refused in an image without a shell, with JSON, and with a task beside flags of its own', async () => {
    await using images = new TestImages();
    const shellLess = await typed('true', '--image', await images.get('shell-less'));
    expect(shellLess).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/has no shell \(\/bin\/sh\)/) });
    expect(await containersOf(scratch)).toEqual([]);
    expect((await typed('true', '--json')).exitCode).toBe(2);
    expect((await typed('true', 'x', '--base', 'main')).exitCode).toBe(2);
    expect((await typed('true', '--patch', 'x', '--base', 'main')).exitCode).toBe(2);
  });

  it('takes sh where there is no bash, in any image', async () => {
    await using images = new TestImages();
    const answer = await typed('echo $0$BASH_VERSION; whoami', '--image', await images.get('musl'));
    expect(answer).toMatchObject({ exitCode: 0, stdout: 'sh\nagent' });
  });
});

describe('a shell beside a run', () => {
  it('disturbs no run and is not disturbed by one', async () => {
    const shell = OpenShell.begin();
    shell.type('echo be""fore\n');
    await shell.shows('before');
    await scratch.must(['submit', 'x', '--title', 'one']);
    const run = scratch.orchestrate(['run', '--engine-command', 'sleep 5; echo x > x.txt']);
    await until(
      async () => (await containersOf(scratch, 'status=running', 'label=orchestrate.kind=agent')).length === 2,
    );
    const second = await typed('cat README.md');
    expect(second).toMatchObject({ exitCode: 0, stdout: '# Sample' });
    expect(await run).toMatchObject({ exitCode: 0 });
    expect(await scratch.json(['task', 'one'])).toMatchObject({ status: 'succeeded' });
    await scratch.must(['cleanup']);
    shell.type('echo af""ter; exit 0\n');
    await shell.shows('after');
    expect((await shell.process).exitCode).toBe(0);
    expect(await containersOf(scratch)).toEqual([]);
  });

  it('that was killed is tidied up by the next run', async () => {
    const shell = OpenShell.begin();
    shell.type('echo in""side\n');
    await shell.shows('inside');
    shell.process.kill('SIGKILL');
    await shell.process;
    expect((await containersOf(scratch)).length).toBe(2);
    await scratch.must(['submit', 'x', '--title', 'one']);
    await scratch.must(['run', '--engine-command', 'true']);
    expect(await containersOf(scratch)).toEqual([]);
    expect(await volumesOf()).toEqual([]);
  });
});

describe('a shell in the sandbox of a task', () => {
  it('works as the agent does, and what it changes becomes part of the patch', async () => {
    await scratch.must(['submit', 'x', '--title', 'watched']);
    const command = 'echo agent > agent.txt; until test -e go; do sleep 0.2; done';
    const run = scratch.orchestrate(['run', '--engine-command', command]);
    await until(
      async () => (await containersOf(scratch, 'status=running', 'label=orchestrate.kind=agent')).length === 1,
    );
    await until(async () => (await scratch.must(['task', 'watched'])).includes('started'));
    const answer = await typed(
      'id -u; pwd; cat agent.txt; env | cut -d= -f1; echo person > person.txt; touch go',
      'watched',
    );
    expect(answer.exitCode).toBe(0);
    expect(answer.stderr).toContain('In the sandbox of watched.1');
    const lines = answer.stdout.split('\n');
    expect(lines.slice(0, 3)).toEqual(['61000', '/workspace', 'agent']);
    const names = lines.slice(3).filter((name) => !['_', 'PWD', 'SHLVL', 'OLDPWD'].includes(name));
    expect(names.sort()).toEqual([...PROMISED_ENVIRONMENT].sort());
    expect(await run).toMatchObject({ exitCode: 0 });
    const diff = await scratch.must(['patch', 'show', 'watched']);
    expect(diff).toContain('+agent');
    expect(diff).toContain('+person');
  });

  it('ends with the sandbox', async () => {
    await scratch.must(['submit', 'x', '--title', 'short']);
    const container = await killedRun(scratch, ['--engine-command', 'sleep 300']);
    const shell = OpenShell.begin('short');
    shell.type('echo in""side; sleep 300\n');
    await shell.shows('inside');
    await execa('docker', ['kill', container]);
    expect((await shell.process).exitCode).toBe(137);
  });

  it('is refused where none is at work, with what can be done instead', async () => {
    await finishTask(scratch, { title: 'Done', files: { 'x.txt': 'x\n' } });
    expect(await typed('true', 'done')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('orchestrate shell --patch done.1'),
    });
    await scratch.must(['submit', 'x', '--title', 'waits']);
    expect(await typed('true', 'waits')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('not started') });
    expect((await typed('true', 'nothing')).exitCode).toBe(2);
  });
});
