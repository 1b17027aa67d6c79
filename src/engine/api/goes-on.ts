/** How a conversation that came to its end goes on in a new attempt: byte for byte what it was, and one turn more. */

import type {
  BetaContentBlockParam,
  BetaMessageParam,
  BetaToolResultBlockParam,
} from '@anthropic-ai/sdk/resources/beta/messages/messages';
import type { Assignment } from '../engine.ts';
import { nextMessage } from './prompt.ts';
import { type Conversation, load, newConversation } from './saved.ts';

/** After these the model waits for what comes next; after all others its answer is not whole. */
const WHOLE_ENDS: readonly unknown[] = ['tool_use', 'end_turn', 'stop_sequence'];

/**
 * The conversation in `folder` with what the assignment asks for now as its next turn. Null where there is none that can be
 * gone on with: it is gone or damaged, was held with another model (whose thoughts this one does not take), or its last
 * answer is not whole.
 */
export async function goneOnWith(
  folder: string | null,
  assignment: Assignment,
  model: string,
): Promise<Conversation | null> {
  const { earlier } = assignment;
  if (folder === null || earlier === undefined) return null;
  const saved = await load(folder).catch(() => null);
  if (saved === null || saved.model !== model || !WHOLE_ENDS.includes(saved.stop)) return null;
  const { messages, summary, tokens = 0 } = saved;
  const last = messages.at(-1);
  if (!messages.every(isMessage) || last?.role !== 'assistant' || !saysSomething(last)) return null;
  const begun = messages[0]?.role === 'user' ? textOf(messages[0]) : null;
  const text = nextMessage(assignment, earlier, begun);
  const content: BetaContentBlockParam[] = [...answersTo(last, summary !== null), { type: 'text', text }];
  return { ...newConversation(model, [...messages, { role: 'user', content }]), tokens };
}

/** Every call must be answered, the one that ended the attempt too. */
function answersTo({ content = [] }: BetaMessageParam, isFinished: boolean): BetaToolResultBlockParam[] {
  if (typeof content === 'string') return [];
  return content.flatMap((block): BetaToolResultBlockParam[] => {
    if (block.type !== 'tool_use') return [];
    const answer = { type: 'tool_result', tool_use_id: block.id } as const;
    if (block.name === 'finish' && isFinished) return [{ ...answer, content: 'done' }];
    return [{ ...answer, content: 'the attempt ended before its result was kept', is_error: true }];
  });
}

function isMessage(value: unknown): boolean {
  if (!isRecord(value) || (value.role !== 'user' && value.role !== 'assistant')) return false;
  const { content } = value;
  if (typeof content === 'string') return content !== '';
  return Array.isArray(content) && content.every((block) => isRecord(block) && typeof block.type === 'string');
}

/** The service takes no answer back that has nothing but thoughts in it. */
function saysSomething({ content = [] }: BetaMessageParam): boolean {
  if (typeof content === 'string') return content.trim() !== '';
  return content.some((block) => block.type === 'tool_use' || (block.type === 'text' && block.text.trim() !== ''));
}

function textOf({ content = [] }: BetaMessageParam): string {
  if (typeof content === 'string') return content;
  return content.map((block) => (block.type === 'text' ? block.text : '')).join('\n');
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
