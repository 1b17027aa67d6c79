/** What a run looks like while it works: lines with the time in a pipe; on a terminal a line for each agent and a bar. */

import type { EventBus, OrchestrateEvent } from '../../src/events.ts';
import { sanitiseLine } from '../../src/sanitise.ts';
import { eventLine } from './event-line.ts';
import { LiveScreen, type Screen } from './live-screen.ts';
import { clock } from './text.ts';

export interface LiveView {
  /** Draws the last state, gives the cursor back, stops listening. Again does nothing. */
  close(): void;
  /** Shows a line that is no event; not given: nothing is redrawn, standard error does. */
  readonly say?: (line: string) => void;
  /** Counts an event of the past without telling it; not given: it counts nothing. */
  readonly know?: (event: OrchestrateEvent) => void;
}

export interface LiveViewOptions {
  /** Redraw in place; else plain lines. */
  readonly tty: boolean;
  /** Plain lines only: what agents print, too. */
  readonly verbose?: boolean;
}

/** Shows the bus's events on `out` until closed. Everything that agents wrote is sanitised. */
export function createLiveView(bus: EventBus, out: Screen, options: LiveViewOptions): LiveView {
  return options.tty ? onScreen(bus, out) : plain(bus, out, options.verbose ?? false);
}

function plain(bus: EventBus, out: Screen, verbose: boolean): LiveView {
  const show = (event: OrchestrateEvent): void => {
    const line = event.type === 'agent.output' ? null : eventLine(event);
    if (line !== null) out.write(`${clock(event.at)} ${line}\n`);
    if (event.type === 'agent.output' && verbose) {
      for (const text of outputLines(event.text)) out.write(`${clock(event.at)} ${event.task}  | ${text}\n`);
    }
  };
  return { close: bus.on(show) };
}

function onScreen(bus: EventBus, out: Screen): LiveView {
  const screen = new LiveScreen(out);
  const stop = bus.on((event) => screen.show(event));
  return {
    close() {
      stop();
      screen.close();
    },
    say: (line) => screen.say(line),
    know: (event) => screen.know(event),
  };
}

/** The lines of an output chunk that say something, each fit for one line of the terminal. */
function outputLines(text: string): string[] {
  return text
    .split(/[\r\n]+/)
    .map(sanitiseLine)
    .filter((line) => line !== '');
}
