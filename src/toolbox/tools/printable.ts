/** What a program wrote, as text that a model can read. */

/** Colours, cursor movements, window titles. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const ESCAPE_SEQUENCES = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROL_CHARACTERS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/** UTF-8 as it is; terminal sequences left out, other control characters as `\xNN`, bytes that are no UTF-8 as U+FFFD. */
export function printable(bytes: Buffer): string {
  return bytes
    .toString('utf8')
    .replace(ESCAPE_SEQUENCES, '')
    .replace(/\r\n?/g, '\n')
    .replace(CONTROL_CHARACTERS, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** At most about `limit` characters: beginning and end, and between them a line that says what is missing. */
export function withoutMiddle(text: string, limit: number, line: (missing: number) => string): string {
  if (text.length <= limit) return text;
  const half = Math.floor(limit / 2);
  return `${text.slice(0, half)}\n${line(text.length - 2 * half)}\n${text.slice(text.length - half)}`;
}
