import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { keepAwake } from '../../cli/keep-awake.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'orchestrate-awake-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A stand-in of the system's program; `$LOG` is a file that it may write to. */
function program(name: string, script: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

const log = () => (existsSync(join(folder, 'log')) ? readFileSync(join(folder, 'log'), 'utf8') : '');

/** Starts it with nothing but the stand-ins and the system's own small programs. */
function start(platform: NodeJS.Platform): { readonly said: string[]; readonly release: () => void } {
  const said: string[] = [];
  const env = { PATH: `${folder}:/bin:/usr/bin`, LOG: join(folder, 'log') };
  const release = keepAwake({ env, platform, pid: 4242, onAsleep: (why) => said.push(why) });
  return { said, release };
}

it('holds a lock against sleep for as long as it is wanted', async () => {
  program('systemd-inhibit', 'echo "$@" > $LOG; for last; do :; done; "$last"; echo let go >> $LOG');
  const { said, release } = start('linux');
  await expect.poll(log).toMatch(/^--what=sleep:idle --mode=block .*cat\n$/);
  release();
  await expect.poll(log).toMatch(/\nlet go\n$/);
  expect(said).toEqual([]);
});

it('ties the program of macOS to this process', async () => {
  program('caffeinate', 'echo "$@" > $LOG; cat');
  const { release } = start('darwin');
  await expect.poll(log).toBe('-i -w 4242\n');
  release();
});

it('says once why it cannot, in the words of the system', async () => {
  program('systemd-inhibit', 'echo "Failed to inhibit: Access denied" >&2; exit 1');
  const { said } = start('linux');
  await expect.poll(() => said).toEqual(['Failed to inhibit: Access denied']);
});

it('says so where there is no such program', async () => {
  const { said } = start('darwin');
  await expect.poll(() => said).toEqual(['caffeinate cannot be started']);
  expect(start('freebsd').said).toEqual(['there is no way known on freebsd']);
});
