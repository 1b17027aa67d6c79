/** Reads from what a command prints how much it has used, by a pattern of the user's settings. */

import type { OutputChunk } from '../sandbox/sandbox.ts';
import { NO_USAGE, type Usage } from '../types.ts';
import type { AgentEvent } from './engine.ts';

type Read = (chunk: OutputChunk) => readonly AgentEvent[];

/** Nobody prints such a figure in a longer line; and a pattern costs time by the length. */
const LONGEST_LINE = 4096;

/**
 * `read`, with a usage event for each line that the pattern matches. Its named groups are `input`, `output`, `cacheRead`,
 * `cacheWrite` (tokens) and `usd`, all so far; thousands may be separated by commas. A match without figures counts as none.
 */
export function readerWithUsage(read: Read, pattern: string): Read {
  const expression = new RegExp(pattern);
  let line = '';
  return (chunk) => {
    const events = read(chunk);
    const found: AgentEvent[] = [];
    for (const event of events) {
      if (event.type !== 'text') continue;
      const lines = (line + event.text).split('\n');
      line = (lines.pop() ?? '').slice(-LONGEST_LINE);
      for (const one of lines) {
        const usage = usageIn(expression, one.slice(-LONGEST_LINE));
        if (usage !== null) found.push({ type: 'usage', usage });
      }
    }
    return found.length === 0 ? events : [...events, ...found];
  };
}

function usageIn(expression: RegExp, line: string): Usage | null {
  const groups = expression.exec(line)?.groups;
  if (groups === undefined) return null;
  const figure = (name: string): number | null => {
    const text = groups[name]?.replaceAll(',', '');
    return text === undefined || !/^\d+(\.\d+)?$/.test(text) ? null : Number(text);
  };
  const usage: Usage = {
    inputTokens: figure('input') ?? 0,
    outputTokens: figure('output') ?? 0,
    cacheReadTokens: figure('cacheRead') ?? 0,
    cacheWriteTokens: figure('cacheWrite') ?? 0,
    usd: figure('usd'),
  };
  return JSON.stringify(usage) === JSON.stringify(NO_USAGE) ? null : usage;
}
