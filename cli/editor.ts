/** A text in the person's own editor. */

import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { failure } from '../src/errors.ts';
import type { Terminal } from './context.ts';

export interface EditorOptions {
  /** A command line; not given: `$VISUAL`, else `$EDITOR`, else vi. */
  readonly editor?: string;
  /** The file's name, by which an editor knows what is in it. */
  readonly name?: string;
}

/**
 * What the text is after the person's editor. The file is the person's alone and is gone afterwards.
 * @throws failure EDITOR_FAILED where it ends with anything but 0: then the text is to stay as it was
 */
export async function editedOutside(text: string, terminal: Terminal, options: EditorOptions = {}): Promise<string> {
  return (await editedBytes(Buffer.from(`${text}\n`), terminal, options)).toString('utf8');
}

/** The same for bytes, of which nothing is added or changed but by the editor. */
export async function editedBytes(bytes: Buffer, terminal: Terminal, options: EditorOptions): Promise<Buffer> {
  const { in: input, out, err, env } = terminal;
  const editor = options.editor ?? [env.VISUAL, env.EDITOR].find((name) => name !== undefined && name !== '') ?? 'vi';
  const folder = await mkdtemp(join(tmpdir(), 'orchestrate-edit-'));
  try {
    await chmod(folder, 0o700);
    const file = join(folder, options.name ?? 'text.md');
    await writeFile(file, bytes, { mode: 0o600 });
    // As git does: the variable is a command line, which may have options.
    const { exitCode } = await execa('/bin/sh', ['-c', `${editor} "$1"`, editor, file], {
      ...{ stdin: input, stdout: out, stderr: err, reject: false },
    });
    if (exitCode !== 0) {
      throw failure('EDITOR_FAILED', `The editor (${editor}) ended with ${exitCode ?? 'a signal'}; the text stays.`);
    }
    return await readFile(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
