/** The conversation as it is kept on the disk, so that a coordinator that was killed goes on where it was. */

import { open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import type { BetaMessageParam, BetaStopReason } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { failure } from '../../errors.ts';
import { NO_USAGE, type Usage } from '../../types.ts';

const FILE = 'conversation.json';
/** Compaction keeps it far below; what is larger is none of ours. */
const MAX_BYTES = 64 * 1024 * 1024;

export interface Conversation {
  readonly version: 1;
  /** That answers; not given: written by a version that did not write it down. */
  readonly model?: string;
  /** Ends with the model's last answer once there is one. */
  readonly messages: readonly BetaMessageParam[];
  /** Why that answer ended; null before the first one. */
  readonly stop: BetaStopReason | null;
  /** Numbers of the tool calls in the last answer, by the id that the model gave them. */
  readonly calls: Readonly<Record<string, number>>;
  /** Number of the next tool call. */
  readonly nextCall: number;
  readonly turns: number;
  readonly usage: Usage;
  /** Answers in a row without a tool call, and ones that were cut off. */
  readonly idle: number;
  readonly cutOff: number;
  /** Tokens of all messages, as of the last answer; not given: there is none, or as for `model`. */
  readonly tokens?: number;
  /** Set once the model said that it is done. */
  readonly summary: string | null;
}

/** @param messages ends with what the model is to answer first */
export function newConversation(model: string, messages: readonly BetaMessageParam[]): Conversation {
  return {
    version: 1,
    model,
    messages,
    stop: null,
    calls: {},
    nextCall: 1,
    turns: 0,
    usage: NO_USAGE,
    idle: 0,
    cutOff: 0,
    summary: null,
  };
}

/** All or nothing: whatever happens, the file is the old or the new one. */
export async function save(folder: string, conversation: Conversation): Promise<void> {
  const file = path.join(folder, FILE);
  const text = JSON.stringify(conversation);
  if (Buffer.byteLength(text) > MAX_BYTES)
    throw failure('CONVERSATION_TOO_LONG', 'the conversation cannot be saved: it is too long');
  const fresh = `${file}.new`;
  const handle = await open(fresh, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(fresh, file);
}

/** Null where nothing was saved. @throws OrchestrateError CONVERSATION_UNREADABLE */
export async function load(folder: string): Promise<Conversation | null> {
  const file = path.join(folder, FILE);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  try {
    const value = JSON.parse(text) as Conversation;
    if (value.version === 1 && Array.isArray(value.messages)) return value;
  } catch {
    // Said below.
  }
  throw failure('CONVERSATION_UNREADABLE', `the saved conversation ${file} cannot be read`);
}
