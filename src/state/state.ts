/**
 * The state of a repository: tasks, runs, attempts, patches and the timeline, in one SQLite file. Each change is one
 * transaction, on disk when the call returns. The command line and a running coordinator use it at the same time.
 */

import { accessSync, chmodSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { OrchestrateEvent, Readiness } from '../events.ts';
import type {
  AttemptId,
  NoteKind,
  ObjectId,
  PatchState,
  RequestKind,
  RunId,
  Spent,
  StopCause,
  TaskId,
  TaskState,
  Usage,
} from '../types.ts';
import * as attempts from './attempts.ts';
import { changeRequests, requestChanges } from './change-requests.ts';
import { addChecks, approveChecked } from './checks.ts';
import { Database, explained } from './database.ts';
import { createPrivate } from './exclusive.ts';
import * as forecasts from './forecasts.ts';
import { attemptsOn, type ChangedFoundation, directFoundations, foundationsOf, outdatedBy } from './foundations.ts';
import { type History, historySince, newestRun, type Standstill, standstillOf } from './history.ts';
import * as merges from './merges.ts';
import { migrate, newerState, olderState, versionOf } from './migrate.ts';
import * as notes from './notes.ts';
import * as patches from './patches.ts';
import * as plans from './plans.ts';
import { heldBack } from './queue.ts';
import type {
  AttemptEnd,
  AttemptRecord,
  ChangeRequest,
  CheckRecord,
  NewNote,
  NewTask,
  NoteRecord,
  PatchRecord,
  PlanMessage,
  PlanRecord,
  PlanSummary,
  RelevantNote,
  RunRecord,
  TaskRecord,
  TaskSummary,
} from './records.ts';
import { addRequest, type Request, takeRequests } from './requests.ts';
import { resolutionsOf, resolvedBy } from './resolutions.ts';
import { resolvePatch, resolveTask, unknownTask } from './resolve.ts';
import * as restacking from './restacking.ts';
import * as runs from './runs.ts';
import * as tasks from './tasks.ts';
import * as timeline from './timeline.ts';

const FILE = 'state.db';

/**
 * Opens the state in `directory`, which is created (0700, files 0600) where it does not exist, and brings it up to date.
 * Errors (environment): STATE_NEWER made by a newer version; STATE_IN_USE it needs to be brought up to date while a
 * coordinator of an older version works; STATE_READ_ONLY, STATE_UNREADABLE, STATE_DISK_FULL, STATE_BUSY.
 */
export function openState(directory: string): State {
  const file = join(directory, FILE);
  explained(file, () => {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    if ((statSync(directory).mode & 0o077) !== 0) chmodSync(directory, 0o700);
    createPrivate(file);
    accessSync(file, constants.R_OK | constants.W_OK);
  });
  const database = new Database(file, 'write');
  try {
    explained(file, () => migrate(database));
    return new State(directory, database);
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Opens the state in `directory` to look at it; null where there is none yet. Nothing is created or brought up to date.
 * Errors (environment): STATE_NEWER, STATE_OLDER, STATE_READ_ONLY, STATE_UNREADABLE.
 */
export function openStateForReading(directory: string): State | null {
  const file = join(directory, FILE);
  if (!existsSync(file)) return null;
  const database = new Database(file, 'read');
  try {
    const version = versionOf(database);
    if (version === 'newer') throw newerState();
    if (version === 'older') throw olderState();
    if (version === 'current') return new State(directory, database);
  } catch (error) {
    database.close();
    throw error;
  }
  database.close();
  return null;
}

export class State {
  readonly #database: Database;

  /** For openState and openStateForReading. */
  constructor(
    readonly directory: string,
    database: Database,
  ) {
    this.#database = database;
  }

  /** 12 hexadecimal digits, random, made once: the label of this repository's Docker objects. */
  get installation(): string {
    const sql = "SELECT value FROM meta WHERE key = 'installation'";
    return this.#database.get<{ value: string }>(sql)?.value ?? '';
  }

  /** 64 hexadecimal digits, random, made once and never shown: what the tokens of sandboxes are derived from. */
  secret(): string {
    this.#database.run("INSERT OR IGNORE INTO meta (key, value) VALUES ('secret', lower(hex(randomblob(32))))");
    return this.#database.get<{ value: string }>("SELECT value FROM meta WHERE key = 'secret'")?.value ?? '';
  }

  close(): void {
    this.#database.close();
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

  /** All, in the order of adding. */
  tasks(): TaskRecord[] {
    return tasks.allTasks(this.#database);
  }

  /** All, in the order of adding, without their descriptions: quick with 10,000 tasks. */
  summaries(): TaskSummary[] {
    return tasks.taskSummaries(this.#database);
  }

  /** Throws UNKNOWN_TASK (usage). */
  task(id: TaskId): TaskRecord {
    const task = tasks.findTask(this.#database, id);
    if (task === null) throw unknownTask(id);
    return task;
  }

  /** The task with exactly this id, else the only one whose id starts so. Errors (usage): UNKNOWN_TASK, AMBIGUOUS_ID. */
  resolveTask(idOrPrefix: string): TaskId {
    return resolveTask(this.#database, idOrPrefix);
  }

  counts(only?: readonly TaskId[]): Record<TaskState, number> {
    return tasks.countTasks(this.#database, only);
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

  /** The one that was changed last in front. */
  plans(): PlanSummary[] {
    return plans.planSummaries(this.#database);
  }

  /** Throws UNKNOWN_PLAN (usage). */
  plan(id: string): PlanRecord {
    const plan = plans.findPlan(this.#database, id);
    if (plan === null) throw plans.unknownPlan(id);
    return plan;
  }

  /** The plan with exactly this id, else the only one whose id starts so. Errors (usage): UNKNOWN_PLAN, AMBIGUOUS_ID. */
  resolvePlan(idOrPrefix: string): string {
    return plans.resolvePlan(this.#database, idOrPrefix);
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

  /** In order. */
  planMessages(id: string): PlanMessage[] {
    return plans.planMessagesOf(this.#database, id);
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

  /** The newest run that did not end. It may have been cut off: whether it works is for its lock to say. */
  currentRun(): RunRecord | null {
    return runs.currentRun(this.#database);
  }

  /**
   * The newest run, where it has no end, did not come to one, and left something to be done that it had begun: whoever begins
   * the next one goes on for it. The caller holds the coordinator's lock.
   */
  cutOffRun(): RunRecord | null {
    return runs.cutOffRun(this.#database);
  }

  /** Why this run, which is at work, starts nothing just now, or nothing more; null: nothing stands in its way. */
  standstillOf(run: RunId): Standstill | null {
    return standstillOf(this.#database, run);
  }

  /** The one that began last, whether or not it ended. */
  newestRun(): RunRecord | null {
    return newestRun(this.#database);
  }

  /** What a run found before its first agent; null: it never was ready, or nobody asked it to try. */
  readinessOf(id: RunId): Readiness | null {
    return timeline.readinessOf(this.#database, id);
  }

  /** Names of the hosts that attempts ran on, each once. */
  attemptHosts(): readonly string[] {
    return attempts.attemptHosts(this.#database);
  }

  /** What all attempts of a run used, and of the runs that it goes on for; `usd` is null where no price was known. */
  usageOfRun(id: RunId): Usage {
    return runs.usageOfRun(this.#database, id);
  }

  /**
   * What counts against the budget of a run that goes on for this one: what is known to be spent by it and by those that it
   * goes on for, and what ended attempts of theirs may have cost beside. `unsettled` of the others is on their own records.
   */
  spentByRun(id: RunId): Spent {
    return runs.spentByRun(this.#database, id);
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

  /** In their order. */
  attemptsOf(task: TaskId): AttemptRecord[] {
    return attempts.attemptsOf(this.#database, task);
  }

  /** Faults of the newest attempts at a task that were lost in a row, the newest first; empty: the last one was not. */
  lossesOf(task: TaskId): (string | null)[] {
    return attempts.lossesOf(this.#database, task);
  }

  /** Attempts on a host that ended since then with this fault. */
  lostWith(fault: string, on: { readonly host: string; readonly since: Date }): AttemptRecord[] {
    return attempts.lostWith(this.#database, fault, on);
  }

  /** What such an attempt had done after all. False where that is known already. */
  salvageLate(patch: NonNullable<AttemptEnd['patch']>): boolean {
    return patches.salvageLate(this.#database, patch);
  }

  /** In the order of claiming. */
  unendedAttempts(): AttemptRecord[] {
    return attempts.unendedAttempts(this.#database);
  }

  /** The newest attempt of each task that had one. */
  newestAttempts(): ReadonlyMap<TaskId, AttemptRecord> {
    return attempts.newestAttempts(this.#database);
  }

  /** What all attempts of each task used together; `usd` is null where no price was known. */
  usageByTask(): ReadonlyMap<TaskId, Usage> {
    return attempts.usageByTask(this.#database);
  }

  /** All, in the order of their tasks and attempts. */
  patches(): PatchRecord[] {
    return patches.allPatches(this.#database);
  }

  patch(id: AttemptId): PatchRecord | null {
    return patches.findPatch(this.#database, id);
  }

  /** Of the newest attempt that has one. */
  patchOf(task: TaskId): PatchRecord | null {
    const id = patches.newestPatch(this.#database, task);
    return id === null ? null : patches.findPatch(this.#database, id);
  }

  /**
   * The patch with exactly this id, the newest of the task with exactly this id, else the only one whose task (then
   * whose own id) starts so. Errors (usage): UNKNOWN_PATCH, AMBIGUOUS_ID.
   */
  resolvePatch(idOrPrefix: string): AttemptId {
    return resolvePatch(this.#database, idOrPrefix);
  }

  /** The patches that an attempt was to be merged from when it was claimed, in the order of merging. */
  startsFrom(attempt: AttemptId): PatchRecord[] {
    const ids = directFoundations(this.#database, attempt);
    return ids.map((id) => patches.findPatch(this.#database, id)).filter((patch) => patch !== null);
  }

  /** The patches that a patch stands on, and those that these stand on. */
  foundationsOf(patch: AttemptId): AttemptId[] {
    return foundationsOf(this.#database, patch);
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

  /** The patches that wait for a person, each with its present tree. Cheap enough to be called every second. */
  pendingTrees(): Pick<PatchRecord, 'id' | 'task' | 'tree'>[] {
    return patches.pendingTrees(this.#database);
  }

  /**
   * Why queued tasks (of `only`, where that is given) were passed over that will be started later: everything is held
   * back, or they are not to be started yet. Null: there is none.
   */
  heldBack(only?: readonly TaskId[]): string | null {
    return heldBack(this.#database, only);
  }

  /** Attempts that stand on a patch (and on those that do), and have a patch or are under way. */
  standingOn(patch: AttemptId): AttemptId[] {
    return attemptsOn(this.#database, patch);
  }

  /** The commit of the base of the run that claimed the attempt. */
  runBaseOf(attempt: AttemptId): ObjectId | null {
    return runs.baseOfAttempt(this.#database, attempt);
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

  /** What below a patch, or an attempt under way, changed since it was merged from it; null: nothing did. */
  outdatedBy(attempt: AttemptId): ChangedFoundation | null {
    return outdatedBy(this.#database, attempt);
  }

  /**
   * Whether it is stale (or changes were requested of it, and what it stands on is another result now), the newest result
   * of its task, and nothing that it stands on is rejected or stale itself.
   */
  isRestackable(patch: AttemptId): boolean {
    return restacking.isRestackable(this.#database, patch);
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

  /** What was asked to be changed of a patch, and of the earlier ones of its task, in the order of attempts. */
  changeRequests(patch: AttemptId): ChangeRequest[] {
    return changeRequests(this.#database, patch);
  }

  /** The patch whose conflict a task resolves: merged as soon as a patch of that task is. Null: it is an ordinary task. */
  resolvedBy(task: TaskId): AttemptId | null {
    return resolvedBy(this.#database, task);
  }

  /** The tasks that are to resolve the conflict of a patch, in the order of adding. */
  resolutionsOf(patch: AttemptId): TaskId[] {
    return resolutionsOf(this.#database, patch);
  }

  /** A merged patch was taken back by hand and merged anew. False when it is not merged. */
  mergedAgain(id: AttemptId, merge: patches.PatchMerge): boolean {
    return patches.mergedAgain(this.#database, id, merge);
  }

  /**
   * Writes down what is to land, before the branch moves. Null, and nothing is written, where one of the patches is no longer
   * approved, or another change than was `seen`. At most one process lands at a time (see src/merge/landing-lock.ts).
   */
  beginMerge(merge: merges.NewMerge, seen: readonly merges.SeenPatch[]): merges.OpenMerge | null {
    const seq = merges.beginMerge(this.#database, merge, seen);
    return seq === null ? null : { ...merge, seq };
  }

  /** Their ids, sorted. Cheap enough to be asked every second. */
  approvedPatches(): AttemptId[] {
    return merges.approvedPatches(this.#database);
  }

  /** Merges without an end: under way, or cut off. */
  openMerges(): merges.OpenMerge[] {
    return merges.openMerges(this.#database);
  }

  /** The merge is over; where it landed its patches are merged, all at once. */
  endMerge(merge: merges.OpenMerge, landed: boolean): void {
    merges.endMerge(this.#database, merge, landed);
  }

  /** Of each task the newest patch that may still be merged; at most so many, newest first. */
  mergeableResults(most: number): forecasts.Result[] {
    return forecasts.mergeableResults(this.#database, most);
  }

  /** `treesOf` results when they were looked at beside all others, by id. */
  lookedAt(): ReadonlyMap<AttemptId, string> {
    return forecasts.lookedAt(this.#database);
  }

  /** Says which results conflict; all that was said of those that were looked at counts no more. */
  addForecast(forecast: forecasts.Forecast): void {
    forecasts.addForecast(this.#database, forecast);
  }

  /** These have to be looked at again, once they are to be. */
  forgetForecast(ids: readonly AttemptId[]): void {
    forecasts.forget(this.#database, ids);
  }

  /** Between patches that may still be merged, and snapshots of attempts under way. Cheap: nothing is merged. */
  conflicts(): forecasts.Conflict[] {
    return forecasts.conflicts(this.#database);
  }

  /** Null where a note of that source is there already. */
  addNote(note: NewNote): NoteRecord | null {
    return notes.addNote(this.#database, note);
  }

  /** In the order of adding. */
  notes(): NoteRecord[] {
    return notes.allNotes(this.#database);
  }

  /** The note with this number; null where there is none. */
  note(id: number): NoteRecord | null {
    return notes.findNote(this.#database, id);
  }

  /** Whether a note of that source is there. */
  knowsNote(source: string): boolean {
    return notes.knowsNote(this.#database, source);
  }

  /** Number of the newest note, 0 where there is none: it rises whenever somebody leaves one. */
  newestNote(): number {
    return notes.newestNote(this.#database);
  }

  /** How many notes an attempt left; of one kind, where that is given. */
  countNotes(attempt: AttemptId, kind: NoteKind | null = null): number {
    return notes.countNotes(this.#database, attempt, kind);
  }

  /**
   * Notes of others that concern an attempt, at most so many: close ones first, newest first. Close are those of people and
   * of what its task builds on; the others are of the same plan or of the same run.
   */
  notesFor(attempt: AttemptId, most: number): RelevantNote[] {
    return notes.notesFor(this.#database, attempt, most);
  }

  /** Keeps a lifecycle event; what agents print, their tool calls and their usage are not kept here. */
  appendEvent(event: OrchestrateEvent, run: RunId): void {
    timeline.appendEvent(this.#database, event, run);
  }

  /** In the order in which they happened. */
  eventsOf(task: TaskId): OrchestrateEvent[] {
    return timeline.eventsOf(this.#database, task);
  }

  /** The timeline of a run after a place in it (0: from its beginning), in order, at most so many. Cheap where nothing is new. */
  eventsOfRun(run: RunId, after: number, most: number): timeline.PlacedEvent[] {
    return timeline.eventsOfRun(this.#database, run, after, most);
  }

  /** What happened since then (ISO 8601, UTC); of the timeline the newest `mostEvents` lines that a report tells. */
  historySince(since: string, mostEvents: number): History {
    return historySince(this.#database, since, mostEvents);
  }
}
