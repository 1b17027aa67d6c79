/** What checks said of patches. */

import type { AttemptId } from '../types.ts';
import type { Database } from './database.ts';
import type { CheckRecord } from './records.ts';

export function addChecks(database: Database, patch: AttemptId, records: readonly CheckRecord[]): void {
  database.transaction(() => {
    for (const { isFlaky, ...record } of records) {
      database.insert('checks', { ...record, isFlaky: Number(isFlaky), patch, endedAt: new Date().toISOString() });
    }
  });
}
