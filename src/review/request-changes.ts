/** A person wants a patch changed: a new attempt goes on with it and gets the person's words. */

import { type OrchestrateError, usageError } from '../errors.ts';
import { revealLine } from '../sanitise.ts';
import type { PatchRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import { next, PATCH_MACHINE } from '../tasks/machine.ts';
import type { AttemptId, PatchState } from '../types.ts';

/** Of a message, in bytes: it stands in the prompt of every later attempt. */
export const MESSAGE_LIMIT = 64 * 1024;

/**
 * See State.requestChanges; a run that is at work takes the task up at once.
 * Errors (usage): BAD_MESSAGE, PATCH_STATE, NOT_ENDED.
 */
export function requestChanges(state: State, patch: PatchRecord, message: string): PatchRecord {
  checkMessage(message);
  if (!isOpen(patch.state)) throw closed(patch);
  if (!state.requestChanges(patch.id, message.trim())) throw refused(state, patch.id);
  return state.patch(patch.id) ?? patch;
}

/** @throws usage BAD_MESSAGE */
function checkMessage(message: string): void {
  if (message.trim() === '') {
    throw usageError('BAD_MESSAGE', 'the message is empty', { hint: 'say what is to be changed: --message "…"' });
  }
  if (Buffer.byteLength(message) > MESSAGE_LIMIT) {
    throw usageError('BAD_MESSAGE', `the message is larger than ${MESSAGE_LIMIT / 1024} KiB`, {
      hint: 'say in short what is to be changed',
    });
  }
}

function isOpen(state: PatchState): boolean {
  return state === 'changes-requested' || next(PATCH_MACHINE, state, 'changes-requested') !== null;
}

function closed(patch: PatchRecord): OrchestrateError {
  const reason = patch.reason === null ? '' : ` (${revealLine(patch.reason)})`;
  return usageError('PATCH_STATE', `${patch.id} is ${patch.state}${reason}: no changes can be requested of it`, {
    hint: whatElse(patch),
  });
}

function whatElse({ id, task, state }: PatchRecord): string {
  if (state === 'merged') return 'queue what is to be changed as a new task: orchestrate submit "…"';
  if (state === 'rejected')
    return `start afresh with: orchestrate retry ${task}   (or first: orchestrate patch approve ${id})`;
  return `make it anew with: orchestrate retry ${task}`;
}

/** Between a look and the act things may have changed: said as they are now. */
function refused(state: State, id: AttemptId): OrchestrateError {
  const patch = state.patch(id);
  if (patch !== null && !isOpen(patch.state)) return closed(patch);
  const task = state.task(patch?.task ?? state.resolveTask(id));
  const reason = task.reason === null ? '' : ` (${revealLine(task.reason)})`;
  const isAtWork = task.state === 'running' || task.state === 'paused';
  return usageError('NOT_ENDED', `${task.id} is ${task.state}${reason}, so it is not over yet`, {
    hint: isAtWork
      ? `wait for its new result, or first: orchestrate kill ${task.id}`
      : 'see what it waits for with: orchestrate status',
  });
}
