/** An agent's thinking: read off its output where its program thinks by itself, done on this side where it does not. */

import { mkdir } from 'node:fs/promises';
import type { AgentEvent } from '../engine/engine.ts';
import { OrchestrateError } from '../errors.ts';
import type { OutputChunk } from '../sandbox/sandbox.ts';
import type { AttemptRecord } from '../state/records.ts';
import type { AttemptContext, StartedAttempt } from './attempt-parts.ts';
import type { Thought } from './conclude.ts';
import { earlierAttempt } from './earlier.ts';
import type { IdleWatch } from './idle.ts';
import { conversationFolder, transcriptFile } from './retention.ts';
import type { Talk } from './talk.ts';
import { EventTranscript, followOutput, type Keeping } from './transcript.ts';

/** Where the thinking is done on this side, there is nothing to follow: the transcript is written with it. */
export async function followAgent(
  context: AttemptContext,
  started: StartedAttempt,
  { talk, idle }: { readonly talk: Talk; readonly idle: IdleWatch },
): Promise<void> {
  const { attempt, agent, running } = started;
  if (agent.session.drive !== undefined) return;
  const file = transcriptFile(context.repository.stateDir, attempt.id);
  const onChunk = (chunk: OutputChunk): void => {
    const events = agent.session.read(chunk);
    // What an engine does not count as an event (it waits for the model again) is no sign of work.
    if (events.length > 0) idle.active();
    for (const event of events) talk.tell(event);
  };
  await followOutput(file, running, onChunk, keepingOf(context, attempt));
}

/** Where the thinking is done on this side: does it, and ends the sandbox with it. Null where the program thinks by itself. */
export async function drive(
  context: AttemptContext,
  { attempt, agent, running }: StartedAttempt,
  { signal, tell }: { readonly signal: AbortSignal; tell(event: AgentEvent): void },
): Promise<Thought | null> {
  const { gateway, repository } = context;
  const { session } = agent;
  if (session.drive === undefined || gateway === null) return null;
  const transcript = new EventTranscript(transcriptFile(repository.stateDir, attempt.id), keepingOf(context, attempt));
  const folder = conversationFolder(repository.stateDir, attempt.id);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const verdict = await session.drive({
      toolbox: gateway.toolboxOf(attempt.id, signal),
      fetch: gateway.fetchAs(attempt.id),
      folder,
      earlierFolder:
        agent.earlier === undefined
          ? null
          : conversationFolder(repository.stateDir, earlierAttempt(attempt.task, agent.earlier)),
      signal,
      emit: (event) => {
        transcript.write(event);
        tell(event);
      },
    });
    return { verdict, fault: null };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (signal.aborted)
      return { verdict: { done: false, reason: 'the sandbox ended before the agent was done' }, fault: null };
    return { verdict: { done: false, reason }, fault: error instanceof OrchestrateError ? error : null };
  } finally {
    running.stop().catch(() => {});
    await transcript.end();
  }
}

function keepingOf({ room, emit }: AttemptContext, { id, task }: AttemptRecord): Keeping {
  return {
    hasRoom: (written) => room.takesTranscript(written),
    onCut: (message) => emit({ type: 'warning', task, attempt: id, message }),
  };
}
