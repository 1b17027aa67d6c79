/**
 * The scripted engine: no model, no key. It does what the task's description spells out in a fenced `sh` block, so that
 * demos and tests can make an agent do, or fail to do, anything. Without such a block it writes the task down in a file.
 * Where changes were requested of its work, the newest request is what counts.
 */

import { CHANGE_REQUEST, shellSession } from './command.ts';
import type { Assignment, Engine } from './engine.ts';

const SCRIPT_BLOCK = /^```sh\n([\s\S]*?)^```/m;

export const demoEngine: Engine = {
  name: 'demo',
  apis: [],
  begin: (assignment) => shellSession(scriptOf(assignment), assignment),
};

function scriptOf(assignment: Assignment): string {
  const requested = assignment.earlier?.requests.at(-1)?.message;
  const script = SCRIPT_BLOCK.exec(requested ?? assignment.description)?.[1];
  if (script !== undefined) return script;
  const [file, name] = requested === undefined ? ['task.md', '.md'] : [CHANGE_REQUEST, '.changes.md'];
  return [
    'set -e',
    'echo "reading the task as $ORCHESTRATE_ROLE"',
    'mkdir -p demo',
    `cp "$ORCHESTRATE_CONTEXT_DIR/${file}" "demo/$ORCHESTRATE_TASK_ID${name}"`,
    `echo "wrote demo/$ORCHESTRATE_TASK_ID${name}"`,
  ].join('\n');
}
