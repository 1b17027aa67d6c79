/** `.gitattributes` lines that hide a file from whoever reads diffs, or that make git rewrite it. */

import type { Flag } from '../../types.ts';
import { flagOf, type InspectedFile, quoted } from './inspected-file.ts';

const FILE = /(?:^|\/)(?:\.gitattributes|\.git\/info\/attributes)$/;

/** Attributes, and why somebody should look. */
const HIDING: readonly (readonly [RegExp, string])[] = [
  [/\s(?:-diff|!diff|diff=[^\s]{1,200}|binary|-text)(?=\s|$)/, 'hides its lines from diffs'],
  [/\slinguist-(?:generated|vendored)(?!=false)/, 'folds it away in reviews'],
  [/\sexport-(?:ignore|subst)(?=[\s=]|$)/, 'is other in archives than in the repository'],
  [/\sfilter=/, 'runs a filter on it'],
  [/\sworking-tree-encoding=/, 'converts it on checkout'],
  [/\sident(?=[\s=]|$)/, 'rewrites it on checkout'],
  [/\s(?:-merge|merge=[^\s]{1,200})/, 'decides how it is merged'],
  [/\seol=cr(?!lf)/, 'changes its line ends'],
  [/^\s{0,99}\[attr\]/, 'makes a name for other attributes'],
];

/** What has no lines anyway, and names that git knows itself to be text. */
const ORDINARY =
  /^\s{0,99}"?[^\s"]{0,200}\.(?:png|jpe?g|gif|ico|icns|webp|avif|bmp|tiff?|psd|svgz|woff2?|ttf|otf|eot|zip|gz|tgz|bz2|xz|7z|tar|pdf|docx?|xlsx?|pptx?|mp[34]|mov|avi|webm|ogg|flac|wav|jar|class|exe|dll|so|dylib|keystore|snk|pfx|p12|db|sqlite3?|wasm|pyc|fbx|obj|unity|blend|lockb)"?\s[^#]{0,200}(?:binary|-diff|-text|diff=[a-z]+)|\sdiff=(?:ada|bash|bibtex|cpp|csharp|css|dts|elixir|fortran|fountain|golang|html|java|kotlin|markdown|matlab|objc|pascal|perl|php|python|ruby|rust|scheme|tex)(?:\s|$)|\smerge=(?:union|text|binary)\s{0,9}$/;

const ONLY_ORDINARY = /\sfilter=|\slinguist-|\sexport-|\sident|\sworking-tree|\[attr\]/;

/** Code `attributes`. */
export function attributes(file: InspectedFile): Flag[] {
  if (!FILE.test(file.key) || file.kind === 'delete') return [];
  for (const { number, text } of file.added) {
    const line = text.slice(0, 4096);
    if (/^\s{0,99}#/.test(line) || (ORDINARY.test(line) && !ONLY_ORDINARY.test(line))) continue;
    const why = HIDING.find(([pattern]) => pattern.test(line))?.[1];
    if (why !== undefined) return [flagOf(file, 'attributes', `line ${number}: ${quoted(line)} ${why}`)];
  }
  if (file.added.length > 0 && file.added.some(({ text }) => text.length > 4096)) {
    return [flagOf(file, 'attributes', 'a line that is longer than git reads')];
  }
  return [];
}
