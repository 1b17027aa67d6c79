/** A text that is being typed, in rows of a terminal, with the cursor's place. */

import type { Line } from '../../src/plan/session/line-editor.ts';
import { charactersOf, widthOf } from '../render/fit.ts';

export interface InputRows {
  readonly rows: readonly string[];
  /** Counted from the first row and column that are shown. */
  readonly caret: { readonly row: number; readonly column: number };
  /** Rows that are above and below what is shown. */
  readonly above: number;
  readonly below: number;
}

/** Broken anywhere, since every blank counts while it is typed; at most `most` rows, those around the cursor. */
export function inputRows(line: Line, width: number, most: number): InputRows {
  const rows = [''];
  let used = 0;
  let at = 0;
  let caret = { row: 0, column: 0 };
  for (const character of charactersOf(line.text)) {
    const wide = character === '\n' ? 0 : widthOf(character);
    // The cursor needs a column as well, behind the last character of a full row.
    if (used + wide >= width) {
      rows.push('');
      used = 0;
    }
    if (at <= line.caret) caret = { row: rows.length - 1, column: used };
    at += character.length;
    if (character === '\n') {
      rows.push('');
      used = 0;
      continue;
    }
    rows[rows.length - 1] += character;
    used += wide;
  }
  if (line.caret >= at) caret = { row: rows.length - 1, column: used };
  const above = Math.max(0, Math.min(rows.length - most, caret.row - Math.floor(most / 2)));
  const shown = rows.slice(above, above + most);
  return {
    rows: shown,
    caret: { row: caret.row - above, column: caret.column },
    above,
    below: rows.length - above - shown.length,
  };
}
