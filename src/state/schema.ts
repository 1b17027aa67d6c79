/**
 * The tables, as drizzle has them: migrations are generated from this file (`npm run db:generate`) and the row types of
 * the queries are inferred from it. At run time only types are imported: drizzle itself doubles the start-up time.
 * Columns are named like their keys, so that a row as SQLite returns it has the inferred type. Times are ISO 8601, UTC.
 */

import { desc, sql } from 'drizzle-orm';
import {
  type AnySQLiteColumn,
  index,
  integer,
  primaryKey,
  real,
  sqliteTable,
  text,
  uniqueIndex,
} from 'drizzle-orm/sqlite-core';
import {
  ATTEMPT_OUTCOMES,
  type AttemptId,
  DECIDERS,
  NOTE_KINDS,
  type ObjectId,
  PATCH_STATES,
  REQUEST_KINDS,
  type RunId,
  STOP_CAUSES,
  TASK_SIZES,
  TASK_STATES,
  type TaskId,
} from '../types.ts';

const taskId = () => text().$type<TaskId>();
const attemptId = () => text().$type<AttemptId>();
const runId = () => text().$type<RunId>();
const objectId = () => text().$type<ObjectId>();

/** Single values, such as the installation id. */
export const meta = sqliteTable('meta', {
  key: text().primaryKey(),
  value: text().notNull(),
});

export const plans = sqliteTable('plans', {
  id: text().primaryKey(),
  goal: text().notNull(),
  /** The plan as data (JSON): that of the revision that counts. */
  document: text().notNull(),
  createdAt: text().notNull(),
  updatedAt: text().notNull().default(''),
  approvedAt: text(),
  /** Which of its revisions counts: undoing moves it back, redoing forward. */
  revision: integer().notNull().default(1),
  /** What was on the screen (JSON): the chosen task, a line half typed; null: nothing was. */
  view: text(),
});

/** Every change of a plan, so that it can be taken back later as well. */
export const planRevisions = sqliteTable(
  'plan_revisions',
  {
    plan: text()
      .notNull()
      .references(() => plans.id),
    revision: integer().notNull(),
    /** What the change was, for people: `split build-frontend`. */
    change: text().notNull(),
    document: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.plan, table.revision] })],
);

/** What was said about a plan. */
export const planMessages = sqliteTable(
  'plan_messages',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    plan: text()
      .notNull()
      .references(() => plans.id),
    from: text({ enum: ['you', 'planner'] }).notNull(),
    text: text().notNull(),
    createdAt: text().notNull(),
  },
  (table) => [index('plan_messages_of_plan').on(table.plan, table.seq)],
);

export const tasks = sqliteTable(
  'tasks',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    id: taskId().notNull().unique(),
    title: text().notNull(),
    description: text().notNull(),
    agent: text().notNull(),
    /** Who or what chose the role. */
    routing: text(),
    /** Index into PRIORITIES: the lower, the earlier. */
    priority: integer().notNull(),
    /** Files that it will probably touch (JSON array of paths and globs). */
    files: text().notNull().default('[]'),
    size: text({ enum: TASK_SIZES }).notNull().default('medium'),
    /** The longest chain of work that begins with it, by size: among equals the longest is started first. */
    chain: integer().notNull().default(1),
    state: text({ enum: TASK_STATES }).notNull(),
    reason: text(),
    /** Queued, but held back: a task at work that touches the same files. */
    heldBy: taskId().references((): AnySQLiteColumn => tasks.id),
    /** 1 + the longest chain of dependencies below it; a task's dependencies never change once it is added. */
    phase: integer().notNull(),
    /** How many attempts were claimed so far. */
    attempts: integer().notNull().default(0),
    plan: text().references(() => plans.id),
    createdAt: text().notNull(),
    startedAt: text(),
    endedAt: text(),
    /** Queued, but not before then: its last attempt was lost to a fault around it. */
    notBefore: text(),
    /** The patch that the next attempt goes on with. */
    startFrom: attemptId().references((): AnySQLiteColumn => patches.id),
  },
  (table) => [
    index('tasks_queue').on(table.state, table.heldBy, table.priority, desc(table.chain), table.seq),
    index('tasks_held').on(table.heldBy).where(sql`"heldBy" IS NOT NULL`),
    // Those that a run holds back altogether, as src/state/queue.ts words it.
    index('tasks_held_back').on(table.seq).where(sql`reason GLOB 'held: *'`),
  ],
);

export const dependencies = sqliteTable(
  'dependencies',
  {
    task: taskId()
      .notNull()
      .references(() => tasks.id),
    dependsOn: taskId()
      .notNull()
      .references(() => tasks.id),
  },
  (table) => [
    primaryKey({ columns: [table.task, table.dependsOn] }),
    index('dependencies_dependants').on(table.dependsOn),
  ],
);

export const runs = sqliteTable('runs', {
  id: runId().primaryKey(),
  /** Rises by one with every run; only the newest run's fence may change attempts and tasks. */
  fence: integer().notNull().unique(),
  pid: integer().notNull(),
  startedAt: text().notNull(),
  endedAt: text(),
  deadline: text(),
  budgetUsd: real(),
  budgetTokens: integer(),
  base: objectId().notNull(),
  /** Of its sandboxes: `shared-kernel` and the like; null: not written down. */
  isolation: text(),
  /** The run that was cut off and whose budget and deadline this one goes on with. */
  continues: runId().references((): AnySQLiteColumn => runs.id),
});

export const attempts = sqliteTable(
  'attempts',
  {
    id: attemptId().primaryKey(),
    task: taskId()
      .notNull()
      .references(() => tasks.id),
    n: integer().notNull(),
    run: runId()
      .notNull()
      .references(() => runs.id),
    state: text({ enum: ['creating', 'running', 'collecting', 'ended'] }).notNull(),
    outcome: text({ enum: ATTEMPT_OUTCOMES }),
    host: text().notNull(),
    container: text().notNull(),
    engine: text().notNull(),
    /** Null: claimed before this was written down. */
    timeoutMs: integer(),
    diskBytes: integer(),
    /** It was told to end, and perhaps the coordinator did not live to see that. */
    stopping: text({ enum: STOP_CAUSES }),
    baseTree: objectId(),
    baseCommit: objectId(),
    startedAt: text(),
    endedAt: text(),
    exitCode: integer(),
    reason: text(),
    /** Code of the fault around the agent that ended it (`DOCKER_FAILED`); null: it ended by itself, or was ended. */
    fault: text(),
    inputTokens: integer().notNull().default(0),
    outputTokens: integer().notNull().default(0),
    cacheReadTokens: integer().notNull().default(0),
    cacheWriteTokens: integer().notNull().default(0),
    usd: real(),
    /** What it may have cost beside that: requests that nobody saw the end of, each at its most. */
    unsettledUsd: real().notNull().default(0),
    unsettledTokens: integer().notNull().default(0),
    /** JSON array of host names. */
    egressDenied: text().notNull().default('[]'),
    summary: text(),
  },
  (table) => [
    uniqueIndex('attempts_of_task').on(table.task, table.n),
    // The database itself refuses a second attempt at a task while one is under way.
    uniqueIndex('attempts_unended').on(table.task).where(sql`state <> 'ended'`),
    index('attempts_of_run').on(table.run),
  ],
);

export const patches = sqliteTable(
  'patches',
  {
    id: attemptId()
      .primaryKey()
      .references(() => attempts.id),
    task: taskId()
      .notNull()
      .references(() => tasks.id),
    state: text({ enum: PATCH_STATES }).notNull(),
    baseTree: objectId().notNull(),
    baseCommit: objectId().notNull(),
    tree: objectId().notNull(),
    commit: objectId().notNull(),
    files: integer().notNull(),
    insertions: integer().notNull(),
    deletions: integer().notNull(),
    /** JSON array of Flag. */
    flags: text().notNull().default('[]'),
    reason: text(),
    createdAt: text().notNull(),
    mergedAs: objectId(),
    mergedInto: text(),
    /** What the agent left, where a person approved parts of it or edited it; null: `tree` and `commit` are that. */
    originalTree: objectId(),
    originalCommit: objectId(),
    /** Who approved or rejected it; null: nobody did. */
    decidedBy: text({ enum: DECIDERS }),
  },
  (table) => [index('patches_of_task').on(table.task)],
);

/** Which results an attempt's start was merged from. What these stand on themselves is not repeated. */
export const foundations = sqliteTable(
  'foundations',
  {
    attempt: attemptId()
      .notNull()
      .references(() => attempts.id),
    patch: attemptId()
      .notNull()
      .references(() => patches.id),
  },
  (table) => [primaryKey({ columns: [table.attempt, table.patch] }), index('foundations_above').on(table.patch)],
);

export const checks = sqliteTable(
  'checks',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    patch: attemptId()
      .notNull()
      .references(() => patches.id),
    command: text().notNull(),
    exitCode: integer().notNull(),
    durationMs: integer().notNull(),
    endedAt: text().notNull(),
    /** What it was done on: the patch's result, or in a merge the tree that the patch made red; null: not written down. */
    tree: objectId(),
    /** It failed, and passed when it was done once more. */
    isFlaky: integer({ mode: 'boolean' }).notNull().default(false),
    /** Name of the file in the state's folder that has its output. */
    log: text(),
  },
  (table) => [index('checks_of_patch').on(table.patch)],
);

/** Whether two results (of ended attempts, or snapshots of running ones) merge, by what they were when it was looked at. */
export const forecasts = sqliteTable(
  'forecasts',
  {
    /** The smaller id of the two. */
    left: attemptId()
      .notNull()
      .references(() => attempts.id),
    right: attemptId()
      .notNull()
      .references(() => attempts.id),
    /** `<base tree>:<result tree>` of each: another one, and the answer does not count any more. */
    leftTrees: text().notNull(),
    rightTrees: text().notNull(),
    /** JSON array of the printable paths in conflict; empty: they merge. */
    paths: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.left, table.right] }), index('forecasts_of_right').on(table.right)],
);

/** Merges into a branch, written down before the branch moves: what a killed process left is finished or forgotten. */
export const merges = sqliteTable('merges', {
  seq: integer().primaryKey({ autoIncrement: true }),
  /** Full name of the ref that moves; `HEAD` where it is detached. */
  target: text().notNull(),
  from: objectId().notNull(),
  to: objectId().notNull(),
  /** JSON array of `{patch, commit}`, in order. */
  commits: text().notNull(),
  /** The work tree whose files move along; null: none has the branch checked out. */
  workTree: text(),
  startedAt: text().notNull(),
  /** Null: it is under way, or was cut off. */
  endedAt: text(),
  /** Whether the target moved; null until it ended. */
  landed: integer({ mode: 'boolean' }),
});

export const notes = sqliteTable('notes', {
  seq: integer().primaryKey({ autoIncrement: true }),
  /** The attempt that left it; null: a person did. */
  attempt: attemptId().references(() => attempts.id),
  /** `summary`: what a finished task leaves by itself. */
  kind: text({ enum: NOTE_KINDS }).notNull().default('note'),
  /** The same for the same note told twice, because a coordinator was killed in between. */
  source: text().unique(),
  text: text().notNull(),
  createdAt: text().notNull(),
});

/** What other terminals ask of the run that is at work. */
export const requests = sqliteTable(
  'requests',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    kind: text({ enum: REQUEST_KINDS }).notNull(),
    /** The task that is meant; null: all of the run. */
    task: taskId().references(() => tasks.id),
    at: text().notNull(),
    handledAt: text(),
  },
  (table) => [index('requests_open').on(table.seq).where(sql`"handledAt" IS NULL`)],
);

/** The timeline: one row for each lifecycle event; what agents print is not kept here. */
export const events = sqliteTable(
  'events',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    run: runId()
      .notNull()
      .references(() => runs.id),
    task: taskId().references(() => tasks.id),
    /** The event as it was emitted (JSON). */
    body: text().notNull(),
  },
  (table) => [index('events_of_task').on(table.task, table.seq)],
);
