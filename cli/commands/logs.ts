/** `logs`: the transcript of an attempt, made readable and sanitised, or raw, to its present end or on until the attempt ends. */

import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as sleep } from 'node:timers/promises';
import { textOfEvents, transcriptReader } from '../../src/engine/transcripts.ts';
import { failure } from '../../src/errors.ts';
import { revealLine, safeJson, sanitise } from '../../src/sanitise.ts';
import { changesReason } from '../../src/state/changes-reason.ts';
import type { AttemptRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import { earlierParts, transcriptFile } from '../../src/tasks/retention.ts';
import type { Context } from '../context.ts';
import { attemptOf, someState } from '../find.ts';
import { liveRun } from '../live-run.ts';
import type { LogsOptions } from '../options.ts';

const POLL_MS = 250;
const CHUNK_BYTES = 64 * 1024;
/** A line longer than this is shown in pieces: memory stays bounded whatever the agent writes. */
const MAX_LINE = 256 * 1024;

export async function logs(context: Context, typed: string, options: LogsOptions): Promise<number> {
  const state = someState(await context.readState(), typed);
  const attempt = attemptOf(state, typed);
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  if (options.follow) process.once('SIGINT', onSignal);
  if (options.follow && attempt.state !== 'ended' && liveRun(state) === null) {
    context.note('No run is at work: this goes on when the next `orchestrate run` takes the attempt up.');
  }
  try {
    const show = options.raw && !context.json ? null : lineWriter(context, attempt);
    const read = options.raw ? null : await transcriptReader(attempt.engine);
    for await (const chunk of transcript(state, attempt, options.follow ? stop.signal : null)) {
      const said = read === null ? chunk : Buffer.from(textOfEvents(read.read(chunk)));
      await write(context, show === null ? said : show.take(said));
    }
    if (read !== null && show !== null) await write(context, show.take(Buffer.from(textOfEvents(read.end()))));
    if (show !== null) await write(context, show.end());
    const patch = state.patch(attempt.id);
    if (patch?.state === 'changes-requested')
      context.note(revealLine(`${patch.id}: ${changesReason(patch.reason ?? '')}`));
  } finally {
    process.off('SIGINT', onSignal);
  }
  return stop.signal.aborted ? 130 : 0;
}

/** What an attempt printed up to now, as `logs` shows it: whole lines, sanitised. */
export async function* transcriptText(state: State, attempt: AttemptRecord): AsyncGenerator<string> {
  const show = lineWriter({ json: false }, attempt);
  const read = await transcriptReader(attempt.engine);
  for await (const chunk of transcript(state, attempt, null)) {
    yield show.take(read === null ? chunk : Buffer.from(textOfEvents(read.read(chunk))));
  }
  if (read !== null) yield show.take(Buffer.from(textOfEvents(read.end())));
  yield show.end();
}

/** The bytes of the transcript; with a signal: also those to come, until the attempt has ended or the signal came. */
async function* transcript(
  state: State,
  attempt: AttemptRecord,
  following: AbortSignal | null,
): AsyncGenerator<Buffer> {
  const path = transcriptFile(state.directory, attempt.id);
  let part: Part | null = null;
  try {
    for (;;) {
      // Asked before the last read, so that what was written until the end is not missed.
      const isOver = following === null || following.aborted || hasEnded(state, attempt);
      if (part !== null) yield* rest(part.file);
      const next = await nextPart(path, part);
      if (next !== null) {
        // Nothing is written to a part any more once there is a next one.
        if (part !== null) yield* rest(part.file);
        const gone = next.n - (part?.n ?? 0) - 1;
        if (gone > 0) yield Buffer.from(`\n… ${gone} earlier parts of the transcript were not kept …\n`);
        await part?.file.close();
        part = next;
        continue;
      }
      if (isOver) break;
      await sleep(POLL_MS, undefined, { signal: following }).catch(() => {});
    }
    if (part === null && attempt.state === 'ended' && attempt.startedAt !== null) {
      throw failure('NO_TRANSCRIPT', `the transcript of ${attempt.id} is gone`, {
        hint: '`orchestrate cleanup` removes old ones',
      });
    }
  } finally {
    await part?.file.close();
  }
}

interface Part {
  readonly file: FileHandle;
  /** Its number, from 1. */
  readonly n: number;
}

/** The part that comes after another one (null: the first that is there), where there is one by now. */
async function nextPart(path: string, after: Part | null): Promise<Part | null> {
  for (;;) {
    const earlier = await earlierParts(path);
    const newest = (earlier.at(-1) ?? 0) + 1;
    const n = earlier.find((each) => each > (after?.n ?? 0)) ?? newest;
    const file = await openIfThere(n === newest ? path : `${path}.${n}`);
    // Where another part was begun between the two looks, it is not certain which one was opened.
    if ((await earlierParts(path)).at(-1) === earlier.at(-1)) {
      if (file === null) return null;
      if (n !== after?.n || (await file.stat()).ino !== (await after.file.stat()).ino) return { file, n };
      await file.close();
      return null;
    }
    await file?.close();
  }
}

async function* rest(file: FileHandle): AsyncGenerator<Buffer> {
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

function hasEnded(state: State, attempt: AttemptRecord): boolean {
  return state.attemptsOf(attempt.task).find((each) => each.id === attempt.id)?.state === 'ended';
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Cuts bytes into lines and makes each fit to be shown, or an event. Escape sequences never reach across lines. */
function lineWriter(
  context: Pick<Context, 'json'>,
  attempt: AttemptRecord,
): { take(chunk: Buffer): string; end(): string } {
  const decoder = new StringDecoder('utf8');
  let unfinished = '';
  const show = (line: string): string =>
    context.json
      ? `${safeJson({ type: 'agent.output', task: attempt.task, attempt: attempt.id, text: line })}\n`
      : `${sanitise(line)}\n`;
  return {
    take(chunk) {
      const lines = (unfinished + decoder.write(chunk)).split('\n');
      unfinished = lines.pop() ?? '';
      if (unfinished.length > MAX_LINE) {
        lines.push(unfinished);
        unfinished = '';
      }
      return lines.map(show).join('');
    },
    end() {
      const last = unfinished + decoder.end();
      return last === '' ? '' : show(last);
    },
  };
}

async function write(context: Context, data: string | Buffer): Promise<void> {
  if (data.length > 0 && !context.out.write(data)) await once(context.out, 'drain');
}
