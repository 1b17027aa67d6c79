// Time and memory follow the size of the patch, whatever it is made of.
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { objectId } from '../../src/git/bytes.ts';
import { inspectNames } from '../../src/patch/inspect/names.ts';
import { parsePatch } from '../../src/patch/parse.ts';
import { OUTSIDE_PATCH } from '../../src/patch/parsed.ts';
import { cpuWatch } from '../support/cpu-time.ts';
import { base85Lines } from '../support/patches.ts';

const MIB = 1024 * 1024;
const ZERO = '0'.repeat(40);
const IDS = `${'1'.repeat(40)}..${'2'.repeat(40)}`;
const KEEP = { ...OUTSIDE_PATCH, maxFiles: 1e7, maxHunks: 1e7, suspicious: 'keep' } as const;

const added = (content: Buffer, lines: number) => {
  const head = `diff --git a/f b/f\nnew file mode 100644\nindex ${ZERO}..${objectId('sha1', 'blob', content)}\n`;
  const body = content.toString('latin1').replaceAll(/^(?=.)/gms, '+');
  return Buffer.from(`${head}--- /dev/null\n+++ b/f\n@@ -0,0 +1,${lines} @@\n${body}`, 'latin1');
};
const line = `${'x'.repeat(48)}\n`;
const repeated = (bytes: number, piece: (n: number) => string) => {
  const pieces: string[] = [];
  for (let length = 0, n = 1; length < bytes; n += 1) length += pieces[pieces.push(piece(n)) - 1]?.length ?? 0;
  return Buffer.from(pieces.join(''), 'latin1');
};
/** Bytes that do not get shorter. */
const noise = (bytes: number) => {
  const made = Buffer.alloc(bytes);
  for (let at = 0, state = 1; at < bytes; at += 1) {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    made[at] = state >> 16;
  }
  return made;
};
const binary = (bytes: number) => {
  const content = noise(bytes * 0.8);
  const id = objectId('sha1', 'blob', content);
  const literal = `literal ${content.length}\n${base85Lines(deflateSync(content, { level: 0 }))}\n`;
  return Buffer.from(
    `diff --git a/f b/f\nnew file mode 100644\nindex ${ZERO}..${id}\nGIT binary patch\n${literal}literal 0\nHcmV?d00001\n\n`,
  );
};

interface Shape {
  readonly name: string;
  /** Bytes. */
  readonly largest: number;
  /** A patch of about so many bytes. */
  make(bytes: number): Buffer;
}

const SHAPES: readonly Shape[] = [
  {
    name: 'one long file',
    largest: 50 * MIB,
    make: (bytes) => added(Buffer.from(line.repeat(bytes / 50)), Math.floor(bytes / 50)),
  },
  { name: 'one long line', largest: 50 * MIB, make: (bytes) => added(Buffer.from(`${'x'.repeat(bytes)}\n`), 1) },
  { name: 'short lines', largest: 20 * MIB, make: (bytes) => added(Buffer.alloc(bytes / 2, 'x\n'), bytes / 4) },
  {
    name: 'many hunks',
    largest: 20 * MIB,
    make: (bytes) =>
      Buffer.concat([
        Buffer.from(`diff --git a/f b/f\nindex ${IDS} 100644\n--- a/f\n+++ b/f\n`),
        repeated(bytes, (n) => `@@ -${n} +${n} @@\n-a\n+b\n`),
      ]),
  },
  {
    name: 'many files',
    largest: 10 * MIB,
    make: (bytes) => repeated(bytes, (n) => `diff --git a/${n} b/${n}\nold mode 100644\nnew mode 100755\n`),
  },
  {
    name: 'deep paths',
    largest: 10 * MIB,
    make: (bytes) =>
      repeated(bytes, (n) => {
        const path = `${'d/'.repeat(1000)}${n}`;
        return `diff --git a/${path} b/${path}\nold mode 100644\nnew mode 100755\n`;
      }),
  },
  {
    name: 'quoted paths',
    largest: 10 * MIB,
    make: (bytes) =>
      repeated(
        bytes,
        (n) => `diff --git "a/\\303\\234\\t${n}" "b/\\303\\234\\t${n}"\nold mode 100644\nnew mode 100755\n`,
      ),
  },
  { name: 'binary content', largest: 20 * MIB, make: binary },
];

/** Milliseconds of CPU time, the best of three tries. The first below `enough` is enough. */
function cost(patch: Buffer, enough = 0): number {
  let best = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 3 && best >= enough; tries += 1) {
    const used = cpuWatch();
    inspectNames(parsePatch(patch, KEEP));
    best = Math.min(best, used());
  }
  return best;
}

describe('ten times the patch takes ten times as long:', () => {
  it.each(SHAPES)('$name', { timeout: 120_000 }, ({ make, largest }) => {
    // Quadratic would be a hundred times.
    const most = 50 * cost(make(largest / 10));
    expect(cost(make(largest), most)).toBeLessThan(most);
  });

  it('a patch of 50 MiB is held as offsets, not as lines', { timeout: 60_000 }, () => {
    const patch = SHAPES[0]?.make(50 * MIB) ?? Buffer.alloc(0);
    const parsed = parsePatch(patch, KEEP);
    expect(parsed.bytes).toBe(patch);
    expect(parsed.files).toHaveLength(1);
    expect(JSON.stringify(parsed.files).length).toBeLessThan(1000);
  });
});
