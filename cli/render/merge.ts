/** What `merge` did or would do, as text for people and as JSON. Names of branches and paths are others' words. */

import { join } from 'node:path';
import type { MergePlan, MergeReport } from '../../src/merge/merge.ts';
import { conflictReason } from '../../src/merge/merge.ts';
import { nameOf } from '../../src/merge/target.ts';
import { revealLine } from '../../src/sanitise.ts';
import { checkJson } from './json.ts';

export function mergeJson(report: MergeReport) {
  return {
    ...{ target: nameOf(report.target), from: report.from, to: report.to, merged: report.merged },
    setAside: report.setAside.map(({ id, reason, evidence: [first] }) => {
      return { id, reason, check: first === undefined ? null : checkJson(first) };
    }),
    ...{ conflicts: conflictsJson(report), leftOut: report.leftOut, undo: report.undo },
    ...{ flaky: report.flaky, checked: report.checked },
  };
}

export function planJson(plan: MergePlan, checks: readonly string[]) {
  return {
    ...{ target: nameOf(plan.target), from: plan.from, to: null, merged: plan.merged, setAside: [] },
    ...{ conflicts: conflictsJson(plan), leftOut: plan.leftOut, undo: '', checks, dryRun: true },
  };
}

/** What a patch conflicts with is a patch, or the target by its name. */
function conflictsJson({ conflicts, target }: Pick<MergePlan, 'conflicts' | 'target'>) {
  return conflicts.map(({ id, with: other, paths }) => ({ id, with: other ?? nameOf(target), paths }));
}

export function mergeText(report: MergeReport, stateDir: string): string {
  const { merged, setAside, undo } = report;
  const where = revealLine(nameOf(report.target));
  const lines: string[] = [];
  if (merged.length === 0) lines.push(nothingText(report));
  else if (undo === '') lines.push(`${where} had all of it already: ${merged.join(', ')}`);
  else {
    lines.push(`Merged into ${where}, now at ${report.to.slice(0, 12)}:`);
    lines.push(...merged.map((id) => `  ${id}`));
  }
  if (setAside.length > 0) lines.push('Set aside:');
  for (const { id, reason, evidence } of setAside) {
    lines.push(`  ${id}  ${revealLine(reason)}`);
    for (const { log } of evidence) if (log !== null) lines.push(`    output in ${revealLine(join(stateDir, log))}`);
  }
  lines.push(...otherLines(report));
  if (undo !== '') lines.push(`Undo: ${revealLine(undo)}`);
  const culprit = setAside.find(({ evidence }) => evidence.length > 0) ?? report.conflicts[0];
  if (culprit !== undefined)
    lines.push(`Next: orchestrate patch show ${culprit.id}, or: orchestrate review ${culprit.id}`);
  return lines.map((line) => `${line}\n`).join('');
}

export function planText(plan: MergePlan, checks: readonly string[]): string {
  const where = revealLine(nameOf(plan.target));
  const lines = plan.merged.length === 0 ? [nothingText(plan)] : [`Would be merged into ${where}, in this order:`];
  lines.push(...plan.merged.map((id) => `  ${id}`), ...otherLines(plan));
  if (plan.merged.length > 0) {
    const commands = checks.map((command) => `  ${revealLine(command)}`);
    lines.push(
      ...(checks.length === 0
        ? ['Nothing would be checked: there are no checks.']
        : ['After these checks:', ...commands]),
    );
  }
  return lines.map((line) => `${line}\n`).join('');
}

function nothingText({
  setAside = [],
  conflicts,
  leftOut,
}: Partial<Pick<MergeReport, 'setAside'>> & MergePlan): string {
  const some = setAside.length + conflicts.length + leftOut.length > 0;
  return some ? 'Nothing was merged.' : 'Nothing is approved that is not merged. See: orchestrate patch list';
}

function otherLines({ conflicts, leftOut, target }: MergePlan): string[] {
  const lines: string[] = [];
  if (conflicts.length > 0) lines.push('In conflict:');
  for (const conflict of conflicts) {
    lines.push(`  ${conflict.id}  ${revealLine(conflictReason(conflict, nameOf(target)))}`);
  }
  if (leftOut.length > 0) lines.push('Left out:');
  for (const { id, reason } of leftOut) lines.push(`  ${id}  ${revealLine(reason)}`);
  return lines;
}
