/** `attach`: looks at the run that is at work, from any terminal, until it ends or the reader has seen enough. */

import { EXIT_CODES } from '../../src/errors.ts';
import { EventBus } from '../../src/events.ts';
import { safeJson } from '../../src/sanitise.ts';
import type { State } from '../../src/state/state.ts';
import type { Context } from '../context.ts';
import { endOf, followRun } from '../follow-run.ts';
import { onLeave } from '../leave.ts';
import { eventLine } from '../render/event-line.ts';
import type { LiveView } from '../render/live.ts';
import { runThatIsThere } from '../run-that-is-there.ts';

/**
 * Resolves to the run's own exit code; 130 where the reader left, and the run goes on; 1 where the run was cut off. Without
 * a run 0: there is nothing to wait for.
 */
export async function attach(context: Context): Promise<number> {
  const isScreen = context.out.isTTY === true && !context.json && !context.quiet;
  const leaving = onLeave(context.in, { keys: isScreen });
  const { signal } = leaving;
  const state = await context.readState();
  const run = state === null ? null : await runThatIsThere(context, state, signal);
  if (state === null || run === null) {
    leaving[Symbol.dispose]();
    if (signal.aborted) return EXIT_CODES.interrupted;
    tellThereIsNone(context, state);
    return 0;
  }
  const bus = new EventBus();
  const view = await viewOf(context, bus, isScreen);
  const { know = () => {} } = view;
  const ended = await followRun({ state, run, bus, onPast: know, withOutput: isScreen, signal }).finally(() => {
    view.close();
    leaving[Symbol.dispose]();
  });
  if (ended !== null) return ended.exitCode ?? 0;
  if (signal.aborted) {
    context.note(`Run ${run.id} goes on without you. Look again: orchestrate attach; stop it: orchestrate stop`);
    return EXIT_CODES.interrupted;
  }
  context.warn(`run ${run.id} was cut off (pid ${run.pid}): the next \`orchestrate run\` takes up what it left`);
  return EXIT_CODES.failure;
}

async function viewOf(context: Context, bus: EventBus, tty: boolean): Promise<LiveView> {
  if (context.json) {
    const { createJsonLines } = await import('../render/json-lines.ts');
    return createJsonLines(bus, context.out);
  }
  const { createLiveView } = await import('../render/live.ts');
  return createLiveView(bus, context.out, { tty });
}

function tellThereIsNone(context: Context, state: State | null): void {
  const run = state?.newestRun() ?? null;
  const ended = state === null || run === null ? null : endOf(state, run);
  if (context.json) {
    if (ended !== null) context.print(`${safeJson(ended)}\n`);
    return;
  }
  if (run === null) context.print('No run is at work here, and none ever was.\nNext: orchestrate run --detach\n');
  else if (ended !== null) {
    context.print(
      `No run is at work here. The last one:\n${ended.at}  ${eventLine(ended)}\nNext: orchestrate report\n`,
    );
  } else {
    context.print(
      `No run is at work here. The last one, ${run.id}, was cut off.\n` +
        'Next: orchestrate run (it takes up what that one left)\n',
    );
  }
}
