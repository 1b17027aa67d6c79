/** Queries and changes of plans, their revisions and what was said about them. */

import { type OrchestrateError, usageError } from '../errors.ts';
import { idMaker, titleOf } from '../tasks/slug.ts';
import type { Database } from './database.ts';
import type { NewTask, PlanMessage, PlanRecord, PlanSummary, TaskRecord } from './records.ts';
import type { planMessages, planRevisions, plans, tasks } from './schema.ts';
import { addTasks } from './tasks.ts';

type PlanRow = typeof plans.$inferSelect;
type RevisionRow = typeof planRevisions.$inferSelect;
type MessageRow = typeof planMessages.$inferSelect;

/** How many changes can be taken back. */
const MOST_REVISIONS = 200;

/** A plan at one of its revisions, and the change that made it. */
export interface NewRevision {
  readonly document: unknown;
  /** For people: `split build-frontend`. */
  readonly change: string;
}

export function addPlan(database: Database, goal: string, { document, change }: NewRevision): PlanRecord {
  return database.transaction(() => {
    const count = database.get<{ n: number }>('SELECT count(*) AS n FROM plans')?.n ?? 0;
    const isTaken = (id: string) => database.get('SELECT 1 FROM plans WHERE id = ?', id) !== null;
    const slug = idMaker(isTaken)(titleOf(goal), count + 1);
    const id = slug.replace(/^task-(\d+)$/, 'plan-$1');
    const now = new Date().toISOString();
    const text = JSON.stringify(document);
    database.insert('plans', { id, goal, document: text, createdAt: now, updatedAt: now, revision: 1 });
    database.insert('plan_revisions', { plan: id, revision: 1, change, document: text });
    return existing(database, id);
  });
}

export function planSummaries(database: Database): PlanSummary[] {
  const sql = `SELECT id, goal, createdAt, updatedAt, approvedAt, json_array_length(document, '$.tasks') AS taskCount
    FROM plans ORDER BY updatedAt DESC, rowid DESC`;
  return database.all<PlanSummary>(sql);
}

export function findPlan(database: Database, id: string): PlanRecord | null {
  const row = database.get<PlanRow>('SELECT * FROM plans WHERE id = ?', id);
  if (row === null) return null;
  const revisions = database.all<Pick<RevisionRow, 'revision' | 'change'>>(
    'SELECT revision, change FROM plan_revisions WHERE plan = ? ORDER BY revision',
    id,
  );
  const changeAt = (revision: number) => revisions.find((one) => one.revision === revision)?.change ?? null;
  const { goal, createdAt, updatedAt, approvedAt, revision, view } = row;
  return {
    ...{ id, goal, createdAt, updatedAt, approvedAt, revision },
    document: JSON.parse(row.document),
    view: view === null ? null : JSON.parse(view),
    undoes: changeAt(revision - 1) === null ? null : changeAt(revision),
    redoes: changeAt(revision + 1),
    tasks: database
      .all<Pick<typeof tasks.$inferSelect, 'id'>>('SELECT id FROM tasks WHERE plan = ? ORDER BY seq', id)
      .map((task) => task.id),
  };
}

/** Null where the plan is no longer at revision `from`, or was approved. */
export function changePlan(
  database: Database,
  id: string,
  from: number,
  { document, change }: NewRevision,
): PlanRecord | null {
  return database.transaction(() => {
    const text = JSON.stringify(document);
    if (!moveTo(database, id, { from, to: from + 1, document: text })) return null;
    database.run('DELETE FROM plan_revisions WHERE plan = ? AND revision > ?', id, from);
    database.insert('plan_revisions', { plan: id, revision: from + 1, change, document: text });
    database.run('DELETE FROM plan_revisions WHERE plan = ? AND revision <= ?', id, from + 1 - MOST_REVISIONS);
    return existing(database, id);
  });
}

/** Null where there is nothing to take back (`by` -1) or to do again (1), or the plan is not at `from`, or approved. */
export function stepPlan(database: Database, id: string, from: number, by: -1 | 1): PlanRecord | null {
  return database.transaction(() => {
    const sql = 'SELECT document FROM plan_revisions WHERE plan = ? AND revision = ?';
    const there = database.get<Pick<RevisionRow, 'document'>>(sql, id, from + by);
    if (there === null || !moveTo(database, id, { from, to: from + by, document: there.document })) return null;
    return existing(database, id);
  });
}

function moveTo(
  database: Database,
  id: string,
  { from, to, document }: { readonly from: number; readonly to: number; readonly document: string },
): boolean {
  const sql = `UPDATE plans SET document = ?, revision = ?, updatedAt = ?
    WHERE id = ? AND revision = ? AND approvedAt IS NULL`;
  return database.run(sql, document, to, new Date().toISOString(), id, from) === 1;
}

export function setPlanView(database: Database, id: string, view: unknown): void {
  database.run('UPDATE plans SET view = ? WHERE id = ?', view === null ? null : JSON.stringify(view), id);
}

export function addPlanMessage(database: Database, plan: string, { from, text }: Omit<PlanMessage, 'at'>): void {
  database.insert('plan_messages', { plan, from, text, createdAt: new Date().toISOString() });
}

export function planMessagesOf(database: Database, plan: string): PlanMessage[] {
  const rows = database.all<MessageRow>('SELECT * FROM plan_messages WHERE plan = ? ORDER BY seq', plan);
  return rows.map(({ from, text, createdAt }) => ({ from, text, at: createdAt }));
}

/** Null where it is no longer at `from` or was approved already. */
export function approvePlan(
  database: Database,
  id: string,
  from: number,
  added: readonly NewTask[],
): TaskRecord[] | null {
  return database.transaction(() => {
    const sql = 'UPDATE plans SET approvedAt = ?, view = NULL WHERE id = ? AND revision = ? AND approvedAt IS NULL';
    if (database.run(sql, new Date().toISOString(), id, from) === 0) return null;
    return addTasks(
      database,
      added.map((task) => ({ ...task, plan: id })),
    );
  });
}

export function resolvePlan(database: Database, typed: string): string {
  const ids = database.all<Pick<PlanRow, 'id'>>('SELECT id FROM plans ORDER BY rowid').map(({ id }) => id);
  if (ids.includes(typed)) return typed;
  const [first, ...more] = typed === '' ? [] : ids.filter((id) => id.startsWith(typed));
  if (first === undefined) throw unknownPlan(typed);
  if (more.length === 0) return first;
  throw usageError('AMBIGUOUS_ID', `${typed} could be ${[first, ...more].slice(0, 10).join(', ')}.`, {
    hint: 'Type more of the one that you mean.',
  });
}

export function unknownPlan(typed: string): OrchestrateError {
  return usageError('UNKNOWN_PLAN', `There is no plan ${typed}.`, {
    hint: 'See the plans with `orchestrate plan list`.',
  });
}

function existing(database: Database, id: string): PlanRecord {
  const plan = findPlan(database, id);
  if (plan === null) throw new Error(`the plan ${id} is gone`);
  return plan;
}
