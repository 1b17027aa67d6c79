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

const INTERPRETER = /^(?:ba|da|z|k)?sh$|^(?:python|node|ruby|perl|php|tsx|deno|bun)[0-9.]*$/;

/**
 * The file of these (printable, as git has them) that a check itself runs, or null: `sh check.sh`, `./scripts/check`. Who
 * changes it decides what the check says.
 */
export function ownCheck(commands: readonly string[], changed: readonly string[]): string | null {
  const run = new Set(commands.flatMap((command) => command.split(/[;&|()\n]+/).flatMap(programOf)));
  return changed.find((path) => run.has(path)) ?? null;
}

function programOf(command: string): string[] {
  const words = command.split(/\s+/).map((word) => word.replace(/["']/g, ''));
  const [program = '', ...rest] = words.filter((word) => word !== '' && !/^\w+=|^(?:env|exec|time)$/.test(word));
  const isInterpreter = INTERPRETER.test(program.slice(program.lastIndexOf('/') + 1));
  const file = isInterpreter ? rest.find((word) => !word.startsWith('-')) : program;
  // A bare word is looked for in the PATH.
  if (file === undefined || (!isInterpreter && !file.includes('/'))) return [];
  return [file.replace(/^(?:\.\/+)+|^\/workspace\/+/, '')];
}
