/** Asks which folders of an overlay's upper are opaque (hide what lies below): Node cannot read extended attributes. */

import { type BytePath, bytePath } from './names.ts';
import { run } from './spawn.ts';

const ATTRIBUTE = 'user.overlay.opaque';

/** The given folders of `upper` that are opaque; one program for all of them. */
export async function opaqueFolders(
  upper: string,
  folders: readonly BytePath[],
  signal: AbortSignal,
): Promise<ReadonlySet<BytePath>> {
  if (folders.length === 0) return new Set();
  const ask = [
    'xargs',
    '-0',
    '-r',
    'getfattr',
    '-h',
    '-e',
    'text',
    '-d',
    '-m',
    `^${ATTRIBUTE.replaceAll('.', '\\.')}$`,
  ] as const;
  // The leading "./" keeps names that begin with a dash from being read as options.
  const list = Buffer.from(folders.map((folder) => `./${folder}\0`).join(''), 'latin1');
  return parse(bytePath(await run([...ask, '--'], { cwd: upper, signal }, [list])));
}

/** Blocks of `# file: <path>` and `name="value"` lines; special bytes of a path are written as `\ooo`. */
function parse(text: string): ReadonlySet<BytePath> {
  const opaque = new Set<BytePath>();
  let path = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('# file: ')) {
      path = line
        .slice('# file: '.length)
        .replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    } else if (line === `${ATTRIBUTE}="y"`) opaque.add(path.replace(/^\.\//, ''));
  }
  return opaque;
}
