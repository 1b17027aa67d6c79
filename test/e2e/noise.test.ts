// Sixteen agents that print without end: the coordinator stays small and listens, disks stay bounded, and the end of what
// each of them printed is there.

import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLI, Scratch } from '../support/scratch.ts';

const MIB = 1024 ** 2;
const IS_LONG = process.env.ORCHESTRATE_ENDURANCE === 'long';
/** Each agent prints so many blocks of one MiB: more than its transcript may hold, and all together than memory. */
const BLOCKS = IS_LONG ? 10 * 1024 : 256;
const NOISY = Array.from({ length: 15 }, (_, n) => `noisy-${n + 1}`);
const PROMISED_TAIL = 10 * MIB;
const PART_BYTES = 64 * MIB;
const MAX_RSS_KB = 300_000;
const TIMEOUT_MS = IS_LONG ? 3_600_000 : 300_000;

/** Prints blocks that differ in the number they begin with: `count` of them, or for ever. */
function program(count: number | null): string {
  const blocks = count === null ? 'itertools.count()' : `range(${count})`;
  return [
    'cat > /tmp/program.py <<END',
    'import itertools, os',
    "block = bytearray(b''.join(b'%015d\\n' % n for n in range(65536)))",
    `for n in ${blocks}:`,
    "  block[:15] = b'block %09d' % n",
    '  os.write(1, block)',
    'END',
    count === null ? 'exec python3 /tmp/program.py' : 'python3 /tmp/program.py; touch done',
  ].join('\n');
}

function block(n: number): Buffer {
  const lines = Array.from({ length: 65_536 }, (_, line) => `${String(line).padStart(15, '0')}\n`);
  lines[0] = `block ${String(n).padStart(9, '0')}\n`;
  return Buffer.from(lines.join(''));
}

const digest = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('hex');

/** What a transcript holds and what it says is missing; null where parts of it went as it grew, told by their number alone. */
function bytesTold(output: Buffer): number | null {
  const text = output.toString('latin1');
  if (text.includes('earlier parts of the transcript were not kept')) return null;
  const told = [...text.matchAll(/\n\u00e2\u0080\u00a6 (\d+) bytes of output were not kept \u00e2\u0080\u00a6\n/g)];
  return told.reduce((sum, [mark, count]) => sum + Number(count) - mark.length, output.length);
}

/** The most memory that a process has had, kilobytes, read until it ends. */
async function peakMemory(pid: number | undefined): Promise<number> {
  let peak = 0;
  for (;;) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    const now = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? Number.NaN);
    if (Number.isNaN(now)) return peak;
    peak = now;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('with sixteen noisy agents', () => {
  let scratch: Scratch;
  let coordinatorKb: number;
  let followerKb: number;
  let followed: Buffer;
  let killed: { readonly whileRunning: number };
  /** Of each of those that ended by themselves. */
  const kept: { readonly title: string; readonly tail: string; readonly told: number | null }[] = [];

  beforeAll(async () => {
    scratch = await Scratch.create();
    const scripts = NOISY.map((title) => [title, program(BLOCKS)]);
    // In the middle: some of the others begin after it, and go on when it is ended, however slow the machine.
    scripts.splice(NOISY.length / 2, 0, ['endless', program(null)]);
    await scratch.submitScripts(Object.fromEntries(scripts));
    const running = begin('run', '--engine', 'demo', '--max-agents', '16', '--memory', '128m', '--timeout', '1h');
    const coordinator = peakMemory(running.pid);
    await transcribed('noisy-1', 1);
    const following = begin('logs', '-f', '--raw', 'noisy-1');
    const follower = peakMemory(following.pid);
    await transcribed('endless', 2 * PROMISED_TAIL);
    await scratch.must(['kill', 'endless']);
    const { counts } = await scratch.json<{ counts: { running: number } }>(['status']);
    killed = { whileRunning: counts.running };
    const { stdout } = await following;
    followed = Buffer.from(stdout);
    expect((await running).exitCode).toBe(0);
    coordinatorKb = await coordinator;
    followerKb = await follower;
    for (const title of NOISY) {
      const output = await scratch.bytes(['logs', '--raw', title]);
      kept.push({ title, tail: digest(output.subarray(-PROMISED_TAIL)), told: bytesTold(output) });
    }
  }, TIMEOUT_MS);
  afterAll(() => scratch?.[Symbol.asyncDispose]());

  function begin(...args: string[]) {
    return execa(process.execPath, [CLI, ...args], {
      cwd: scratch.repository,
      env: scratch.env,
      extendEnv: false,
      stdin: 'ignore',
      reject: false,
      encoding: 'buffer',
      maxBuffer: Number.POSITIVE_INFINITY,
      stripFinalNewline: false,
    });
  }

  const transcripts = (): string => path.join(scratch.repository, '.git/orchestrate/transcripts');

  /** Waits until so much of an agent's output has been written down. */
  async function transcribed(title: string, bytes: number): Promise<void> {
    for (;;) {
      const file = await stat(path.join(transcripts(), `${title}.1.log`)).catch(() => null);
      if (file !== null && file.size >= bytes) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  it('the coordinator stays below 300 MB, and so does who follows a transcript', () => {
    expect(coordinatorKb).toBeLessThan(MAX_RSS_KB);
    expect(followerKb).toBeLessThan(MAX_RSS_KB);
    expect(coordinatorKb).toBeGreaterThan(0);
  });

  it('one is ended from another terminal while the others go on', async () => {
    const told = await scratch.json<{ status: string; attempts: { outcome: string }[] }>(['task', 'endless']);
    expect(told).toMatchObject({ status: 'cancelled', attempts: [{ outcome: 'killed' }] });
    expect(killed.whileRunning).toBeGreaterThan(0);
  });

  it('the last 10 MB of each are in its transcript exactly', { timeout: TIMEOUT_MS }, async () => {
    const end = Buffer.concat(Array.from({ length: 10 }, (_, n) => block(BLOCKS - 10 + n)));
    expect(kept.map(({ title, tail }) => [title, tail])).toEqual(NOISY.map((title) => [title, digest(end)]));
    expect(digest(followed.subarray(-PROMISED_TAIL))).toBe(digest(end));
  });

  it('of the one that was ended, the last 10 MB are there without a gap', async () => {
    const kept = (await scratch.bytes(['logs', '--raw', 'endless'])).subarray(-PROMISED_TAIL);
    const first = kept.indexOf('block ');
    const numbers = [...kept.toString('latin1').matchAll(/block (\d{9})\n/g)].map(([, number]) => Number(number));
    const whole = Buffer.concat(numbers.map(block));
    expect(digest(kept.subarray(first))).toBe(digest(whole.subarray(0, kept.length - first)));
    expect(numbers).toEqual(numbers.map((_, n) => (numbers[0] ?? 0) + n));
  });

  it('each says how much of its output was not kept', () => {
    for (const { title, told } of kept)
      expect({ title, told: told ?? BLOCKS * MIB }).toEqual({ title, told: BLOCKS * MIB });
  });

  it('their transcripts hold at most two parts of 64 MiB', async () => {
    const sizes = new Map<string, number[]>();
    for (const name of await readdir(transcripts())) {
      const { size } = await stat(path.join(transcripts(), name));
      const title = name.replace(/\.1\.log.*$/, '');
      sizes.set(title, [...(sizes.get(title) ?? []), size]);
    }
    expect([...sizes.keys()].sort()).toEqual([...NOISY, 'endless'].sort());
    expect(Math.max(...[...sizes.values()].map((parts) => parts.length))).toBe(2);
    expect(Math.max(...[...sizes.values()].flat())).toBeLessThan(PART_BYTES + MIB);
  });
});
