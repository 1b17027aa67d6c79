/** What agents printed, as text for people, whichever program they are. */

import type { TranscriptReader } from './cli.ts';
import type { AgentEvent } from './engine.ts';

/** Some programs print events for programs; null: what was printed is for people as it is. */
export async function transcriptReader(engine: string): Promise<TranscriptReader | null> {
  if (engine === 'claude') return (await import('./claude.ts')).claudeTranscript();
  if (engine === 'codex') return (await import('./codex.ts')).codexTranscript();
  return null;
}

export function textOfEvents(events: readonly AgentEvent[]): string {
  return events
    .map((event) => {
      if (event.type === 'usage' || event.type === 'result') return '';
      const text = event.type === 'text' ? event.text : `> ${event.tool}: ${event.detail}`;
      return text.endsWith('\n') ? text : `${text}\n`;
    })
    .join('');
}
