// Transcripts are bounded, and none is worth a run: what cannot be written is left out, which is said once.
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EventTranscript, followOutput, type Keeping } from '../../src/tasks/transcript.ts';

const MIB = 1024 ** 2;

let folder: string;
let name: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'transcript-'));
  name = path.join(folder, 'transcripts', 'a.1.log');
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(folder, { recursive: true, force: true });
});

class Told implements Keeping {
  room = true;
  readonly messages: string[] = [];
  hasRoom(): boolean {
    return this.room;
  }
  onCut(message: string): void {
    this.messages.push(message);
  }
}

/** An agent that writes these; each is asked for when the one before is done with. */
function agent(pieces: Iterable<string> | AsyncIterable<string>) {
  return {
    async *output() {
      for await (const piece of pieces) yield { stream: 'stdout' as const, data: Buffer.from(piece) };
    },
  };
}

async function follow(pieces: Iterable<string> | AsyncIterable<string>, keeping: Keeping): Promise<string> {
  let heard = '';
  await followOutput(name, agent(pieces), ({ data }) => (heard += data), keeping);
  return heard;
}

describe('of an agent that writes without end', () => {
  const line = `${'x'.repeat(MIB - 1)}\n`;

  async function sizes(): Promise<number[]> {
    const files = await readdir(path.dirname(name));
    return Promise.all(files.map(async (file) => (await stat(path.join(path.dirname(name), file))).size));
  }

  it('the last two parts are kept', async () => {
    await follow(
      (function* () {
        for (let n = 0; n < 140; n += 1) yield line;
      })(),
      new Told(),
    );
    expect((await readdir(path.dirname(name))).sort()).toEqual(['a.1.log', 'a.1.log.2']);
    expect(Math.max(...(await sizes()))).toBeLessThanOrEqual(66 * MIB);
  });

  it('the same goes for one that thinks on this side, and for a coordinator that goes on', async () => {
    for (let time = 0; time < 2; time += 1) {
      const transcript = new EventTranscript(name, new Told());
      for (let n = 0; n < 70; n += 1) transcript.write({ type: 'text', stream: 'stdout', text: line });
      await transcript.end();
    }
    expect(await readdir(path.dirname(name))).toHaveLength(2);
    expect(Math.max(...(await sizes()))).toBeLessThanOrEqual(66 * MIB);
  });
});

describe('where nothing can be written', () => {
  it('an agent that thinks on this side goes on, and it is said once', async () => {
    await mkdir(path.dirname(name));
    await symlink('/dev/full', name);
    const told = new Told();
    const transcript = new EventTranscript(name, told);
    for (let n = 0; n < 3; n += 1) {
      transcript.write({ type: 'text', stream: 'stdout', text: 'x'.repeat(MIB) });
    }
    await transcript.end();
    expect(told.messages).toEqual([expect.stringContaining('ENOSPC')]);
  });

  it('what an agent prints is heard all the same', async () => {
    await mkdir(name, { recursive: true });
    const told = new Told();
    expect(await follow(['one\n', 'two\n'], told)).toBe('one\ntwo\n');
    expect(told.messages).toHaveLength(1);
  });
});

it('a transcript for which there is no room for a while goes on later, and says what it lacks', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const told = new Told();
  const heard = await follow(
    (async function* () {
      yield 'before\n';
      told.room = false;
      yield 'lost\n';
      yield 'lost as well\n';
      told.room = true;
      vi.advanceTimersByTime(10_000);
      yield 'after\n';
    })(),
    told,
  );
  expect(heard).toBe('before\nlost\nlost as well\nafter\n');
  expect(await readFile(name, 'utf8')).toBe('before\n\n[… 18 bytes were not kept …]\nafter\n');
  expect(told.messages).toHaveLength(1);
});
