/** What checks print, in the state's folder: where it is, how it is read again, and when it goes. */

import { open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const FOLDER = 'checks';
const NAME = /^.+\.log(?:\.\d+)?$/;
/** Kept as long as transcripts are. */
const LOG_AGE_MS = 30 * 24 * 3_600_000;
/** Of all of them together: the ones that were written to longest ago go beyond this. */
const LOGS_BYTES = 1024 ** 3;
/** A tail is looked for in so much of the end. */
const TAIL_BYTES = 64 * 1024;

/** Name within the state's folder, as a CheckRecord has it. */
export function checkLogName(id: string): string {
  return `${FOLDER}/${id}.log`;
}

/** The last lines of a check's output, as the check wrote them; empty where it is gone. */
export async function lastLines(stateDir: string, log: string, most: number): Promise<string[]> {
  const file = await open(join(stateDir, log)).catch(() => null);
  if (file === null) return [];
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, TAIL_BYTES)), 0, undefined, from);
    const lines = buffer.subarray(0, bytesRead).toString('utf8').trimEnd().split(/\r?\n/);
    return lines.filter((line, at) => at > 0 || line !== '').slice(-most);
  } finally {
    await file.close();
  }
}

interface LogFile {
  /** Within the state's folder. */
  readonly name: string;
  readonly lastMs: number;
  readonly bytes: number;
}

/** Names within the state's folder of the files that nothing was written to after `before`; sorted. */
export async function oldCheckLogs(stateDir: string, before: Date): Promise<string[]> {
  const files = await logsIn(stateDir);
  return files.filter(({ lastMs }) => lastMs <= before.getTime()).map(({ name }) => name);
}

export async function removeCheckLogs(stateDir: string, names: readonly string[]): Promise<void> {
  for (const name of names) await rm(join(stateDir, name), { force: true });
}

/** For the end of a run: drops what is old, or too much. What cannot be removed stays. Returns what went. */
export async function retainCheckLogs(stateDir: string, now: Date, maxBytes: number = LOGS_BYTES): Promise<string[]> {
  let bytes = 0;
  const newestFirst = (await logsIn(stateDir)).sort((a, b) => b.lastMs - a.lastMs);
  const old = newestFirst.filter((file) => {
    bytes += file.bytes;
    return bytes > maxBytes || file.lastMs <= now.getTime() - LOG_AGE_MS;
  });
  const names = old.map(({ name }) => name).sort();
  await removeCheckLogs(stateDir, names).catch(() => undefined);
  return names;
}

async function logsIn(stateDir: string): Promise<LogFile[]> {
  const names = await readdir(join(stateDir, FOLDER)).catch(() => []);
  const files: LogFile[] = [];
  for (const file of names.filter((each) => NAME.test(each)).sort()) {
    const name = `${FOLDER}/${file}`;
    const found = await stat(join(stateDir, name)).catch(() => null);
    if (found !== null) files.push({ name, lastMs: found.mtimeMs, bytes: found.size });
  }
  return files;
}
