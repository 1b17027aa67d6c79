/** What the user lets a machine decide, and how much may wait for a person. Pure. */

import { isSensitive } from '../patch/inspect/codes.ts';
import type { PatchRecord } from '../state/records.ts';
import type { AutoApproval } from '../types.ts';
import { verdictOn } from './verdict.ts';

export interface ReviewPolicy {
  readonly autoApprove: AutoApproval;
  /** Commands that must pass; none of them is none that passed. */
  readonly checks: readonly string[];
}

/**
 * Whether a patch may be approved without a person: it waits for one, every command has passed on its tree as it is now
 * (if only when it was run once more), and nothing in it is sensitive. What it stands on is decided for itself.
 */
export function mayApprove(patch: PatchRecord, { autoApprove, checks }: ReviewPolicy): boolean {
  if (autoApprove !== 'passing' || patch.state !== 'pending') return false;
  return verdictOn(patch, checks) === 'passed' && !patch.flags.some(({ code }) => isSensitive(code));
}

/** Why such a policy approves nothing at all; null: it may. */
export function idlePolicy({ autoApprove, checks }: ReviewPolicy): string | null {
  if (autoApprove === 'never' || checks.length > 0) return null;
  return `--auto-approve ${autoApprove} approves nothing: there is no check that could pass (--check)`;
}
