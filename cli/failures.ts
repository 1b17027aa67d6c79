/** The one place where a failure becomes text, JSON and an exit code. */

import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OrchestrateError } from '../src/errors.ts';
import { reveal, safeJson } from '../src/sanitise.ts';

export /** Of faults that were not foreseen, so many logs stay, each with so many characters at most. */
const MOST_LOGS = 20;
const MOST_IN_LOG = 256 * 1024;

interface Failure {
  readonly exitCode: number;
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
}

/** Text for stderr, ending in a newline, and the exit code. An unexpected fault is written to a log first. */
export async function describeFailure(
  error: unknown,
  json: boolean,
): Promise<{ readonly text: string; readonly exitCode: number }> {
  const failure = await failureOf(error);
  const { code, message, hint } = failure;
  if (json) {
    return { text: `${safeJson({ error: { code, message, hint: hint ?? null } })}\n`, exitCode: failure.exitCode };
  }
  const lines = reveal(message).split('\n').join('\n  ');
  const advice = hint === undefined ? '' : `hint: ${reveal(hint)}\n`;
  return { text: `orchestrate: ${lines}\n${advice}`, exitCode: failure.exitCode };
}

/** Its parts. An unexpected fault is written to a log first. */
export async function failureOf(error: unknown): Promise<Failure> {
  return error instanceof OrchestrateError ? expected(error) : await unexpected(error);
}

/** The same for a log that is at hand: one that nobody expected with its trace. */
export function describeFault(error: unknown): string {
  if (!(error instanceof OrchestrateError)) return `unexpected fault: ${trace(error)}`;
  return error.hint === undefined ? error.message : `${error.message}\nhint: ${error.hint}`;
}

function expected(error: OrchestrateError): Failure {
  return { exitCode: error.exitCode, code: error.code, message: error.message, hint: error.hint };
}

async function unexpected(error: unknown): Promise<Failure> {
  const first = (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
  const log = await writeFaultLog(error);
  const hint = log === null ? 'no log could be written: is the disk full?' : `details are in ${log}`;
  return { exitCode: 1, code: 'UNEXPECTED', message: `unexpected fault: ${first || 'unknown'}`, hint };
}

/** The path of the log, in the user's state folder (XDG), or null where it could not be written. */
async function writeFaultLog(error: unknown): Promise<string | null> {
  const at = new Date().toISOString();
  const text = `${at}\nnode ${process.version} ${process.platform} ${process.arch}\n${trace(error).slice(0, MOST_IN_LOG)}\n`;
  try {
    const { default: userFolders } = await import('env-paths');
    const folder = userFolders('orchestrate', { suffix: '' }).log;
    const path = join(folder, `fault-${at.replaceAll(':', '')}-${process.pid}.log`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // First: on a full disk the oldest makes room for this one.
    dropOldLogs(folder);
    writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
    return path;
  } catch {
    return null;
  }
}

/** Their names are in the order of time. */
function dropOldLogs(folder: string): void {
  const logs = readdirSync(folder).filter((name) => /^fault-.*\.log$/.test(name));
  for (const name of logs.sort().slice(0, -(MOST_LOGS - 1))) rmSync(join(folder, name), { force: true });
}

function trace(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by: ${trace(error.cause)}`;
}
