/** What people want changed of patches: kept as the reason of the patch, and told on the timeline of its task. */

import { next, PATCH_MACHINE } from '../tasks/machine.ts';
import type { AttemptId, AttemptOutcome, PatchState, RunId, TaskId } from '../types.ts';
import { changesReason } from './changes-reason.ts';
import type { Database } from './database.ts';
import type { ChangeRequest } from './records.ts';
import { moveTask, retryTask } from './tasks.ts';
import { appendEvent } from './timeline.ts';

interface Asked {
  readonly task: TaskId;
  readonly state: PatchState;
  readonly run: RunId;
}

export function requestChanges(database: Database, id: AttemptId, message: string): boolean {
  return database.transaction(() => {
    const sql = 'SELECT patches.task, patches.state, run FROM patches JOIN attempts USING (id) WHERE id = ?';
    const asked = database.get<Asked>(sql, id);
    if (asked === null) return false;
    const { task, state, run } = asked;
    const isAgain = state === 'changes-requested';
    if (!isAgain && next(PATCH_MACHINE, state, 'changes-requested') === null) return false;
    if (!retryTask(database, task, id, changesReason(message))) return false;
    const change = "UPDATE patches SET state = 'changes-requested', reason = ?, decidedBy = 'person' WHERE id = ?";
    database.run(change, message, id);
    // No run need be at work: the one that made the patch stands for it.
    appendEvent(database, { at: new Date().toISOString(), type: 'changes.requested', task, attempt: id, message }, run);
    return true;
  });
}

/**
 * A patch was decided after all: its task does not wait for the changes any more, and is as done as its result. Where it is
 * at work already, it goes on. Call it within a transaction.
 */
export function withdrawRequest(database: Database, patch: AttemptId): void {
  const sql = `SELECT tasks.id, outcome FROM tasks JOIN attempts ON attempts.id = startFrom AND attempts.task = tasks.id
    WHERE startFrom = ? AND tasks.state IN ('queued', 'blocked')`;
  const waiting = database.get<{ id: TaskId; outcome: AttemptOutcome }>(sql, patch);
  if (waiting === null) return;
  const { id, outcome } = waiting;
  if (outcome === 'succeeded') moveTask(database, id, 'succeeded', null);
  else moveTask(database, id, 'cancelled', 'the request for changes was withdrawn');
  database.run('UPDATE tasks SET startFrom = NULL WHERE id = ?', id);
}

export function changeRequests(database: Database, patch: AttemptId): ChangeRequest[] {
  const sql = `SELECT patches.id AS patch, coalesce(patches.reason, '') AS message
    FROM attempts AS this JOIN attempts ON attempts.task = this.task AND attempts.n <= this.n
      JOIN patches ON patches.id = attempts.id
    WHERE this.id = ? AND patches.state = 'changes-requested' ORDER BY attempts.n`;
  return database.all<ChangeRequest>(sql, patch);
}
