/** What a run says, kept beside the state for whoever looks in the morning: lines with the time, bounded. */

import { appendFileSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { dayText, secondText } from '../local-time.ts';
import { sanitise } from '../sanitise.ts';
import type { RunId } from '../types.ts';

/** One that grows beyond this starts anew; the part before stays beside it, and no other. */
const PART_BYTES = 16 * 1024 * 1024;

/** The newest part of a run's log; it need not exist. */
export function runLogFile(stateDir: string, run: RunId): string {
  return join(runLogFolder(stateDir), `${run}.log`);
}

export function runLogFolder(stateDir: string): string {
  return join(stateDir, 'runs');
}

export class RunLog {
  readonly file: string;
  readonly #partBytes: number;
  #bytes: number;

  /** Appends to what is there already. The file is for its owner alone. */
  constructor(stateDir: string, run: RunId, partBytes: number = PART_BYTES) {
    this.file = runLogFile(stateDir, run);
    this.#partBytes = partBytes;
    mkdirSync(dirname(this.file), { recursive: true, mode: 0o700 });
    this.#bytes = statSync(this.file, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Each line of `text`, sanitised, after the time (local). Where it cannot be written it is lost: a run works on. */
  say(text: string, at: Date = new Date()): void {
    const time = localTime(at);
    const lines = sanitise(text).trimEnd().split('\n');
    const bytes = Buffer.from(lines.map((line) => `${time} ${line}\n`).join(''));
    try {
      if (this.#bytes > 0 && this.#bytes + bytes.length > this.#partBytes) {
        renameSync(this.file, `${this.file}.1`);
        this.#bytes = 0;
      }
      appendFileSync(this.file, bytes, { mode: 0o600 });
      this.#bytes += bytes.length;
    } catch {
      // The disk is full, say.
    }
  }

  remove(): void {
    for (const part of [this.file, `${this.file}.1`]) rmSync(part, { force: true });
  }
}

/** `2026-03-01 19:02:11`: a night has two days. */
function localTime(at: Date): string {
  return `${dayText(at)} ${secondText(at)}`;
}
