/** Output of programs that print JSON Lines, cut into lines as it comes. */

/** What a line is read as; a line that is no JSON object is text. */
export type Line =
  | { readonly kind: 'json'; readonly value: Readonly<Record<string, unknown>> }
  | { readonly kind: 'text'; readonly text: string }
  /** Longer than is kept: left out. */
  | { readonly kind: 'too-long'; readonly bytes: number };

const NEWLINE = 0x0a;
const OPENING_BRACE = 0x7b;
/** Results of tools are the longest lines; an agent's own message is far shorter. */
const MAX_LINE = 4 * 1024 * 1024;

export class JsonLines {
  readonly #limit: number;
  #parts: Buffer[] = [];
  #bytes = 0;

  /** @param limit bytes of a line that are kept while its end has not come */
  constructor(limit = MAX_LINE) {
    this.#limit = limit;
  }

  /** The lines that end in this piece. */
  push(data: Buffer): readonly Line[] {
    const lines: Line[] = [];
    let from = 0;
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, from)) {
      this.#keep(data.subarray(from, end));
      lines.push(...this.end());
      from = end + 1;
    }
    this.#keep(data.subarray(from));
    return lines;
  }

  /** What came after the last newline, as a line. */
  end(): readonly Line[] {
    const bytes = this.#bytes;
    const line = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    if (bytes > this.#limit) return [{ kind: 'too-long', bytes }];
    return line.length === 0 ? [] : [readLine(line)];
  }

  #keep(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes > this.#limit) this.#parts = [];
    // Copied: the piece it lies in may be large, and is free to be used again.
    else if (part.length > 0) this.#parts.push(Buffer.from(part));
  }
}

function readLine(line: Buffer): Line {
  const text = line.toString('utf8');
  if (line[0] !== OPENING_BRACE) return { kind: 'text', text };
  try {
    return { kind: 'json', value: JSON.parse(text) as Readonly<Record<string, unknown>> };
  } catch {
    return { kind: 'text', text };
  }
}
