/** What the real CLIs printed in a sandbox, read by their engines. */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { AgentEvent, AgentSession, Assignment, Engine, EngineVerdict } from '../../src/engine/engine.ts';
import type { OutputChunk } from '../../src/sandbox/sandbox.ts';
import type { TaskId } from '../../src/types.ts';

const FOLDER = path.resolve(import.meta.dirname, '../fixtures/clis');

export const ACCESS = { url: 'http://127.0.0.1:47821', token: 'sk-test-attempt' };
export const ASSIGNMENT: Assignment = {
  task: 'add-a-file' as TaskId,
  attempt: 1,
  role: 'test-engineer',
  title: 'Add a file',
  description: 'Add a file.',
};

export interface Reading {
  readonly events: readonly AgentEvent[];
  readonly verdict: EngineVerdict;
}

export function sessionOf(engine: Engine, specialist?: Assignment['specialist']): AgentSession {
  return engine.begin({ ...ASSIGNMENT, specialist }, ACCESS);
}

/** Reads a recorded transcript, cut into pieces that keep no line whole. */
export async function readRecorded(engine: Engine, name: string, exitCode: number): Promise<Reading> {
  return readText(engine, await readFile(path.join(FOLDER, `${name}.jsonl`), 'utf8'), exitCode);
}

export function readText(
  engine: Engine,
  text: string,
  exitCode: number,
  stream: OutputChunk['stream'] = 'stdout',
): Reading {
  const session = sessionOf(engine);
  const bytes = Buffer.from(text);
  const events: AgentEvent[] = [];
  for (let at = 0; at < bytes.length; at += 50) {
    events.push(...session.read({ stream, data: bytes.subarray(at, at + 50) }));
  }
  return { events, verdict: session.verdict(exitCode) };
}

/** What people see of it. */
export function shownOf({ events }: Reading): readonly AgentEvent[] {
  return events.filter(({ type }) => type !== 'result');
}

export function resultsOf({ events }: Reading): readonly AgentEvent[] {
  return events.filter(({ type }) => type === 'result');
}

export function textOf({ events }: Reading, stream: OutputChunk['stream']): string {
  return events.map((event) => (event.type === 'text' && event.stream === stream ? event.text : '')).join('');
}
