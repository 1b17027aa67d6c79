/** What a role's tools, which have the names of Claude Code, mean for the tools of this engine. Pure. */

import { hasTool } from '../../roles/role.ts';
import type { ToolCall } from '../../toolbox/toolbox.ts';
import type { Assignment } from '../engine.ts';

type Call = Pick<ToolCall, 'tool' | 'input'>;
type Specialist = NonNullable<Assignment['specialist']>;

/** What each act needs: any one of these. */
const ACTS = [
  { name: 'bash', needs: ['Bash'], is: ({ tool }: Call) => tool === 'bash' },
  {
    name: 'viewing files',
    needs: ['Read', 'Glob', 'Grep', 'LS'],
    is: ({ tool, input }: Call) => tool === 'edit' && input.command === 'view',
  },
  {
    name: 'creating files',
    needs: ['Write'],
    is: ({ tool, input }: Call) => tool === 'edit' && input.command === 'create',
  },
  // Also for what the editor may learn one day: nothing that is not known is let through.
  { name: 'editing files', needs: ['Write', 'Edit', 'MultiEdit'], is: ({ tool }: Call) => tool === 'edit' },
] as const;

/** Why an agent may not make a call, as its model is told; null: it may. */
export function refusalFor({
  role,
  specialist,
}: Pick<Assignment, 'role' | 'specialist'>): (call: Call) => string | null {
  return (call) => {
    const act = ACTS.find(({ is }) => is(call));
    if (specialist === undefined || act === undefined || hasTool(specialist, ...act.needs)) return null;
    return `your role ${role} does not have ${act.needs.join(' or ')}, which ${act.name} takes`;
  };
}

/** What an agent of that role cannot do, in words for its model. */
export function missingTools(specialist: Specialist): readonly string[] {
  return ACTS.filter(({ needs }) => !hasTool(specialist, ...needs)).map(({ name }) => name);
}
