// The toolbox's bash tool, as a process of its own that dials a gateway: what a persistent shell can be put through.

import { mkdir, readFile, stat, symlink } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ToolAnswer } from '../../src/toolbox/toolbox.ts';
import { LocalToolbox } from '../support/toolbox.ts';

const LONG_MS = 60_000;

let toolbox: LocalToolbox;
let n: number;
beforeEach(async () => {
  toolbox = await LocalToolbox.start();
  n = 0;
});
afterEach(async () => {
  await toolbox[Symbol.asyncDispose]();
});

function bash(command: string, timeoutMs = LONG_MS): Promise<ToolAnswer> {
  n += 1;
  return toolbox.call({ n, tool: 'bash', input: { command }, timeoutMs });
}

function restart(): Promise<ToolAnswer> {
  n += 1;
  return toolbox.call({ n, tool: 'bash', input: { restart: true }, timeoutMs: LONG_MS });
}

const said = async (command: string) => (await bash(command)).text;

describe('the shell', () => {
  it('keeps its folder, variables and functions from one call to the next', async () => {
    await bash('mkdir sub; cd sub; x=7; greet() { echo "hello $1"; }');
    expect(await said('pwd; echo $x; greet you')).toBe(`${toolbox.inWorkspace('sub')}\n7\nhello you\n`);
  });

  it('tells output and errors in the order they were written, and an exit code that is not 0', async () => {
    const answer = await bash('echo one; echo two >&2; echo three; (exit 4)');
    expect(answer).toEqual({ text: 'one\ntwo\nthree\n[exit code 4]', isError: false });
    expect(await said('true')).toBe('[no output]');
    expect(await said('printf x; false')).toBe('x\n[exit code 1]');
  });

  it('gives commands no input and a standard error that can be opened', async () => {
    expect(await said('cat; read line; echo "got <$line>"; echo here >/dev/stderr')).toBe('got <>\nhere\n');
  });

  it('survives syntax errors, here-documents and quotes of all kinds', async () => {
    const broken = await bash('echo "unbalanced');
    expect(broken.text).toContain('unexpected EOF');
    expect((await bash('if true')).text).toContain('[exit code');
    expect(await said("cat <<'END'\nit's $HOME `x` \\ \"q\"\nEND")).toBe('it\'s $HOME `x` \\ "q"\n');
    expect(await said("printf '%s\\n' 'a'\\''b'")).toBe("a'b\n");
  });

  it('keeps a background process running without waiting for it, even one that holds the output open', async () => {
    await bash('(while true; do sleep 0.05; echo tick; done) & echo $! >pid');
    expect(await said('kill -0 $(cat pid) && echo alive')).toContain('alive');
    expect(await said('kill $(cat pid); wait 2>/dev/null; echo gone')).toContain('gone');
  });

  it('says when it was ended, and goes on as a new one in the same folder', async () => {
    await bash('mkdir here; cd here; x=1');
    const answer = await bash('echo before; exit 3');
    expect(answer.isError).toBe(true);
    expect(answer.text).toContain('before\n[the shell ended with exit code 3');
    expect(await said('pwd; echo "x=$x"')).toBe(`${toolbox.inWorkspace('here')}\nx=\n`);
    expect((await bash('exec echo replaced')).text).toMatch(/^replaced\n\[the shell ended with exit code 0/);
    expect((await bash('set -e; false; echo not reached')).text).toContain('[the shell ended with exit code 1');
    expect((await bash('kill -9 $$')).text).toContain('the shell ended with exit code 137');
    expect(await said('echo back')).toBe('back\n');
  });

  it('is not taken in by a command that redirects everything, traces or imitates its marker', async () => {
    await bash('exec >/dev/null 2>&1; echo lost');
    expect(await said('echo seen')).toBe('seen\n');
    expect(await said("printf '\\036 done 1 0 /\\036'")).toBe('\\x1e done 1 0 /\\x1e');
    expect(await said('printf() { echo mine; }; ended() { :; }; printf; ended')).toBe('mine\n');
    const traced = await bash('set -x; echo traced');
    expect(traced.text).toContain('+ echo traced\ntraced');
    expect(await said('set +x; stty -echo')).toContain('[exit code 1]');
    expect(await said('set -u; unset PWD; echo bare')).toBe('bare\n');
  });

  it('is restarted on demand, with everything that ran in it ended', async () => {
    await bash('cd /; x=1; sleep 1000 & echo $! >"$OLDPWD/pid"');
    const pid = (await readFile(toolbox.inWorkspace('pid'), 'utf8')).trim();
    expect((await restart()).isError).toBe(false);
    expect(await said(`pwd; echo "x=$x"; kill -0 ${pid}`)).toContain(`${toolbox.inWorkspace()}\nx=\n`);
    expect(await said(`kill -0 ${pid} 2>/dev/null || echo ended`)).toBe('ended\n');
  });

  it('says what is wrong with an input', async () => {
    expect(await bash('')).toEqual({ text: 'give a command, or restart: true', isError: true });
    expect((await bash('echo \0')).isError).toBe(true);
  });
});

it('works with sh where there is no bash', async () => {
  const programs = toolbox.inWorkspace('programs');
  await mkdir(programs);
  for (const name of ['sh', 'cat', 'sleep']) await symlink(`/bin/${name}`, `${programs}/${name}`);
  await using plain = await LocalToolbox.start({ path: programs });
  const commands = [
    'x=1; greet() { echo "hi $x"; }; cd /',
    'greet; pwd; echo "$BASH"',
    'echo "broken',
    'greet; exit 3',
    'pwd',
  ];
  const answers: string[] = [];
  for (const [index, command] of commands.entries()) {
    answers.push((await plain.call({ n: index + 1, tool: 'bash', input: { command }, timeoutMs: LONG_MS })).text);
  }
  const [nothing, greeted, broken, ended, folder] = answers;
  expect([nothing, greeted, folder]).toEqual(['[no output]', 'hi 1\n/\n\n', '/\n']);
  expect(broken).toContain('nterminated quoted string');
  expect(ended).toMatch(/^hi 1\n\[the shell ended with exit code 3/);
});

describe('a command that takes too long', () => {
  it('is ended with all it started, whatever was started before goes on, and nothing of it is done any more', async () => {
    await bash('sleep 1000 & echo $! >earlier');
    await bash('cd /tmp');
    const answer = await bash(
      `(sleep 1000 & echo $! >${toolbox.inWorkspace('inner')}; wait); touch ${toolbox.inWorkspace('after')}`,
      300,
    );
    expect(answer.isError).toBe(true);
    expect(answer.text).toContain('timed out after 0 s');
    expect(await said(`kill -0 $(cat ${toolbox.inWorkspace('earlier')}) && echo earlier runs; pwd`)).toBe(
      'earlier runs\n/tmp\n',
    );
    expect(await said(`kill -0 $(cat ${toolbox.inWorkspace('inner')}) 2>/dev/null || echo inner ended`)).toBe(
      'inner ended\n',
    );
    await expect(stat(toolbox.inWorkspace('after'))).rejects.toThrow();
  });

  it('is ended when the shell itself never comes to an end, and when it forks as fast as it can', async () => {
    expect((await bash('while :; do :; done', 200)).text).toContain('timed out');
    expect((await bash('ulimit -u 100; f() { sleep 100 & }; while :; do f; sleep 0.01; done', 500)).text).toContain(
      'timed out',
    );
    expect(await said('echo back')).toBe('back\n');
  });
});

describe('output', () => {
  it('of a megabyte is told with its middle left out and kept whole in a file', async () => {
    const { text } = await bash('seq 1 150000');
    expect(text.length).toBeLessThan(101_000);
    expect(text).toMatch(/^1\n2\n3\n/);
    expect(text).toMatch(/149999\n150000\n$/);
    const file = /the whole output is in (\S+) …/.exec(text)?.[1] ?? '';
    const kept = await readFile(file, 'utf8');
    expect(kept.split('\n').length).toBe(150_001);
    expect(await said(`sed -n 75000p ${file}`)).toBe('75000\n');
  });

  it('of a gigabyte passes without being held', async () => {
    const grownOf = async () => Number(/VmHWM:\s+(\d+)/.exec(await said('cat /proc/$(cat tools)/status'))?.[1]);
    await bash(
      'for p in /proc/[0-9]*; do tr "\\0" " " <$p/cmdline 2>/dev/null | grep -q "toolbox/tools/program" && basename $p >tools; done; true',
    );
    await said('yes | head -c 20000000');
    const before = await grownOf();
    const { text } = await bash('yes 0123456789abcdef | head -c 1000000000; echo end');
    expect(text).toMatch(/end\n$/);
    expect(text).toContain('the first 67108864 bytes of the output are in');
    expect((await grownOf()) - before).toBeLessThan(60_000);
  }, 60_000);

  it('that is no text is made readable, and colours are left out', async () => {
    expect(await said("printf '\\000\\001\\377\\r\\n\\033[31mred\\033[0m\\a\\n'")).toBe('\\x00\\x01\uFFFD\nred\\x07\n');
    const { text } = await bash('head -c 300000 /dev/urandom');
    expect(text.length).toBeLessThan(201_000);
  });

  it('of a background process is told with the next call', async () => {
    await bash('(until [ -e go ]; do sleep 0.01; done; echo from behind; touch went) & ');
    expect(await said('touch go; until [ -e went ]; do sleep 0.01; done; echo front')).toBe('from behind\nfront\n');
  });
});
