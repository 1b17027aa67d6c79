/** Commands that make git run something: a hooks folder, filters, drivers and monitors set by `git config`. */

import type { Flag } from '../../types.ts';
import { flagOfLines, type InspectedFile } from './inspected-file.ts';

const SETS =
  /\bcore\.(?:hookspath|fsmonitor|sshcommand|gitproxy|pager|editor|attributesfile)\b|\bgit\s+config\b.{0,200}\b(?:filter|diff|merge|alias|credential|url|include|includeif|init\.templatedir|uploadpack|protocol)\b\.?|\.git\/hooks\//i;
/** Text about hooks is no hook. */
const PROSE = /\.(?:md|markdown|rst|adoc|txt|html?|po|svg|csv)$/;

/** Code `git-hook`, for lines of scripts and settings. */
export function hookInstallers(file: InspectedFile): Flag[] {
  if (file.kind === 'delete' || PROSE.test(file.key)) return [];
  const old = new Set(file.removed.map(({ text }) => text.trim()));
  const found = file.added.filter(({ text }) => SETS.test(text.slice(0, 4000)) && !old.has(text.trim()));
  return flagOfLines(file, 'git-hook', found, 'makes git run a program, or changes where it looks for one');
}
