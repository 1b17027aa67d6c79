/** The message of the commit that a patch becomes: title, what was done, and where it came from. */

import { sanitise, sanitiseLine } from '../sanitise.ts';
import type { AttemptRecord, TaskRecord } from '../state/records.ts';

/**
 * Subject: the task's title. Body: the agent's summary, else the task's description unless the title says it all.
 * Last paragraph: trailers. What agents wrote cannot add trailers of ours: such lines in the body are indented.
 */
export function commitMessage(task: TaskRecord, attempt: AttemptRecord | null): string {
  const subject = sanitiseLine(task.title) || task.id;
  const written = sanitise(attempt?.summary?.trim() || task.description).trim();
  const body = written
    .split('\n')
    .map((line) => line.trimEnd())
    .map((line) => (/^(?:orchestrate-[a-z-]+|signed-off-by|co-authored-by)\s*:/i.test(line) ? `    ${line}` : line))
    .join('\n');
  const trailers = [
    `Orchestrate-Task: ${task.id}`,
    ...(attempt === null ? [] : [`Orchestrate-Attempt: ${attempt.id}`]),
    `Orchestrate-Role: ${sanitiseLine(task.agent)}`,
    ...(attempt === null ? [] : [`Orchestrate-Engine: ${sanitiseLine(attempt.engine)}`]),
  ];
  const paragraphs = [subject, ...(body === '' || body === subject ? [] : [body]), trailers.join('\n')];
  return `${paragraphs.join('\n\n')}\n`;
}
