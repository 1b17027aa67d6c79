/** How a run stands that works on its own: what a person wants to know before they leave it. */

import { sanitiseLine } from '../src/sanitise.ts';
import type { RunRecord } from '../src/state/records.ts';
import type { State } from '../src/state/state.ts';
import type { RunId } from '../src/types.ts';
import type { Context } from './context.ts';
import { runJson } from './render/json.ts';

export function tellHowItStands(
  context: Context,
  state: State,
  { run: id, log }: { readonly run: RunId; readonly log: string },
): void {
  const run = state.newestRun();
  if (run === null || run.id !== id) return;
  if (context.json) {
    context.printJson({ run: { ...runJson(run, state.usageOfRun(id)), isolation: run.isolation }, log });
    return;
  }
  const rows: readonly (readonly [name: string, text: string])[] = [
    ['isolation', sanitiseLine(run.isolation ?? 'unknown')],
    ['ends', endText(run)],
    ['budget', budgetText(run)],
    ['log', log],
  ];
  context.print(
    `Run ${id} is on its own now (pid ${run.pid}): this terminal may be closed.\n` +
      rows.map(([name, text]) => `  ${name.padEnd(10)} ${text}\n`).join('') +
      'Look at it with: orchestrate attach   (stop it: orchestrate stop, at once: orchestrate stop --now)\n' +
      'In the morning: orchestrate report\n',
  );
}

function endText({ deadline }: RunRecord): string {
  if (deadline === null) return 'when its queue is empty (--until sets a deadline)';
  return `at ${new Date(deadline).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' })} at the latest`;
}

function budgetText({ budgetUsd, budgetTokens }: RunRecord): string {
  const caps = [
    ...(budgetUsd === null ? [] : [`$${budgetUsd.toFixed(2)}`]),
    ...(budgetTokens === null ? [] : [`${budgetTokens.toLocaleString('en')} tokens`]),
  ];
  return caps.length === 0 ? 'none' : caps.join(', ');
}
