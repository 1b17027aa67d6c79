/** A model that takes its role at its word: what the prompt names to begin with, to check with and to hand over, it does. */

import { answersSoFar, type ModelRequest, saidTo, type ToolCall, type Turn } from './model-server/script.ts';

/** What it writes in between, whatever the task is. */
export const WORK = { command: 'create', path: '/workspace/work.txt', file_text: 'done\n' };

/** First, a change, verify, hand over; a section that is not there is done with nothing. */
export function followsRole(request: ModelRequest): Turn {
  const [role = ''] = saidTo(request).split('\n\nYour task:\n\n');
  switch (answersSoFar(request)) {
    case 0:
      return { tools: [...callsIn(sectionOf(role, 'First')), { name: 'read_notes', input: {} }] };
    case 1:
      return { tools: [edit(WORK)] };
    case 2:
      return { tools: [...callsIn(sectionOf(role, 'Verify')), { name: 'read_notes', input: {} }] };
    default:
      return { tools: [{ name: 'finish', input: { summary: headingsIn(sectionOf(role, 'Hand over')) || 'done' } }] };
  }
}

function sectionOf(prompt: string, heading: string): string {
  return prompt.split(/^## /m).find((section) => section.startsWith(`${heading}\n`)) ?? '';
}

/** The lines of its `sh` block as commands, and what it says to look at as views. */
function callsIn(section: string): ToolCall[] {
  const script = /^```sh\n([\s\S]*?)^```/m.exec(section)?.[1] ?? '';
  const commands = script.split('\n').filter((line) => line !== '');
  const files = [...section.matchAll(/^- Look at `([^`]+)`$/gm)].map(([, path]) => `/workspace/${path}`);
  return [
    ...commands.map((command) => ({ name: 'bash', input: { command } })),
    ...files.map((path) => edit({ command: 'view', path })),
  ];
}

function headingsIn(section: string): string {
  return [...section.matchAll(/^- \*\*([^*]+)\*\*:/gm)].map(([, heading]) => heading).join(', ');
}

function edit(input: Readonly<Record<string, unknown>>): ToolCall {
  return { name: 'str_replace_based_edit_tool', input };
}
