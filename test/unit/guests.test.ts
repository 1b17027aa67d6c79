import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { liveGuests, registerGuest } from '../../src/tasks/guests.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'orchestrate-guests-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('guests', () => {
  it('are alive until they leave, and leave no trace', async () => {
    expect(liveGuests(directory)).toEqual([]);
    {
      using one = registerGuest(directory);
      using other = registerGuest(directory);
      expect(liveGuests(directory).sort()).toEqual([one.id, other.id].sort());
    }
    expect(liveGuests(directory)).toEqual([]);
    expect(await readdir(path.join(directory, 'guests'))).toEqual([]);
  });

  it('that are killed are alive no more, and what they left goes', async () => {
    const script = `const { registerGuest } = await import(${JSON.stringify(path.join(ROOT, 'src/tasks/guests.ts'))});
      console.log(registerGuest(process.argv[1]).id);
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script, directory], {
      ...{ cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] },
    });
    const [id] = await once(child.stdout, 'data');
    expect(liveGuests(directory)).toEqual([String(id).trim()]);
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(liveGuests(directory)).toEqual([]);
    expect(await readdir(path.join(directory, 'guests'))).toEqual([]);
  });
});
