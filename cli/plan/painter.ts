/** Brings lines onto a terminal: only what changed since the last time, and nothing but letters and colours. */

import { sanitiseLine } from '../../src/sanitise.ts';

interface Output {
  write(text: string): unknown;
}

export interface Place {
  readonly row: number;
  readonly column: number;
}

const ENTER = '\x1b[?1049h\x1b[?7l\x1b[?2004h\x1b[?25l\x1b[2J';
const LEAVE = '\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[0m\x1b[?1049l';
/** Synchronised output, so that no half of a screen is ever seen; terminals that do not know it ignore it. */
const BEGIN = '\x1b[?2026h\x1b[?25l';
const END = '\x1b[?2026l';

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours and weights begin with one
const STYLES = /(\x1b\[[0-9;]*m)/;

export class Painter {
  readonly #out: Output;
  #shown: readonly string[] = [];
  #isOpen = false;

  constructor(out: Output) {
    this.#out = out;
  }

  /** To the other screen buffer: what the person had on theirs is there again afterwards. */
  enter(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#shown = [];
    this.#out.write(ENTER);
  }

  leave(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#out.write(LEAVE);
  }

  /** The terminal shows something else than was painted, or has another size. */
  forget(): void {
    this.#shown = [];
    if (this.#isOpen) this.#out.write('\x1b[2J');
  }

  /** The lines from the top of the screen; the cursor is hidden where there is no place for it. */
  paint(lines: readonly string[], caret: Place | null): void {
    if (!this.#isOpen) return;
    const fit = lines.map(harmless);
    let text = BEGIN;
    for (let row = 0; row < Math.max(fit.length, this.#shown.length); row += 1) {
      if (fit[row] !== this.#shown[row]) text += `\x1b[${row + 1};1H\x1b[0m${fit[row] ?? ''}\x1b[0m\x1b[K`;
    }
    if (caret !== null) text += `\x1b[${caret.row + 1};${caret.column + 1}H\x1b[?25h`;
    this.#shown = fit;
    this.#out.write(text + END);
  }
}

/** Whatever a view let through: of escape sequences only those that colour. */
function harmless(line: string): string {
  return line
    .split(STYLES)
    .map((part, index) => (index % 2 === 1 ? part : visible(part)))
    .join('');
}

/** The sanitiser trims, and blanks at the edges are columns here. */
function visible(part: string): string {
  return part === '' ? '' : sanitiseLine(`.${part}.`).slice(1, -1);
}
