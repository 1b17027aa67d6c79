/**
 * Characters in added lines that a person does not see, or takes for others: Trojan Source (CVE-2021-42574), homoglyphs
 * (CVE-2021-42694), hidden text for models, terminal control sequences; and text that git shows as binary.
 */

import type { Flag } from '../../types.ts';
import type { FlagCode } from './codes.ts';
import { flagOf, flagOfLines, type InspectedFile, type Line } from './inspected-file.ts';

const PLAIN = /^[\t\x20-\x7e]*\r?$/;
const CONTROL = /[^\P{Cc}\t\n\f\r]|\r(?=[^\r])/u;
/** Embeddings, overrides and isolates reorder; marks (LRM, RLM, ALM) only matter between directions. */
const REORDERS = /[\u202a-\u202e\u2066-\u2069]/;
const RIGHT_TO_LEFT = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
const INVISIBLE = /(?![\u202a-\u202e\u2066-\u2069])[\p{Default_Ignorable_Code_Point}\u2028\u2029\u2800\ufff9-\ufffb]/gu;
const MANY_BLANKS = 300;
const BLANKS = ' '.repeat(MANY_BLANKS);
/** Scripts whose letters are joined or kept apart by zero-width characters. */
const JOINS =
  /[\p{Script=Arabic}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gurmukhi}\p{Script=Gujarati}\p{Script=Oriya}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Khmer}\p{Script=Thai}\p{Script=Myanmar}\p{Script=Lao}\p{Script=Mongolian}\p{Script=Hebrew}\p{Script=Syriac}]/u;
const PICTURE = /[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}0-9#*]|\u200d|\ufe0f/u;

/** Prose, translations and data: letters of all scripts stand side by side there. */
const PROSE =
  /\.(?:md|markdown|mdx|txt|rst|adoc|po|pot|xlf|xliff|arb|strings|resx|csv|tsv|html?|xml|tex|srt|vtt|ftl|properties|json5?|ya?ml|svg|snap|dic|aff|lang)$|(?:^|\/)(?:locales?|i18n|l10n|lang(?:uage)?s?|translations?)\//;

/** Letters that look like Latin ones; a word of code that has them beside Latin letters reads like another word. */
const LOOKS_LATIN = 'аеорсухіјѕԁԛԝһӏвнкмтАВЕКМНОРСТУХІЈЅԚԜӀΑΒΕΖΗΙΚΜΝΟΡΤΥΧοօսոհцɡɑɩⅼⅽⅾⅿⅰⅴⅹᴏᴄᴠᴡᴢꜱꞮᎪᏴᏟᎠᎬᎻᎫᏦᏞᎷᏢᎡᏚᎢᏙᎳᏃ';
const CONFUSABLE = new RegExp(`[${LOOKS_LATIN}\\uff21-\\uff3a\\uff41-\\uff5a\\u{1d400}-\\u{1d7ff}]`, 'u');
/** Neither ASCII nor like a Latin letter. */
const STRANGE = new RegExp(`[^\\x00-\\x7f${LOOKS_LATIN}\\uff21-\\uff3a\\uff41-\\uff5a\\u{1d400}-\\u{1d7ff}]`, 'u');
const WORD = /[\p{L}\p{M}\p{N}_$]{1,400}/gu;
/** All letters of the word look Latin, and it stands where code names something. */
const WHOLE = new RegExp(`^[${LOOKS_LATIN}]{2,}$`, 'u');
/** Look like an exclamation mark, a semicolon, a slash, brackets and the like, but belong to words or other scripts. */
const LOOKS_LIKE_CODE =
  /[\u01c3\u037e\u2024\u2044\u2215\u2216\ua789\ufe55\ufe68\u02d0\uff08\uff09\uff1b\uff1d\uff0f\uff3c]/;

const SOURCE =
  /\.(?:[cm]?[jt]sx?|py|pyi|rb|php|go|rs|java|kts?|scala|swift|cs|fs|vb|c|cc|cpp|cxx|h|hh|hpp|m|mm|lua|pl|pm|sh|bash|zsh|fish|ps1|bat|cmd|sql|r|jl|dart|ex|exs|erl|hs|clj|groovy|gradle|vue|svelte|css|scss|less|toml|ini|cfg|conf|ya?ml|json|tf|md|html?|xml|mk|cmake|nix|proto|graphql|sol|asm)$|(?:^|\/)(?:makefile|dockerfile|jenkinsfile|gemfile|rakefile)$/;

/** Codes `bidi-text`, `invisible-text`, `confusable-text`, `control-text` and `hidden-text`. */
export function characters(file: InspectedFile): Flag[] {
  if (!file.isText) return hidden(file);
  const found: Record<'bidi' | 'invisible' | 'far' | 'confusable' | 'control', Line[]> = {
    bidi: [],
    invisible: [],
    far: [],
    confusable: [],
    control: [],
  };
  const isProse = PROSE.test(file.key);
  for (const line of file.added) {
    const { text } = line;
    if (isOutOfSight(text) && SOURCE.test(file.key)) found.far.push(line);
    if (PLAIN.test(text)) continue;
    if (CONTROL.test(text)) found.control.push(line);
    if (REORDERS.test(text)) found.bidi.push(line);
    if (hasInvisible(line)) found.invisible.push(line);
    if (!isProse && isConfusable(text)) found.confusable.push(line);
  }
  const flags = (code: FlagCode, lines: readonly Line[], detail: (first: string) => string) =>
    flagOfLines(file, code, lines, detail(lines[0]?.text ?? ''));
  return [
    ...flags(
      'bidi-text',
      found.bidi,
      (text) => `${nameOf(text, REORDERS)} makes text stand in another order than it runs`,
    ),
    ...flags('invisible-text', found.invisible, (text) => `${nameOf(text, INVISIBLE)} cannot be seen`),
    ...flags('invisible-text', found.far, () => 'stands far to the right, behind blanks'),
    ...flags('confusable-text', found.confusable, (text) => confusableDetail(text)),
    ...flags('control-text', found.control, (text) => `${nameOf(text, CONTROL)} steers a terminal that shows it`),
  ];
}

/** A file whose name says text, but that git shows as binary for a NUL in it. */
function hidden(file: InspectedFile): Flag[] {
  if (file.kind === 'delete' || !SOURCE.test(file.key) || file.newMode === '160000') return [];
  // UTF-16 with its mark is text to editors that write it.
  const isUtf16 = /^(?:\xff\xfe|\xfe\xff)/.test(file.head.toString('latin1', 0, 2));
  const why = isUtf16 ? 'it is UTF-16' : 'it has bytes that no text has';
  return [flagOf(file, 'hidden-text', `git takes it for binary and shows none of its lines: ${why}`)];
}

/** Whether something stands behind more blanks than a screen is wide. */
function isOutOfSight(text: string): boolean {
  return text.length > MANY_BLANKS && text.trimEnd().includes(BLANKS);
}

function hasInvisible({ text, number }: Line): boolean {
  INVISIBLE.lastIndex = 0;
  for (let match = INVISIBLE.exec(text); match !== null; match = INVISIBLE.exec(text)) {
    if (!isOrdinary(match[0], { text, at: match.index, number })) return true;
  }
  return false;
}

interface Position {
  readonly text: string;
  readonly at: number;
  readonly number: number;
}

/** Whether writers of some language, or of pictures, put this character there. */
function isOrdinary(character: string, { text, at, number }: Position): boolean {
  const before = lastCharacter(text, at);
  if (character === '\ufeff') return number === 1 && at === 0;
  if (character === '\ufe0f' || character === '\ufe0e') return PICTURE.test(before) || /\p{S}|\p{P}/u.test(before);
  if (character === '\u200d') return PICTURE.test(before) || JOINS.test(before);
  if (character === '\u200c') return JOINS.test(before);
  if (character === '\u200e' || character === '\u200f' || character === '\u061c') return RIGHT_TO_LEFT.test(text);
  // Flags of regions are spelled in tags after a black flag.
  if (/[\u{e0020}-\u{e007f}]/u.test(character)) return /[\u{1f3f4}\u{e0020}-\u{e007e}]/u.test(before);
  if (/[\u{e0100}-\u{e01ef}\ufe00-\ufe02]/u.test(character)) return /\p{Script=Han}|\p{Sm}/u.test(before);
  if (/[\u180b-\u180f]/.test(character)) return /\p{Script=Mongolian}/u.test(before);
  return false;
}

function lastCharacter(text: string, at: number): string {
  const isPair = /[\udc00-\udfff]/.test(text.charAt(at - 1));
  return text.slice(Math.max(0, at - (isPair ? 2 : 1)), at);
}

function isConfusable(text: string): boolean {
  if (
    LOOKS_LIKE_CODE.test(text) &&
    !/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Greek}]/u.test(
      text.replace(/\u037e/g, ''),
    )
  ) {
    return isBesideCode(text);
  }
  return CONFUSABLE.test(text) && confusableWord(text) !== null;
}

/** Not in a comment or between words: directly at a letter, a digit or a bracket of code. */
function isBesideCode(text: string): boolean {
  return /[\w)\]}"'][\u01c3\u037e\u2024\u2044\u2215\u2216\ua789\ufe55\ufe68\u02d0\uff08\uff09\uff1b\uff1d\uff0f\uff3c](?:[\w(=[{"'\s;]|$)/.test(
    text,
  );
}

function confusableWord(text: string): string | null {
  const isSentence = !onlyStrangeWords(text);
  WORD.lastIndex = 0;
  for (let match = WORD.exec(text); match !== null; match = WORD.exec(text)) {
    const word = match[0];
    if (!CONFUSABLE.test(word)) continue;
    if (/[a-zA-Z].*[a-zA-Z]/.test(word) && !STRANGE.test(word)) return word;
    const after = text.slice(WORD.lastIndex, WORD.lastIndex + 2);
    if (!isSentence && /^\s?[(=.[]/.test(after) && WHOLE.test(word)) return word;
  }
  return null;
}

/** Whether everything on the line that is not ASCII looks like Latin letters: no sentence in another language. */
function onlyStrangeWords(text: string): boolean {
  return !STRANGE.test(text);
}

function confusableDetail(text: string): string {
  const word = confusableWord(text);
  if (word === null) return `${nameOf(text, LOOKS_LIKE_CODE)} looks like a sign of code, and is none`;
  const one = [...word].find((letter) => CONFUSABLE.test(letter)) ?? '';
  return `"${word.slice(0, 40)}" has ${codePoint(one)}, which looks like a Latin letter`;
}

function nameOf(text: string, pattern: RegExp): string {
  const match = new RegExp(pattern.source, 'u').exec(text);
  return match === null ? 'a character' : codePoint(match[0]);
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}
