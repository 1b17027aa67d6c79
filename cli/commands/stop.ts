/** `stop`: ends the run that is at work, after its agents are done or at once. */

import type { RunRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import type { Context } from '../context.ts';
import { liveRun } from '../live-run.ts';
import type { StopOptions } from '../options.ts';
import { runJson } from '../render/json.ts';
import { count } from '../render/text.ts';
import { runThatIsThere } from '../run-that-is-there.ts';
import { STOP_TIMEOUT_MS, waitUntil } from '../wait.ts';

export async function stop(context: Context, options: StopOptions): Promise<number> {
  const known = await context.readState();
  // One that makes its images ready has no record yet, and would work all night.
  const run = known === null ? null : await runThatIsThere(context, known, new AbortController().signal);
  if (known === null || run === null) {
    if (context.json) context.printJson({ run: null, result: 'none' });
    else context.print(`No run is at work here.${leftOver(known)}\n`);
    return 0;
  }
  const state = await context.state();
  const agents = state.unendedAttempts().length;
  state.request(options.now ? 'stop-now' : 'stop', null);
  // Agents that are to finish may take hours; ones that are stopped do not.
  const hasEnded = options.now && (await waitUntil(() => liveRun(state)?.id !== run.id, STOP_TIMEOUT_MS));
  if (context.json) {
    context.printJson({ run: runJson(run, state.usageOfRun(run.id)), result: hasEnded ? 'ended' : 'stopping' });
  } else {
    const left = hasEnded ? state.unendedAttempts().length : 0;
    context.print(report(run, { now: options.now, hasEnded, agents, left }));
  }
  return options.now && !hasEnded ? 1 : 0;
}

function leftOver(state: State | null): string {
  const attempts = state?.unendedAttempts().length ?? 0;
  if (attempts === 0) return '';
  return ` One that was cut off left ${count(attempts, 'agent')}: the next \`orchestrate run\` takes them up.`;
}

function report(
  run: RunRecord,
  stopped: { readonly now: boolean; readonly hasEnded: boolean; readonly agents: number; readonly left: number },
): string {
  const name = `run ${run.id} (pid ${run.pid})`;
  const agents = count(stopped.agents, 'agent');
  if (stopped.left > 0) {
    const left = count(stopped.left, 'agent');
    return `Stopped ${name}, but ${left} could not be reached: the next \`orchestrate run\` ends them and keeps their work.\n`;
  }
  if (stopped.hasEnded) {
    const kept = stopped.agents === 0 ? '' : `; ${agents} stopped, their work is kept and their tasks wait`;
    return `Stopped ${name}${kept}.\nNext: orchestrate status\n`;
  }
  if (stopped.now) return `Stopping ${name} takes longer than usual; look again with: orchestrate status\n`;
  return (
    `Asked ${name} to stop: nothing more is started, ${agents} at work may finish.\n` +
    'Follow it with: orchestrate status --watch   (at once: orchestrate stop --now)\n'
  );
}
