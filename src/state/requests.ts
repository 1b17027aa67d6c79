/** What other terminals ask of the run that is at work. */

import type { RequestKind, TaskId } from '../types.ts';
import type { Database } from './database.ts';

const OPEN = 'WHERE handledAt IS NULL';

export interface Request {
  readonly kind: RequestKind;
  /** Null: all of the run. */
  readonly task: TaskId | null;
}

export function addRequest(database: Database, request: Request): void {
  database.insert('requests', { ...request, at: new Date().toISOString() });
}

/** Looks without writing first: it is asked several times a second, and next to always there is nothing. */
export function takeRequests(database: Database): Request[] {
  if (database.get(`SELECT 1 FROM requests ${OPEN} LIMIT 1`) === null) return [];
  return database.transaction(() => {
    const taken = database.all<Request>(`SELECT kind, task FROM requests ${OPEN} ORDER BY seq`);
    closeRequests(database);
    return taken;
  });
}

/** Whatever was asked so far is asked of nobody any more. */
export function closeRequests(database: Database): void {
  database.run(`UPDATE requests SET handledAt = ? ${OPEN}`, new Date().toISOString());
}
