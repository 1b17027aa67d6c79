import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acquireLock, type Holder, lockHolder } from '../../src/tasks/lock.ts';

let directory: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'orchestrate-lock-'));
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    const running = child.exitCode === null && child.signalCode === null;
    if (running && child.kill('SIGKILL')) await once(child, 'exit');
  }
  rmSync(directory, { recursive: true });
});

const ME: Holder = { pid: process.pid, startedAt: '2026-01-02T03:04:05.000Z', command: 'orchestrate run' };

/** Says `ready`, tries the lock when told to on stdin, says what came of it; a winner stays until stdin ends. */
const PROGRAM = `
const { acquireLock } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/tasks/lock.ts'))});
console.log('ready');
process.stdin.once('data', () => {
  const lock = acquireLock(process.argv[1], { pid: process.pid, startedAt: new Date().toISOString(), command: 'child' });
  console.log(JSON.stringify('heldBy' in lock ? { pid: process.pid, heldBy: lock.heldBy } : { pid: process.pid }));
  if ('heldBy' in lock) process.exit();
  process.stdin.on('end', () => process.exit()).resume();
});
`;

interface Contender {
  readonly child: ChildProcess;
  /** Resolves with what came of trying. */
  go(): Promise<{ pid: number; heldBy?: Holder }>;
}

async function contender(): Promise<Contender> {
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', PROGRAM, directory], {
    cwd: join(import.meta.dirname, '../..'),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const { stdin, stdout } = child;
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe('ready');
  return {
    child,
    async go() {
      stdin.write('go\n');
      return JSON.parse((await lines.next()).value ?? 'null');
    },
  };
}

describe('acquireLock', () => {
  it('names the holder to another process, readable by the owner alone', async () => {
    const lock = acquireLock(directory, ME);
    expect(lock).not.toHaveProperty('heldBy');
    const other = await contender();
    expect((await other.go()).heldBy).toEqual(ME);
    for (const file of ['lock.db', 'lock.json']) expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600);
    if ('release' in lock) lock.release();
  });

  it('is refused a second time within the process too, and the first stays good', async () => {
    const lock = acquireLock(directory, ME);
    expect(acquireLock(directory, { ...ME, command: 'again' })).toEqual({ heldBy: ME });
    expect((await (await contender()).go()).heldBy).toEqual(ME);
    if ('release' in lock) lock.release();
  });

  it('can be taken again after it was released', () => {
    for (const command of ['first', 'second']) {
      const lock = acquireLock(directory, { ...ME, command });
      expect(lockHolder(directory)).toEqual({ ...ME, command });
      if ('heldBy' in lock) throw new Error('held');
      lock.release();
      lock.release();
      expect(lockHolder(directory)).toBeNull();
    }
  });

  it('is freed by kill -9, and the dead holder is not named', async () => {
    const other = await contender();
    const { pid } = await other.go();
    expect(acquireLock(directory, ME)).toMatchObject({ heldBy: { pid } });
    other.child.kill('SIGKILL');
    await once(other.child, 'exit');
    expect(lockHolder(directory)).toBeNull();
    const lock = acquireLock(directory, ME);
    expect(lock).not.toHaveProperty('heldBy');
    expect(lockHolder(directory)).toEqual(ME);
    if ('release' in lock) lock.release();
  });

  it('is held while the holder is stopped', async () => {
    const other = await contender();
    const { pid } = await other.go();
    other.child.kill('SIGSTOP');
    expect(acquireLock(directory, ME)).toMatchObject({ heldBy: { pid } });
  });

  it('goes to exactly one of 20 processes, and the others know to which', { timeout: 120_000 }, async () => {
    // What a killed coordinator leaves must not be taken for the winner.
    const gone = spawn(process.execPath, ['-e', '']);
    await once(gone, 'exit');
    writeFileSync(join(directory, 'lock.json'), JSON.stringify({ ...ME, pid: gone.pid }));
    const all = await Promise.all(Array.from({ length: 20 }, contender));
    const results = await Promise.all(all.map((one) => one.go()));
    const winners = results.filter((result) => result.heldBy === undefined);
    expect(winners).toHaveLength(1);
    const losers = results.filter((result) => result.heldBy !== undefined);
    expect(new Set(losers.map((result) => result.heldBy?.pid))).toEqual(new Set([winners[0]?.pid]));
  });
});
