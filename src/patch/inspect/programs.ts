/** What can be started: modes, and compiled programs by their first bytes. */

import type { Flag } from '../../types.ts';
import { flagOf, type InspectedFile } from './inspected-file.ts';

/** First bytes in hexadecimal, and what they begin. */
const FORMATS: readonly (readonly [RegExp, string])[] = [
  [/^7f454c46/, 'a program or library for Linux (ELF)'],
  [/^4d5a/, 'a program or library for Windows (PE)'],
  [/^(?:feedfac[ef]|c[ef]faedfe)/, 'a program or library for macOS (Mach-O)'],
  // A small number of architectures, where compiled Java has its version.
  [/^cafebab[ef]000000(?:0[1-9a-f]|1[0-4])/, 'a program or library for macOS (universal Mach-O)'],
  [/^cafebabe/, 'compiled Java'],
  [/^0061736d/, 'compiled WebAssembly'],
  [/^213c617263683e0a/, 'a static library'],
  [/^[0-9a-f]{4}0d0a0[0-3]000000/, 'compiled Python'],
  [/^6465780a/, 'compiled Android code'],
];

const PACKED_CODE =
  /\.(?:jar|war|ear|apk|aab|whl|egg|gem|nupkg|vsix|xpi|crx|deb|rpm|msi|dmg|pkg|pyd|node|class|phar|exe|dll|so|dylib)$/;

/** Codes `executable` and `binary-program`. */
export function programs(file: InspectedFile): Flag[] {
  if (file.kind === 'delete') return [];
  const flags: Flag[] = [];
  if (file.newMode === '100755' && file.oldMode !== '100755') {
    const how = file.kind === 'add' ? 'a new file that can be executed' : 'can be executed now';
    flags.push(flagOf(file, 'executable', how));
  }
  if (file.isText) return flags;
  const head = file.head.toString('hex', 0, 16);
  const format = FORMATS.find(([magic]) => magic.test(head))?.[1];
  if (format !== undefined) return [...flags, flagOf(file, 'binary-program', format)];
  return PACKED_CODE.test(file.key) ? [...flags, flagOf(file, 'binary-program', 'an archive of compiled code')] : flags;
}
