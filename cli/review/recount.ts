/** A patch that a person edited by hand, with what git counts in it made right again. Pure. */

const HEADER = /^@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@(.*)$/s;
const CONTENT = /^[ +\-\\]/;
const INDEX = /^index ([0-9a-f]{12})[0-9a-f]*\.\.([0-9a-f]{12})[0-9a-f]*/;

/**
 * Counts the lines of each hunk anew, moves the new side by what the hunks before it add, takes an empty line in a hunk for
 * an empty line of context (editors strip blanks), and leaves out hunks, and files, that change nothing any more. The ids
 * of files with hunks are shortened: they name what the content was before. All else stays.
 */
export function recounted(patch: Buffer): Buffer {
  const lines = patch.toString('latin1').split('\n');
  const starts = lines.flatMap((line, at) => (line.startsWith('diff --git ') ? [at] : []));
  const before = lines.slice(0, starts[0] ?? lines.length);
  const files = starts.map((start, at) => fileOf(lines.slice(start, starts[at + 1] ?? lines.length)));
  const text = [...before, ...files.flat()].join('\n');
  return Buffer.from(text === '' || text.endsWith('\n') ? text : `${text}\n`, 'latin1');
}

/** The lines of one file; none where nothing of it is left. */
function fileOf(lines: readonly string[]): string[] {
  const first = lines.findIndex((line) => HEADER.test(line));
  if (first < 0) return [...lines];
  const hunks: string[] = [];
  let shift = 0;
  let at = first;
  for (let header = HEADER.exec(lines[at] ?? ''); header !== null; header = HEADER.exec(lines[at] ?? '')) {
    const [, start = '0', count = '1', rest = ''] = header;
    const body = bodyAt(lines, at + 1, Number(count));
    at = body.end;
    if (!body.lines.some((line) => /^[+-]/.test(line))) continue;
    const [oldLines, newLines] = [linesOf(body.lines, '-'), linesOf(body.lines, '+')];
    const oldFirst = Number(start) + (Number(count) === 0 ? 1 : 0);
    hunks.push(`@@ -${range(oldFirst, oldLines)} +${range(oldFirst + shift, newLines)} @@${rest}`, ...body.lines);
    shift += newLines - oldLines;
  }
  const head = lines.slice(0, first).map((line) => line.replace(INDEX, 'index $1..$2'));
  const isMore = head.some((line) => /^(?:old mode|new file|deleted file|rename|copy) /.test(line));
  return hunks.length > 0 || isMore ? [...head, ...hunks, ...lines.slice(at)] : [];
}

interface Body {
  readonly lines: readonly string[];
  /** Index behind it. */
  readonly end: number;
}

function bodyAt(lines: readonly string[], from: number, oldLines: number): Body {
  let end = from;
  while (end < lines.length && (lines[end] === '' || CONTENT.test(lines[end] ?? ''))) end += 1;
  // Empty lines behind all that there was are the editor's, or what is behind the last newline; not the file's.
  let last = end;
  while (last > from && lines[last - 1] === '' && linesOf(lines.slice(from, last), '-') > oldLines) last -= 1;
  return { lines: lines.slice(from, last).map((line) => (line === '' ? ' ' : line)), end };
}

/** Of the side that has lines with this sign besides those of context. */
function linesOf(body: readonly string[], sign: '+' | '-'): number {
  return body.filter((line) => line === '' || line.startsWith(' ') || line.startsWith(sign)).length;
}

/** As git writes it: a range without lines names the line before it. */
function range(first: number, lines: number): string {
  if (lines === 0) return `${first - 1},0`;
  return lines === 1 ? String(first) : `${first},${lines}`;
}
