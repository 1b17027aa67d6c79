/** What may be asked of the state of a repository. Nothing here changes it. */

import type { OrchestrateEvent, Readiness } from '../events.ts';
import type { AttemptId, NoteKind, ObjectId, RunId, Spent, TaskId, TaskState, Usage } from '../types.ts';
import * as attempts from './attempts.ts';
import { changeRequests } from './change-requests.ts';
import type { Database } from './database.ts';
import * as forecasts from './forecasts.ts';
import { attemptsOn, type ChangedFoundation, directFoundations, foundationsOf, outdatedBy } from './foundations.ts';
import { type History, historySince, newestRun, type Standstill, standstillOf } from './history.ts';
import * as merges from './merges.ts';
import * as notes from './notes.ts';
import * as patches from './patches.ts';
import * as plans from './plans.ts';
import { heldBack } from './queue.ts';
import type {
  AttemptRecord,
  ChangeRequest,
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
import { resolutionsOf, resolvedBy } from './resolutions.ts';
import { resolvePatch, resolveTask, unknownTask } from './resolve.ts';
import * as restacking from './restacking.ts';
import * as runs from './runs.ts';
import * as tasks from './tasks.ts';
import * as timeline from './timeline.ts';

export class StateReader {
  readonly #database: Database;

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

  close(): void {
    this.#database.close();
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

  /** In order. */
  planMessages(id: string): PlanMessage[] {
    return plans.planMessagesOf(this.#database, id);
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

  /** Their ids, sorted. Cheap enough to be asked every second. */
  approvedPatches(): AttemptId[] {
    return merges.approvedPatches(this.#database);
  }

  /** Merges without an end: under way, or cut off. */
  openMerges(): merges.OpenMerge[] {
    return merges.openMerges(this.#database);
  }

  /** Of each task the newest patch that may still be merged; at most so many, newest first. */
  mergeableResults(most: number): forecasts.Result[] {
    return forecasts.mergeableResults(this.#database, most);
  }

  /** `treesOf` results when they were looked at beside all others, by id. */
  lookedAt(): ReadonlyMap<AttemptId, string> {
    return forecasts.lookedAt(this.#database);
  }

  /** Between patches that may still be merged, and snapshots of attempts under way. Cheap: nothing is merged. */
  conflicts(): forecasts.Conflict[] {
    return forecasts.conflicts(this.#database);
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
