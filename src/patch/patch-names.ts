/** Names in the headers of a patch, as git quotes them (quote.c). One character per byte. */

const LETTERS: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '"': '"',
  '\\': '\\',
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what git quotes
const NEEDS_QUOTES = /[\x00-\x1f\x7f"\\]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the same
const QUOTED = /"((?:[^\x00-\x1f\x7f"\\]|\\[abfnrtv"\\]|\\[0-3][0-7]{2})*)"/y;

/** Decodes one name, quoted or plain, that fills the text. Null when git would not write it like this. */
export function decodeName(text: string): string | null {
  if (!text.startsWith('"')) return NEEDS_QUOTES.test(text) ? null : text;
  const quoted = quotedAt(text, 0);
  return quoted !== null && quoted.end === text.length ? quoted.name : null;
}

function quotedAt(text: string, at: number): { readonly name: string; readonly end: number } | null {
  QUOTED.lastIndex = at;
  const match = QUOTED.exec(text);
  if (match === null) return null;
  const name = (match[1] ?? '').replace(/\\(?:([0-7]{3})|(.))/g, (_all, octal: string | undefined, letter: string) =>
    octal === undefined ? (LETTERS[letter] ?? '') : String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return { name, end: QUOTED.lastIndex };
}

export interface TwoNames {
  readonly oldName: string;
  readonly newName: string;
}

/**
 * The names behind `diff --git `, without `a/` and `b/`. Between plain names with spaces only one cut makes them equal;
 * where they differ, `known` (of the rename or copy) tells. Null when it is not what git writes.
 */
export function headerNames(text: string, known: TwoNames | null): TwoNames | null {
  const [first, second] = twoTokens(text, known) ?? [null, null];
  if (first?.startsWith('a/') !== true || second?.startsWith('b/') !== true) return null;
  const names = { oldName: first.slice(2), newName: second.slice(2) };
  const wanted = known ?? { oldName: names.newName, newName: names.oldName };
  return names.oldName === wanted.oldName && names.newName === wanted.newName ? names : null;
}

function twoTokens(text: string, known: TwoNames | null): readonly [string, string | null] | null {
  if (text.startsWith('"')) {
    const first = quotedAt(text, 0);
    if (first === null || text[first.end] !== ' ') return null;
    return [first.name, decodeName(text.slice(first.end + 1))];
  }
  const quote = text.indexOf(' "');
  const cut = quote !== -1 ? quote : known === null ? (text.length - 1) / 2 : known.oldName.length + 2;
  if (!Number.isInteger(cut) || text[cut] !== ' ') return null;
  const first = decodeName(text.slice(0, cut));
  return first === null ? null : [first, decodeName(text.slice(cut + 1))];
}

/** The name behind `--- ` or `+++ `: git ends it with a tab when it has a space in it. Null when it is not that. */
export function fileName(text: string): string | null {
  const bare = text.endsWith('\t') ? text.slice(0, -1) : text;
  return bare.includes(' ') === text.endsWith('\t') ? decodeName(bare) : null;
}
