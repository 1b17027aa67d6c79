/** A model that does what the task's description spells out in a fenced `sh` block, as the scripted engine does. */

import { answersSoFar, type ModelRequest, saidTo, type Turn } from './script.ts';
import { shellCall } from './shell-call.ts';

const SCRIPT_BLOCK = /^```sh\n([\s\S]*?)^```/m;

/** First the call, then one sentence. Requests without tools (titles, summaries) get a sentence at once. */
export function obedient(request: ModelRequest): Turn {
  const script = SCRIPT_BLOCK.exec(taskIn(saidTo(request)))?.[1];
  if (script === undefined) return { text: 'Nothing was to be done.' };
  if (answersSoFar(request) > 0) return { text: 'Done as the task says.' };
  return { text: 'I do what the task says.', tools: [shellCall(request, script.trim())] };
}

/** Without the role that may stand before it, which names commands of its own. */
function taskIn(said: string): string {
  const mark = '\n\nYour task:\n\n';
  const at = said.indexOf(mark);
  return at < 0 ? said : said.slice(at + mark.length);
}
