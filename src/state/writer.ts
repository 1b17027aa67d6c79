/** What may be changed in the state of a repository, besides all that may be asked. Each change is one transaction. */

import type { OrchestrateEvent } from '../events.ts';
import type { AttemptId, ObjectId, PatchState, RequestKind, RunId, Spent, StopCause, TaskId, Usage } from '../types.ts';
import * as attempts from './attempts.ts';
import { requestChanges } from './change-requests.ts';
import { addChecks, approveChecked } from './checks.ts';
import type { Database } from './database.ts';
import * as forecasts from './forecasts.ts';
import type { ChangedFoundation } from './foundations.ts';
import * as merges from './merges.ts';
import * as notes from './notes.ts';
import * as patches from './patches.ts';
import * as plans from './plans.ts';
import { StateReader } from './reader.ts';
import type {
  AttemptEnd,
  CheckRecord,
  NewNote,
  NewTask,
  NoteRecord,
  PatchRecord,
  PlanMessage,
  PlanRecord,
  RunRecord,
  TaskRecord,
} from './records.ts';
import { addRequest, type Request, takeRequests } from './requests.ts';
import * as restacking from './restacking.ts';
import * as runs from './runs.ts';
import * as tasks from './tasks.ts';
import * as timeline from './timeline.ts';

export class State extends StateReader {
  readonly #database: Database;

  constructor(directory: string, database: Database) {
    super(directory, database);
    this.#database = database;
  }

  /** 64 hexadecimal digits, random, made once and never shown: what the tokens of sandboxes are derived from. */
  secret(): string {
    this.#database.run("INSERT OR IGNORE INTO meta (key, value) VALUES ('secret', lower(hex(randomblob(32))))");
    return this.#database.get<{ value: string }>("SELECT value FROM meta WHERE key = 'secret'")?.value ?? '';
  }

  /** What is called when the disk is full; where it says that there is more room now, a change is tried once more. */
  whenFull(makeRoom: () => boolean): void {
    this.#database.makeRoom = makeRoom;
  }

  /**
   * Adds tasks, all or none. A task whose dependencies have not all succeeded is `blocked`, else `queued`.
   * Errors (usage): UNKNOWN_TASK for a dependency that does not exist, DEPENDENCY_CYCLE, DUPLICATE_KEY.
   */
  addTasks(added: readonly NewTask[]): TaskRecord[] {
    return tasks.addTasks(this.#database, added);
  }

  /** Takes a queued or blocked task out of the queue. False when it is neither. */
  cancelTask(id: TaskId): boolean {
    return tasks.cancelTask(this.#database, id);
  }

  /**
   * Wants a task that ended (or was set aside) once more: `queued`, or `blocked` while something that it depends on has
   * not succeeded; what depends on it waits again. `from`: the task's patch that the next attempt goes on with; null:
   * the one of which changes were requested that are not made yet, or whose conflict it resolves, else it starts afresh.
   * A task that waits already only has `from` set. False when the task has not ended, or `from` is no patch of it.
   */
  retryTask(id: TaskId, how: { readonly from: AttemptId | null }): boolean {
    return tasks.retryTask(this.#database, id, how.from);
  }

  /** A new draft; its id is the slug of its goal. */
  addPlan(goal: string, first: plans.NewRevision): PlanRecord {
    return plans.addPlan(this.#database, goal, first);
  }

  /**
   * The plan is something else from now on; what could be done again cannot any more. Null, and nothing is changed, where it
   * is no longer at revision `from` (another terminal changed it) or was approved.
   */
  changePlan(id: string, from: number, next: plans.NewRevision): PlanRecord | null {
    return plans.changePlan(this.#database, id, from, next);
  }

  /** Takes the last change back (-1), or does it again (1). Null where there is none, and as `changePlan`. */
  stepPlan(id: string, from: number, by: -1 | 1): PlanRecord | null {
    return plans.stepPlan(this.#database, id, from, by);
  }

  /** Remembers what is on the screen, as JSON; null: nothing. */
  setPlanView(id: string, view: unknown): void {
    plans.setPlanView(this.#database, id, view);
  }

  addPlanMessage(id: string, message: Omit<PlanMessage, 'at'>): void {
    plans.addPlanMessage(this.#database, id, message);
  }

  /** Queues a plan's tasks, all at once, and closes it. Null as for `changePlan`. Errors as `addTasks`. */
  approvePlan(id: string, from: number, added: readonly NewTask[]): TaskRecord[] | null {
    return plans.approvePlan(this.#database, id, from, added);
  }

  /** Asks something of the run that is at work; `task` null: of all of it. Whatever no run took is void for later ones. */
  request(kind: RequestKind, task: TaskId | null): void {
    addRequest(this.#database, { kind, task });
  }

  /** What was asked of the run since the last call, in order. Cheap enough to be called several times a second. */
  takeRequests(): readonly Request[] {
    return takeRequests(this.#database);
  }

  /** Begins a run, whose fence from now on is the only one that counts. The caller holds the coordinator's lock. */
  beginRun(run: runs.NewRun): RunRecord {
    return runs.beginRun(this.#database, run);
  }

  endRun(id: RunId): void {
    runs.endRun(this.#database, id);
  }

  /**
   * Takes the next queued task (by priority, then the longest chain of work, then in the order of adding; of `place.only`
   * alone, where that is given): it is `running`, with a new attempt `creating`. Unless `place.allowOverlap`, a task that
   * touches the same files as one that is running or paused is passed over and has that as its reason.
   * Null when nothing can be taken, the run ended or a newer one has begun.
   */
  claimNext(run: RunRecord, place: attempts.AttemptPlace): attempts.Claim | null {
    return attempts.claimNext(this.#database, run, place);
  }

  /** The attempt's container runs. False when the fence is stale or the attempt is not `creating`. */
  attemptStarted(id: AttemptId, fence: number, base: { readonly tree: ObjectId; readonly commit: ObjectId }): boolean {
    return attempts.attemptStarted(this.#database, id, fence, base);
  }

  /** Attempts on `from` are on `to`, the same machine by another name; for who holds the coordinator's lock. */
  renameHost(from: string, to: string): void {
    attempts.renameHost(this.#database, from, to);
  }

  /** It was given its place there. False when the fence is stale or it has ended. */
  attemptPlaced(id: AttemptId, fence: number, host: string): boolean {
    return attempts.attemptPlaced(this.#database, id, fence, host);
  }

  /** The agent is told to end. False when the fence is stale, or it has ended or was told before. */
  attemptStopping(id: AttemptId, fence: number, cause: StopCause): boolean {
    return attempts.attemptStopping(this.#database, id, fence, cause);
  }

  /** The agent is done and its changes are being read. False when the fence is stale or the attempt is not `running`. */
  attemptCollecting(id: AttemptId, fence: number): boolean {
    return attempts.attemptCollecting(this.#database, id, fence);
  }

  /** What an attempt under way has used so far. False when the fence is stale or it has ended. */
  attemptUsage(id: AttemptId, fence: number, usage: Usage): boolean {
    return attempts.attemptUsage(this.#database, id, fence, usage);
  }

  /** What an attempt under way may have cost beside that. False as for `attemptUsage`. */
  attemptUnsettled(id: AttemptId, fence: number, spent: Spent): boolean {
    return attempts.attemptUnsettled(this.#database, id, fence, spent);
  }

  /** Its agent is held still, or goes on (reason null). False when the fence is stale or it is not running, or not paused. */
  pauseTask(id: TaskId, fence: number, reason: string | null): boolean {
    return attempts.pauseTask(this.#database, id, fence, reason);
  }

  /** What there is to say of a task whose agent works; null: nothing. False when the fence is stale or it is not running. */
  remarkTask(id: TaskId, fence: number, reason: string | null): boolean {
    return attempts.remarkTask(this.#database, id, fence, reason);
  }

  /**
   * Ends an attempt, stores its patch, moves its task and queues the tasks that waited for it alone, all at once.
   * False when the fence is stale or the attempt has ended. `end.patch` is `pending` if and only if it succeeded.
   */
  endAttempt(id: AttemptId, fence: number, end: AttemptEnd): boolean {
    return attempts.endAttempt(this.#database, id, fence, end);
  }

  /**
   * Sets a queued or running task aside with a reason; an attempt at it that is still `creating` ends as `failed` with it.
   * False when the fence is stale, an agent is at work on it (end that attempt first), or it cannot wait any more.
   */
  blockTask(id: TaskId, fence: number, reason: string): boolean {
    return attempts.blockTask(this.#database, id, fence, reason);
  }

  /** What such an attempt had done after all. False where that is known already. */
  salvageLate(patch: NonNullable<AttemptEnd['patch']>): boolean {
    return patches.salvageLate(this.#database, patch);
  }

  /**
   * Moves a patch on. False when it is in none of the states `from`, or the machine has no way from there to `to`.
   * What stands on a rejected patch is `stale`; once that is no longer rejected, it is `pending` again.
   */
  setPatchState(id: AttemptId, from: readonly PatchState[], to: PatchState, more: patches.PatchChange = {}): boolean {
    return patches.setPatchState(this.#database, id, { from, to }, more);
  }

  /** Checks were done for a patch. Those of another tree than its own are only kept. */
  addChecks(patch: AttemptId, records: readonly CheckRecord[]): void {
    addChecks(this.#database, patch, records);
  }

  /** Approves a pending patch by policy. False when it is not pending any more, or has another tree by now. */
  approveChecked(id: AttemptId, tree: ObjectId): boolean {
    return approveChecked(this.#database, id, tree);
  }

  /**
   * A patch is another tree from now on, in the state that `to` names; what the agent left stays known as its original.
   * What stands on it is stale and has to be restacked. False when it is not as it was seen, or the machine has no such way.
   */
  amendPatch(seen: PatchRecord, to: restacking.Amendment): boolean {
    return restacking.amendPatch(this.#database, seen, to);
  }

  /**
   * What stood on results of a task that were rejected, sent back or stale stands on its newest usable one from now on,
   * where that is newer, and has to be restacked. Gives the newest usable one; null: there is none.
   */
  replaceFoundations(task: TaskId): AttemptId | null {
    return restacking.replaceFoundations(this.#database, task);
  }

  /**
   * A stale patch stands on another base from now on and is pending; one with requested changes stays so. False when it is not as it was seen (`on`: as
   * `outdatedBy` said), or no longer restackable.
   */
  restackPatch(seen: PatchRecord, on: ChangedFoundation | null, to: restacking.Restacking): boolean {
    return restacking.restackPatch(this.#database, seen, on, to);
  }

  /** A stale patch cannot be restacked: its task is queued again where it had succeeded. False as for `restackPatch`. */
  redoStale(seen: PatchRecord, on: ChangedFoundation | null, reason: string): boolean {
    return restacking.redoStale(this.#database, seen, on, reason);
  }

  /**
   * A person wants a patch changed: it is `changes-requested` with the message as its reason, and its task is queued as by
   * `retryTask`, to go on with it. Asked again, the message takes the place of the one before. False, and nothing is
   * changed, when the patch's state does not allow it or its task is at work or set aside.
   */
  requestChanges(id: AttemptId, message: string): boolean {
    return requestChanges(this.#database, id, message);
  }

  /**
   * Writes down what is to land, before the branch moves. Null, and nothing is written, where one of the patches is no longer
   * approved, or another change than was `seen`. At most one process lands at a time (see src/merge/landing-lock.ts).
   */
  beginMerge(merge: merges.NewMerge, seen: readonly merges.SeenPatch[]): merges.OpenMerge | null {
    const seq = merges.beginMerge(this.#database, merge, seen);
    return seq === null ? null : { ...merge, seq };
  }

  /** The merge is over; where it landed its patches are merged, all at once. */
  endMerge(merge: merges.OpenMerge, landed: boolean): void {
    merges.endMerge(this.#database, merge, landed);
  }

  /** Says which results conflict; all that was said of those that were looked at counts no more. */
  addForecast(forecast: forecasts.Forecast): void {
    forecasts.addForecast(this.#database, forecast);
  }

  /** These have to be looked at again, once they are to be. */
  forgetForecast(ids: readonly AttemptId[]): void {
    forecasts.forget(this.#database, ids);
  }

  /** Null where a note of that source is there already. */
  addNote(note: NewNote): NoteRecord | null {
    return notes.addNote(this.#database, note);
  }

  /** Keeps a lifecycle event; what agents print, their tool calls and their usage are not kept here. */
  appendEvent(event: OrchestrateEvent, run: RunId): void {
    timeline.appendEvent(this.#database, event, run);
  }
}
