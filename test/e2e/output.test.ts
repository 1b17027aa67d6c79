// What agents print, whatever it is, is in the transcript: in order, to the byte, and in bounded memory.

import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Scratch } from '../support/scratch.ts';

const MIB = 1024 ** 2;
/** One-byte writes, by turns to stdout and stderr. */
const TURNS = 150_000;
const LONG_LINE = 100 * MIB;
/** Python that prints; the agents' image has it. */
const PROGRAMS: Readonly<Record<string, string>> = {
  turns: `for n in range(${TURNS}): os.write(1 + n % 2, b'%d' % (n % 10) if n % 7 else b'\\n')`,
  bytes: 'for n in range(256): os.write(1, bytes((n + m) % 256 for m in range(4099)))',
  'no newline': "os.write(1, b'the end')",
  'no output': 'pass',
  'carriage returns': "for n in range(200_000): os.write(1, b'\\r%3d%%' % (n % 101))",
  'opened again': "open('/dev/stderr', 'w').write('a'); open('/dev/stdout', 'w').write('b'); os.write(1, b'c')",
  'long line': `for n in range(${LONG_LINE / MIB}): os.write(1, b'x' * ${MIB})`,
  'left open': "os.write(1, b'over'); os.spawnlp(os.P_NOWAIT, 'sleep', 'sleep', '600')",
};

const EXPECTED: Readonly<Record<string, () => Buffer>> = {
  turns: () => Buffer.from(Array.from({ length: TURNS }, (_, n) => (n % 7 === 0 ? '\n' : String(n % 10))).join('')),
  bytes: () => Buffer.from(Array.from({ length: 256 * 4099 }, (_, n) => (Math.floor(n / 4099) + (n % 4099)) % 256)),
  'no newline': () => Buffer.from('the end'),
  'no output': () => Buffer.alloc(0),
  'carriage returns': () =>
    Buffer.from(Array.from({ length: 200_000 }, (_, n) => `\r${String(n % 101).padStart(3)}%`).join('')),
  'opened again': () => Buffer.from('abc'),
  'left open': () => Buffer.from('over'),
};

/** Of the bytes of the long line alone. */
function digestOfLine(output: Buffer): string {
  const line = output.toString('latin1').replaceAll(/[^x]+/g, '');
  return createHash('sha1').update(line, 'latin1').digest('hex');
}

describe('the transcript', () => {
  let scratch: Scratch;
  let longLine: Buffer;

  beforeAll(async () => {
    scratch = await Scratch.create();
    const scripts = Object.entries(PROGRAMS).map(([title, program]) => [
      title,
      `cat > /tmp/program.py <<'END'\nimport os\n${program}\nEND\npython3 /tmp/program.py\ntouch done`,
    ]);
    await scratch.submitScripts(Object.fromEntries(scripts));
    const run = await scratch.orchestrate(['run', '--engine', 'demo', '--max-agents', '2', '--timeout', '2m']);
    expect(run.stdout + run.stderr).toContain(`${Object.keys(PROGRAMS).length} succeeded, 0 failed`);
    longLine = await raw('long line');
  });
  afterAll(() => scratch?.[Symbol.asyncDispose]());

  async function raw(title: string): Promise<Buffer> {
    return scratch.bytes(['logs', title.replaceAll(' ', '-'), '--raw']);
  }

  it.each(Object.keys(EXPECTED))('has %s to the byte', async (title) => {
    const found = await raw(title);
    const expected = EXPECTED[title]?.() ?? Buffer.alloc(0);
    // Compared by what differs first: a diff of hundreds of kilobytes helps nobody.
    const differs = found.findIndex((byte, at) => byte !== expected[at]);
    expect({ length: found.length, differs }).toEqual({ length: expected.length, differs: -1 });
  });

  it('has a line of 100 MB: the last 10 MB at least, and the number of bytes that are missing', () => {
    const found = longLine;
    const text = found.toString('latin1');
    const told = [...text.matchAll(/\n\u00e2\u0080\u00a6 (\d+) bytes of output were not kept \u00e2\u0080\u00a6\n/g)];
    const missing = told.reduce((sum, [, count]) => sum + Number(count), 0);
    const marks = told.reduce((sum, [mark]) => sum + mark.length, 0);
    expect(found.length - marks + missing).toBe(LONG_LINE);
    expect(found.subarray(-10 * MIB).every((byte) => byte === 120)).toBe(true);
  });

  it('is shown in pieces that hold no more than a line of it', async () => {
    const shown = await scratch.bytes(['logs', 'long-line']);
    expect(digestOfLine(shown)).toBe(digestOfLine(longLine));
  });
});
