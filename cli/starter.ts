/** What a run that works on its own and whoever started it say to each other, until it is ready. */

import type { WrittenFlags } from '../src/config/load.ts';
import type { ErrorKind } from '../src/errors.ts';
import type { EventBus, OrchestrateEvent } from '../src/events.ts';
import type { RunId, TaskId } from '../src/types.ts';
import type { Context } from './context.ts';
import { eventLine } from './render/event-line.ts';
import type { LiveView } from './render/live.ts';
import { clock } from './render/text.ts';

/** To the run, once. */
export interface Order {
  readonly run: RunId;
  /** `--repo`, or where the command was typed. */
  readonly directory: string;
  /** Flags that are settings, as typed. */
  readonly flags: WrittenFlags;
  readonly trust: boolean;
  readonly allowRedBase: boolean;
  /** Null: the whole queue. */
  readonly only: readonly TaskId[] | null;
}

/** From the run. After `ready`, `failed` or `ended` nothing follows. */
export type Message =
  | { readonly type: 'said'; readonly line: string; readonly isWarning: boolean }
  | { readonly type: 'ready' }
  /** It could not be done: the parts of an OrchestrateError. */
  | {
      readonly type: 'failed';
      readonly kind: ErrorKind;
      readonly code: string;
      readonly message: string;
      readonly hint: string | undefined;
    }
  /** Over before it was ready. */
  | { readonly type: 'ended'; readonly exitCode: number };

/** Whoever started the run, as the run sees it: gone from the moment that it was told the outcome, or is not there any more. */
export interface Starter {
  tell(message: Message): void;
}

/** Over the channel that this process was started with. */
export function starterOfThisProcess(): Starter {
  let isTold = false;
  return {
    tell(message) {
      if (isTold || process.send === undefined || !process.connected) return;
      isTold = message.type !== 'said';
      // It may be gone between the two: then there is nobody to tell.
      process.send(message, undefined, undefined, () => {
        if (isTold && process.connected) process.disconnect();
      });
    },
  };
}

/** Shows the start of a run to whoever started it. */
export function viewForStarter(context: Context, bus: EventBus, starter: Starter): LiveView {
  const stopHearing = context.overhear((line, isWarning) => starter.tell({ type: 'said', line, isWarning }));
  const stopListening = bus.on((event) => {
    const line = event.type === 'agent.output' ? null : eventLine(event);
    if (line !== null) starter.tell({ type: 'said', line: `${clock(event.at)} ${line}`, isWarning: false });
    if (isReady(event)) starter.tell({ type: 'ready' });
  });
  return {
    close() {
      stopHearing();
      stopListening();
    },
  };
}

/** Everything that can be tried before was tried, or there is nothing to try it for. */
function isReady(event: OrchestrateEvent): boolean {
  // Where there are no tasks, only agents of a run that was cut off, nothing is tried.
  return event.type === 'run.ready' || (event.type === 'run.started' && event.tasks === 0);
}
