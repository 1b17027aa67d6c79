/** Text as words that can be compared: stems, with what was written. */

export interface Word {
  readonly stem: string;
  readonly written: string;
}

const WORD = /[\p{L}\p{N}]+/gu;
const CAMEL = /(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u;

/**
 * The words of a text in their order; cost is linear. `DataTable` is two words unless `isKnown` says that its stem is one
 * (`PostgreSQL`). Words are letters and digits only, whatever else the text has.
 */
export function wordsOf(text: string, isKnown: (stem: string) => boolean): Word[] {
  return [...text.matchAll(WORD)].flatMap(([written]) => {
    const stem = stemOf(written);
    const parts = isKnown(stem) ? [written] : written.split(CAMEL);
    return parts.length === 1 ? [{ stem, written }] : parts.map((part) => ({ stem: stemOf(part), written: part }));
  });
}

/** What the forms of an English word share, roughly: `caches`, `cached` and `caching` have one stem. */
export function stemOf(word: string): string {
  const lower = word.toLowerCase();
  const singular = lower.length > 3 ? lower.replace(/(?<!s|u|i)s$/, '').replace(/ie$/, 'y') : lower;
  const bare = singular.replace(/(?<=.{3})(?:ing|ed|ly)$/, '');
  const single = bare === singular ? bare : bare.replace(/([^aeiouls])\1$/, '$1');
  return single.length > 4 || bare !== singular ? single.replace(/(?<=.{2})e$/, '') : single;
}
