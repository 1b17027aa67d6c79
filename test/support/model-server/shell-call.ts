/** Calls of a client's own shell tool, whatever that client calls it. */

import { type Body, items, type ModelRequest, type ToolCall } from './script.ts';

/** A call that runs `command` in the workspace. Throws where the request offers no shell. */
export function shellCall(request: ModelRequest, command: string): ToolCall {
  const names = new Set(toolsOf(request).map(({ name }) => String(name)));
  if (names.has('Bash')) return { name: 'Bash', input: { command, description: 'Works on the task' } };
  if (names.has('bash')) return { name: 'bash', input: { command } };
  if (names.has('exec_command')) return { name: 'exec_command', input: { cmd: command } };
  // Code mode: the tools are functions of a script.
  if (names.has('exec')) {
    return { name: 'exec', input: `text(await tools.exec_command(${JSON.stringify({ cmd: command })}))` };
  }
  throw new Error(`the request offers no shell: ${[...names].join(', ')}`);
}

/** Tools of a request, those that stand among the items of the input and in namespaces included. */
function toolsOf({ body }: ModelRequest): readonly Body[] {
  const additional = items(body.input).filter(({ type }) => type === 'additional_tools');
  const all = [...items(body.tools), ...additional.flatMap(({ tools }) => items(tools))];
  return all.flatMap((tool) => [tool, ...items(tool.tools)]);
}
