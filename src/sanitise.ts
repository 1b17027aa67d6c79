/**
 * The one place where text that an agent (or a repository) wrote becomes fit for a terminal. Nothing that leaves here
 * can move the cursor, change colours or titles, ring, hide letters or reorder them.
 */

import stripAnsi from 'strip-ansi';

/**
 * C0 but tab and newline, DEL, C1, soft hyphen, bidirectional marks, embeddings and isolates, zero-width characters, byte order
 * mark, invisible operators, line and paragraph separators, interlinear and tag characters.
 */
const CONTROL_RANGES =
  '\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}';
const CONTROLS = new RegExp(`[${CONTROL_RANGES}]|\\p{Surrogate}`, 'gu');
/** What most names and reasons are: decided without the long way, because \`status\` shows thousands of them. */
const PLAIN_LINE = /^[\x20-\x7e]*$/;
const ANY_CONTROL = new RegExp(CONTROLS.source, 'u');
/** The same and every other character without ink, but the selector that makes a sign a picture. */
const HIDDEN = new RegExp(
  `${CONTROLS.source}|(?![\\ufe0e\\ufe0f])\\p{Default_Ignorable_Code_Point}|(?<!\\p{Emoji})[\\ufe0e\\ufe0f]|\\u2800`,
  'gu',
);
const ANY_HIDDEN = new RegExp(HIDDEN.source, 'u');

/**
 * For what is read as text (an agent's output): escape sequences and controls are taken out, visible text stays.
 * Keeps newlines and tabs; a lone carriage return, which would overwrite the line, becomes a newline.
 */
export function sanitise(text: string): string {
  if (!ANY_CONTROL.test(text)) return text;
  return stripAnsi(text)
    .replace(/\r+\n/g, '\n')
    .replace(/[\r\u2028\u2029]/g, '\n')
    .replace(CONTROLS, (character) => (isLoneSurrogate(character) ? '\ufffd' : ''));
}

/** `sanitise` for one line, such as a title in a table: newlines and tabs become spaces. */
export function sanitiseLine(text: string): string {
  if (PLAIN_LINE.test(text)) return text;
  return sanitise(text)
    .replace(/[\n\t]+/g, ' ')
    .trim();
}

/**
 * For what is judged (a diff, a path, a branch): nothing is dropped, what cannot be seen is spelled out
 * (`\x1b`, `\u{202e}`), so that `.g<zero width>it` does not look like `.git`. Keeps newlines and tabs.
 */
export function reveal(text: string): string {
  if (!ANY_HIDDEN.test(text)) return text;
  return text.replace(HIDDEN, spell);
}

/** `reveal` for one line, such as a path. */
export function revealLine(text: string): string {
  return reveal(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t');
}

/** JSON of a value, unchanged in meaning, that a terminal can show: what is not plain text is written as `\uXXXX`. */
export function safeJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, null, indent).replace(CONTROLS, (character) =>
    Array.from({ length: character.length }, (_, index) => hex4(character.charCodeAt(index))).join(''),
  );
}

function hex4(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`;
}

function spell(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}

function isLoneSurrogate(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  return code >= 0xd800 && code <= 0xdfff;
}

/** A word of a command that people type: in quotes where a shell would act on it. */
export function shellWord(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
