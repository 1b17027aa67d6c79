/**
 * The scripted engine: no model, no key. It does what the task's description spells out in a fenced `sh` block, so that
 * demos and tests can make an agent do, or fail to do, anything. Without such a block it writes the task down in a file.
 */

import { shellSession } from './command.ts';
import type { Assignment, Engine } from './engine.ts';

const SCRIPT_BLOCK = /^```sh\n([\s\S]*?)^```/m;

export const demoEngine: Engine = {
  name: 'demo',
  apis: [],
  begin: (assignment) => shellSession(scriptOf(assignment), assignment),
};

function scriptOf(assignment: Assignment): string {
  const script = SCRIPT_BLOCK.exec(assignment.description)?.[1];
  if (script !== undefined) return script;
  return [
    'set -e',
    'echo "reading the task as $ORCHESTRATE_ROLE"',
    'mkdir -p demo',
    'cp "$ORCHESTRATE_CONTEXT_DIR/task.md" "demo/$ORCHESTRATE_TASK_ID.md"',
    'echo "wrote demo/$ORCHESTRATE_TASK_ID.md"',
  ].join('\n');
}
