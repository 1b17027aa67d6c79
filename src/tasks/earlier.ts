/** What is known of the work that a task's next attempt goes on with. The same whenever it is asked during the attempt. */

import { open } from 'node:fs/promises';
import type { EarlierWork } from '../engine/earlier.ts';
import { textOfEvents, transcriptReader } from '../engine/transcripts.ts';
import type { State } from '../state/state.ts';
import type { AttemptId, TaskId } from '../types.ts';
import { transcriptFile } from './retention.ts';

/** Bytes at the end of a transcript that are read: events for programs are many times longer than what they tell. */
const TAIL_BYTES = 256 * 1024;

/** Undefined where it starts afresh, or from the work of another task, which its description tells of. */
export async function earlierWork(state: State, id: TaskId): Promise<EarlierWork | undefined> {
  const { startFrom } = state.task(id);
  const patch = startFrom === null ? null : state.patch(startFrom);
  const attempts = state.attemptsOf(id);
  const attempt = attempts.find((each) => each.id === patch?.id);
  if (patch === null || attempt === undefined) return undefined;
  const numbers = new Map(attempts.map((each) => [each.id, each.n]));
  return {
    attempt: attempt.n,
    requests: state
      .changeRequests(patch.id)
      .map(({ patch: of, message }) => ({ attempt: numbers.get(of) ?? attempt.n, message })),
    reason: attempt.outcome === 'succeeded' ? null : attempt.reason,
    summary: attempt.summary,
    transcript: await endOfTranscript(transcriptFile(state.directory, attempt.id), attempt.engine),
    isEdited: patch.original !== null,
  };
}

/** The patch that `earlierWork` tells of. */
export function earlierAttempt(task: TaskId, { attempt }: EarlierWork): AttemptId {
  return `${task}.${attempt}` as AttemptId;
}

/** Null where nothing of it is left, or nothing was printed. */
async function endOfTranscript(path: string, engine: string): Promise<string | null> {
  const bytes = await lastBytes(path).catch(() => Buffer.alloc(0));
  const reader = await transcriptReader(engine);
  const text = reader === null ? bytes.toString('utf8') : textOfEvents([...reader.read(bytes), ...reader.end()]);
  return text.trim() === '' ? null : text;
}

/** From the beginning of a line. */
async function lastBytes(path: string): Promise<Buffer> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const from = Math.max(0, size - TAIL_BYTES);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
  const bytes = buffer.subarray(0, bytesRead);
  return from === 0 ? bytes : bytes.subarray(bytes.indexOf(0x0a) + 1);
}
