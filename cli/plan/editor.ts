/** A text in the person's own editor. */

import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { failure } from '../../src/errors.ts';
import type { Terminal } from '../context.ts';

/**
 * What the text is after `$VISUAL`, else `$EDITOR`, else vi. The file is the person's alone and is gone afterwards.
 * @throws failure EDITOR_FAILED where it ends with anything but 0: then the text is to stay as it was
 */
export async function editedOutside(text: string, { in: input, out, err, env }: Terminal): Promise<string> {
  const editor = [env.VISUAL, env.EDITOR, 'vi'].find((name) => name !== undefined && name !== '') ?? 'vi';
  const folder = await mkdtemp(join(tmpdir(), 'orchestrate-edit-'));
  try {
    await chmod(folder, 0o700);
    const file = join(folder, 'text.md');
    await writeFile(file, `${text}\n`, { mode: 0o600 });
    // As git does: the variable is a command line, which may have options.
    const { exitCode } = await execa('/bin/sh', ['-c', `${editor} "$1"`, editor, file], {
      ...{ stdin: input, stdout: out, stderr: err, reject: false },
    });
    if (exitCode !== 0) {
      throw failure('EDITOR_FAILED', `The editor (${editor}) ended with ${exitCode ?? 'a signal'}; the text stays.`);
    }
    return await readFile(file, 'utf8');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
