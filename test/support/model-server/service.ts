/** What the two model services have in common for the server: how a turn looks as events, as JSON, and as an error. */

import type { PromptCache } from './prompt-cache.ts';
import type { Body, Turn, TurnUsage } from './script.ts';

/** One server-sent event. */
export interface ServerEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface Telling {
  readonly turn: Turn;
  readonly usage: TurnUsage;
  readonly body: Body;
  /** Makes ids of an answer unlike those of others. */
  readonly n: number;
}

export interface Service {
  /** What the service would refuse the body for; null: nothing. */
  problemOf(body: Body): string | null;
  cached(cache: PromptCache, body: Body): ReturnType<PromptCache['messages']>;
  events(telling: Telling): readonly ServerEvent[];
  whole(telling: Telling): Body;
  /** @param type null: what the service calls that status */
  error(status: number, type: string | null, message: string): Body;
  /** The event that ends a stream that has gone wrong. */
  errorEvent(message: string): ServerEvent;
}

/** The pieces of a turn's text, each of which is an event. */
export function piecesOf({ text }: Turn): readonly string[] {
  if (text === undefined) return [];
  return typeof text === 'string' ? [text] : text;
}

/** What the model said and called, as a text to count tokens of. */
export function writtenBy(turn: Turn): string {
  const calls = (turn.tools ?? []).map(({ name, input }) => name + JSON.stringify(input));
  return [turn.thinking ?? '', ...piecesOf(turn), ...calls].join('');
}
