/** The end of a transcript, for one example of each cause of failure. */

import { open } from 'node:fs/promises';
import { claudeTranscript } from '../engine/claude.ts';
import type { TranscriptReader } from '../engine/cli.ts';
import { codexTranscript } from '../engine/codex.ts';
import { sanitise } from '../sanitise.ts';
import { transcriptFile } from '../tasks/retention.ts';
import type { Report } from './figures.ts';
import { oneLine } from './words.ts';

const TAIL_BYTES = 64 * 1024;
const MOST_LINES = 8;
const MOST_LETTERS = 200;

/** The report with the last lines that the examples' agents wrote: fit to be shown, still to be escaped. */
export async function withLastLines(report: Report, stateDir: string): Promise<Report> {
  const items = await Promise.all(
    report.failed.items.map(async (failure) => {
      const tail = await tailOf(transcriptFile(stateDir, failure.example));
      return { ...failure, lastLines: linesOf(textOf(tail, failure.engine)) };
    }),
  );
  return { ...report, failed: { ...report.failed, items } };
}

/** Null where there is no transcript, or it cannot be read: the report is made without. */
async function tailOf(path: string): Promise<{ readonly data: Buffer; readonly isAll: boolean } | null> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const from = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(Math.min(size, TAIL_BYTES)),
      0,
      Math.min(size, TAIL_BYTES),
      from,
    );
    return { data: buffer.subarray(0, bytesRead), isAll: from === 0 };
  } catch {
    return null;
  }
}

/** Some programs print events for programs; those that begin before the tail are left out. */
function textOf(tail: Awaited<ReturnType<typeof tailOf>>, engine: string): string {
  if (tail === null) return '';
  const reader = readerOf(engine);
  if (reader === null) return tail.data.toString();
  const whole = tail.isAll ? tail.data : tail.data.subarray(tail.data.indexOf('\n') + 1);
  return [...reader.read(whole), ...reader.end()]
    .map((event) =>
      event.type === 'usage' ? '' : event.type === 'text' ? event.text : `> ${event.tool}: ${event.detail}`,
    )
    .join('\n');
}

function readerOf(engine: string): TranscriptReader | null {
  if (engine === 'claude') return claudeTranscript();
  return engine === 'codex' ? codexTranscript() : null;
}

function linesOf(text: string): string[] {
  const lines = sanitise(text).split('\n');
  const said = lines.filter((line) => line.trim() !== '').slice(-MOST_LINES);
  return said.map((line) => oneLine(line.replaceAll('\t', '  ').trimEnd(), MOST_LETTERS));
}
