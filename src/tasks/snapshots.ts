/** Keeps the work of an agent that goes on working. */

import { keepSnapshot } from '../patch/collect.ts';
import type { AttemptContext, StartedAttempt } from './attempt-parts.ts';
import { leftOutText } from './conclude.ts';
import type { IdleWatch } from './idle.ts';

/** Keeps the agent's work every few minutes, so that losing the engine costs at most that. */
export function takeSnapshots(
  context: AttemptContext,
  started: StartedAttempt,
  idle: IdleWatch,
): { stop(): Promise<void> } {
  const { attempt, start, running } = started;
  let current: Promise<void> = Promise.resolve();
  let over = false;
  let saidLeftOut: string | null = null;
  const timer = setInterval(() => {
    current = current.then(async () => {
      const goOn = idle.hold();
      try {
        const { tree, tooLarge } = await running.snapshot((collection) =>
          keepSnapshot(context.repository, collection, { attempt: attempt.id, task: attempt.task, start }),
        );
        const leftOut = tooLarge.length === 0 ? null : leftOutText(tooLarge);
        // Who salvages a snapshot later knows no more than is written down now.
        if (leftOut !== null && leftOut !== saidLeftOut) {
          context.emit({ type: 'warning', task: attempt.task, attempt: attempt.id, message: leftOut });
        }
        saidLeftOut = leftOut;
        if (tree !== null) context.onSnapshot({ baseTree: start.base.tree, tree });
      } catch (error) {
        if (over) return;
        const why = error instanceof Error ? error.message : String(error);
        context.emit({ type: 'warning', task: attempt.task, attempt: attempt.id, message: `no snapshot: ${why}` });
      } finally {
        goOn();
      }
    });
  }, context.bounds.snapshotEveryMs);
  return {
    stop: () => {
      over = true;
      clearInterval(timer);
      return current;
    },
  };
}
