/** A run's log: its events, notes and warnings, as they are shown where somebody looks. */

import { OrchestrateError } from '../src/errors.ts';
import type { EventBus } from '../src/events.ts';
import type { RunId } from '../src/types.ts';
import type { Context } from './context.ts';

export interface Logging {
  /** A line that is neither an event nor a note or warning of the context. */
  say(line: string): void;
  /** The run could not be done: what nobody expected is written down in full. One that did not even begin has no log. */
  fault(error: unknown): void;
  close(): void;
}

export interface Logged {
  readonly directory: string;
  readonly run: RunId;
  readonly bus: EventBus;
}

/** Writes it until closed. */
export async function logRun(context: Context, { directory, run, bus }: Logged): Promise<Logging> {
  const [{ RunLog }, { eventLine }, { describeFault }] = await Promise.all([
    import('../src/tasks/run-log.ts'),
    import('./render/event-line.ts'),
    import('./failures.ts'),
  ]);
  let hasBegun = false;
  const log = new RunLog(directory, run);
  const stopListening = bus.on((event) => {
    if (event.type === 'run.started') hasBegun = true;
    const line = event.type === 'agent.output' ? null : eventLine(event);
    if (line !== null) log.say(line, new Date(event.at));
  });
  const stopHearing = context.overhear((line, isWarning) => log.say(isWarning ? `warning: ${line}` : line));
  return {
    say: (line) => log.say(line),
    fault(error) {
      if (error instanceof OrchestrateError && !hasBegun) log.remove();
      else log.say(describeFault(error));
    },
    close() {
      stopListening();
      stopHearing();
    },
  };
}
