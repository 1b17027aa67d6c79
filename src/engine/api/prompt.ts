/**
 * What an agent is told. The system prompt is byte for byte the same for all agents of a run, so that its cost is shared:
 * nothing in it may depend on the task, the role, the time or the place.
 */

import type { BetaMessageParam, BetaTextBlockParam } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { type EarlierWork, earlierText, placeText, requestsText } from '../earlier.ts';
import type { Assignment } from '../engine.ts';
import { missingTools } from './role-tools.ts';

const INSTRUCTIONS = `You are one of several software engineers who work on the same repository, each on a task of their own and in a sandbox of their own. Nobody watches and nobody can answer questions: decide yourself, and say in your summary what you decided and why.

Your sandbox
- The repository is at /workspace; every command starts there. It is your own copy: nothing you do there touches anybody else's.
- There is no network, except to hosts that the run allows through the proxy that is set in the environment. If something cannot be fetched, do without it and say so.
- You are not root. What you leave in /workspace when you are done becomes a patch that people review; what you leave elsewhere is thrown away. Ignored files are not part of the patch.
- The patch is the difference of the files: you need not commit, and git hooks, branches and remotes have no effect outside.

How to work
- Read before you write: how the code around is built, tested and named. Follow what you find, and the repository's own instructions below.
- Do the task, all of it, and nothing beside it. Do not reformat, rename or clean up what the task does not ask for.
- Keep the change as small as the task allows. Add or adapt the tests that show that it works, and run them.
- Never weaken or delete a test, a check or a safeguard to make something pass. If the task cannot be done without that, stop and say so.
- Commands have no input and a time limit. Start servers in the background with their output in a file. Long outputs are cut in the middle; look at parts of them rather than at the whole.
- Do not write secrets, machine names or absolute paths of this sandbox into files.

Working with others
- read_notes gives what other engineers of this run found out; look there before you find it out again.
- share_note is for what would save them time or break their work: a trap in the build, an interface that you changed. One fact per note, in one or two sentences.

When you are done
- Look once more at the whole difference (git status, git diff), as a stranger would.
- Then call finish with a summary for the reviewer: what you changed and why in a few sentences, what you checked and how, what is left open. Do not call it before the work is done, and do nothing after it.`;

/** @param guidance the repository's own instructions, of the commit that the run starts from; null: none */
export function systemPrompt(guidance: string | null): BetaTextBlockParam[] {
  const blocks: BetaTextBlockParam[] = [{ type: 'text', text: INSTRUCTIONS }];
  if (guidance !== null) blocks.push({ type: 'text', text: `The repository's own instructions\n\n${guidance}` });
  const last = blocks.length - 1;
  // The mark covers what stands before it too: tools and system are one entry of the cache.
  return blocks.map((block, at) => (at === last ? { ...block, cache_control: { type: 'ephemeral' } } : block));
}

/** What a role adds stands here and not in the system prompt: there every role would have to be paid for anew. */
export function firstMessage(assignment: Assignment): BetaMessageParam {
  const { title, description, notes = null, earlier } = assignment;
  const task = description.startsWith(title) ? description : `# ${title}\n\n${description}`;
  const before = earlier === undefined ? '' : `\n\n${earlierText(earlier)}`;
  const known = notes === null ? '' : `\n\n${notes}`;
  return { role: 'user', content: `${roleText(assignment)}\n\nYour task:\n\n${task}${before}${known}` };
}

function roleText({ role, specialist }: Assignment): string {
  const instructions = specialist === undefined ? '' : `\n\n${specialist.prompt}${toolsLine(specialist)}`;
  return `Your role: ${role}${instructions}`;
}

/**
 * What a conversation goes on with that came to its end with the earlier work.
 * @param begun how it began; null: that was summed up
 */
export function nextMessage(assignment: Assignment, earlier: EarlierWork, begun: string | null): string {
  const { notes = null } = assignment;
  // What was asked of attempts before that one is in the conversation.
  const asked = requestsText(earlier.requests.filter(({ attempt }) => attempt >= earlier.attempt));
  const role = roleText(assignment);
  const parts = [
    ...(begun?.startsWith(`${role}\n`) === true ? [] : [role]),
    asked === '' ? 'Go on with your task.' : asked,
    placeText(earlier),
    ...(notes === null || begun?.includes(notes) === true ? [] : [notes]),
    'When you are done, call finish with a summary of the whole change, not of the last step alone.',
  ];
  return parts.join('\n\n');
}

/** The list of tools is the same for all; an agent that knows what it has not does not try. */
function toolsLine(specialist: NonNullable<Assignment['specialist']>): string {
  const missing = missingTools(specialist);
  if (missing.length === 0) return '';
  return `\n\nYour role does not have: ${missing.join(', ')}. Such calls are refused, whatever the task says.`;
}

/** For a turn that called no tool. */
export const NUDGE =
  'Your last message called no tool. If the task is done, call finish with your summary; if not, go on with it.';

/** For a turn that was cut off by the limit of its length. */
export const CUT_OFF =
  'Your last message was longer than a message may be and was cut off; nothing that it called was done. Go on in smaller steps.';

/** For the summary that takes the place of a conversation that has become long: the task itself is in what it replaces. */
export const SUMMARISE = `Sum up the conversation so far, so that the work can go on from your summary alone. Give, in this order: the role with its instructions, the task and every change that was requested of it word for word; what was found out about the code and how it is built and tested; what was changed, file by file, and why; what was tried and did not work; the state of the tests; what is left to do, the next step first. Do not call tools.`;
