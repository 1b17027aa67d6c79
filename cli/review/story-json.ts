/** A patch with its story, as `review --json` prints it. Fields may be added, never changed or taken away. */

import { patchJson } from '../render/json.ts';
import type { Story } from './story.ts';

export function storyJson(story: Story) {
  const { patch, task, attempt, durationMs, verdict, checks, standsOn, rounds, notes, conflicts, isCompared, target } =
    story;
  return {
    ...patchJson(
      patch,
      conflicts.map((conflict) => conflict.with),
    ),
    story: {
      title: task.title,
      description: task.description,
      agent: task.agent,
      engine: attempt.engine,
      attempt: attempt.n,
      usage: attempt.usage,
      durationMs,
      summary: attempt.summary,
      notes,
      verdict,
      // Beside the records of the patch itself: how the output ends of those that failed.
      checks: checks.map(({ command, exitCode, isFlaky, tail }) => ({ command, exitCode, isFlaky, tail })),
      standsOn,
      rounds,
      conflicts,
      isCompared,
      target,
    },
  };
}
