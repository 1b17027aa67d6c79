/** Writes hosts into a settings file that a person wrote: whatever else stands in it stays, comments and order too. */

import { mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isMap, parseDocument } from 'yaml';
import { usageError } from '../errors.ts';
import { parseSettingsFile } from './parse.ts';
import type { HostDefinition } from './settings.ts';

const KEY = 'hosts';

/** The text with one more host. Throws usage `HOST_EXISTS` where it has one of that name. */
export function withHost(text: string, name: string, host: HostDefinition): string {
  const document = parseDocument(text);
  const { url, tls, slots, labels, upstream } = host;
  const entry = document.createNode({
    ...{ url, ...(tls === undefined ? {} : { tls }), ...(slots === undefined ? {} : { slots }) },
    ...(labels === undefined || labels.length === 0 ? {} : { labels }),
    ...(upstream === undefined ? {} : { upstream }),
  });
  // What is only comments would have them behind.
  if (document.toJS() === null) return `${ended(text)}${parsedAgain({ [KEY]: { [name]: entry } })}`;
  if (document.hasIn([KEY, name])) {
    throw usageError('HOST_EXISTS', `there is a host ${name} already`, { hint: `orchestrate host remove ${name}` });
  }
  if (isMap(document.get(KEY))) document.setIn([KEY, name], entry);
  else document.set(KEY, document.createNode({ [name]: entry }));
  return document.toString({ lineWidth: 0 });
}

/** Whether the text names that host; true where it cannot be read: somebody may just be writing it. */
export function hasHost(text: string, name: string): boolean {
  const document = parseDocument(text);
  return document.errors.length > 0 || document.hasIn([KEY, name]);
}

/** The text without that host; null where it has none of that name. */
export function withoutHost(text: string, name: string): string | null {
  const document = parseDocument(text);
  if (!document.hasIn([KEY, name])) return null;
  document.deleteIn([KEY, name]);
  const left = document.get(KEY);
  if (isMap(left) && left.items.length === 0) document.delete(KEY);
  return isMap(document.contents) && document.contents.items.length === 0 && !text.includes('#')
    ? ''
    : document.toString({ lineWidth: 0 });
}

/**
 * Has `edit` change the text of a settings file (missing: empty); null changes nothing. The new text is there whole or not
 * at all, with the file's mode (a new one: 0600); a link stays one. Throws usage `BAD_SETTINGS` with what is wrong with the
 * file as it is, or would be wrong with it then. Returns whether it was changed.
 */
export async function editSettingsFile(path: string, edit: (text: string) => string | null): Promise<boolean> {
  const target = await realpath(path).catch(() => path);
  const old = await readFile(target, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw usageError('BAD_SETTINGS', `${path} cannot be read (${error.code ?? error.message})`);
  });
  refuseProblems(path, old ?? '');
  const text = edit(old ?? '');
  if (text === null) return false;
  refuseProblems(path, text);
  const mode = old === null ? 0o600 : (await stat(target)).mode & 0o777;
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const draft = `${target}.${process.pid}`;
  try {
    await writeFile(draft, text, { mode, flag: 'wx', flush: true });
    await rename(draft, target);
  } finally {
    await rm(draft, { force: true });
  }
  return true;
}

function refuseProblems(path: string, text: string): void {
  const { problems } = parseSettingsFile(path, text);
  if (problems.length === 0) return;
  throw usageError('BAD_SETTINGS', problems.map(({ where, message }) => `${where}: ${message}`).join('\n'));
}

function parsedAgain(value: unknown): string {
  const document = parseDocument('');
  document.contents = document.createNode(value) as typeof document.contents;
  return document.toString({ lineWidth: 0 });
}

function ended(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}
