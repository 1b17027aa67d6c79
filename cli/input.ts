/** Texts that people give as a file, or on standard input. */

import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { environmentError, usageError } from '../src/errors.ts';
import type { Context } from './context.ts';

const STDIN = 'the standard input';

/**
 * @param file a path, or `-` for stdin
 * @param limit in bytes; of what is larger nothing is taken
 * Errors: usage TOO_LARGE, NO_FILE, NOT_TEXT; environment UNREADABLE_FILE.
 */
export async function readInput(context: Context, file: string, limit: number): Promise<string> {
  return decode(file === '-' ? STDIN : file, await readBytes(context, file, limit));
}

/** The same as bytes. Errors: usage TOO_LARGE, NO_FILE; environment UNREADABLE_FILE. */
export async function readBytes(context: Context, file: string, limit: number): Promise<Buffer> {
  if (file === '-') return readAll(context.in, STDIN, limit);
  try {
    return await readAll(createReadStream(resolve(context.cwd, file)), file, limit);
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error && 'code' in error)) throw error;
    if (error.code === 'ENOENT') throw usageError('NO_FILE', `there is no file ${file}`);
    throw environmentError('UNREADABLE_FILE', `${file} cannot be read (${String(error.code)})`, { cause: error });
  }
}

/** Counted while it comes: the size of a pipe or a device is not known before. */
async function readAll(input: NodeJS.ReadableStream, name: string, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > limit) throw usageError('TOO_LARGE', `${name} is larger than ${limit / 1024 ** 2} MiB`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function decode(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw usageError('NOT_TEXT', `${name} is not UTF-8 text`);
  }
}
