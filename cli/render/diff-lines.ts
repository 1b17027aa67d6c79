/** A patch's text for the eye, line by line, so that one of any size can be shown: nothing in it acts on a terminal. */

import { StringDecoder } from 'node:string_decoder';
import { reveal } from '../../src/sanitise.ts';
import type { Colours } from './text.ts';

/** Characters of a line that are shown; how many more there are is said. */
const LONGEST_LINE = 4_000;

/** Text of whole lines, each with its newline. Encoded content of binary files, which says nothing to the eye, is told as that. */
export async function* diffLines(diff: AsyncIterable<Uint8Array>, colours: Colours): AsyncGenerator<string> {
  const eye = new DiffEye(colours);
  const decoder = new StringDecoder('utf8');
  // Of a line that has not ended, no more is kept than is shown.
  let begun = '';
  let more = 0;
  for await (const chunk of diff) {
    const [first = '', ...lines] = decoder.write(Buffer.from(chunk)).split('\n');
    more += Math.max(0, begun.length + first.length - LONGEST_LINE);
    begun += first.slice(0, Math.max(0, LONGEST_LINE - begun.length));
    const next = lines.pop();
    if (next === undefined) continue;
    yield eye.line(begun, more) + lines.map((line) => eye.line(line)).join('');
    more = Math.max(0, next.length - LONGEST_LINE);
    begun = next.slice(0, LONGEST_LINE);
  }
  begun += decoder.end();
  if (begun !== '') yield eye.line(begun, more);
}

/** One line of a hunk, with its sign. */
export function hunkLine(line: string, colours: Colours): string {
  return coloured(line, shortened(line), colours);
}

function coloured(line: string, text: string, colours: Colours): string {
  if (line.startsWith('+')) return colours.green(text);
  return line.startsWith('-') ? colours.red(text) : text;
}

/** `more`: characters that are left out already. */
function shortened(line: string, more = 0): string {
  const kept = line.slice(0, LONGEST_LINE).replace(/[\uD800-\uDBFF]$/, '');
  const missing = line.length - kept.length + more;
  return missing === 0 ? reveal(line) : `${reveal(kept)} … [${missing} more characters of this line are not shown]`;
}

const HUNK = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/;

/** Knows by the hunks' own numbers which lines are content: an agent's line is never taken for a header. */
class DiffEye {
  #isBinary = false;
  /** Lines of the two sides that the hunk still has. */
  #left = { old: 0, new: 0 };

  constructor(readonly colours: Colours) {}

  /** `more`: characters of it that were not kept. */
  line(line: string, more = 0): string {
    if (this.#left.old > 0 || this.#left.new > 0) return `${this.#content(line, more)}\n`;
    if (line.startsWith('diff --git ')) this.#isBinary = false;
    if (this.#isBinary) return '';
    if (line === 'GIT binary patch') {
      this.#isBinary = true;
      return '(binary content; `patch show` into a pipe or --output has it)\n';
    }
    const hunk = HUNK.exec(line);
    if (hunk !== null) {
      this.#left = { old: Number(hunk[1] ?? 1), new: Number(hunk[2] ?? 1) };
      return `${this.colours.cyan(shortened(line, more))}\n`;
    }
    return `${this.colours.bold(shortened(line, more))}\n`;
  }

  #content(line: string, more: number): string {
    const [sign] = line;
    if (sign !== '+' && sign !== '\\') this.#left.old -= 1;
    if (sign !== '-' && sign !== '\\') this.#left.new -= 1;
    return coloured(line, shortened(line, more), this.colours);
  }
}
