/** The text editor tool, with the commands of the Anthropic-defined one: view, create, str_replace, insert. */

import { type Stats, statSync } from 'node:fs';
import path from 'node:path';
import type { ToolAnswer } from '../toolbox.ts';
import { EditProblem, OpenFile, problemOf } from './files.ts';
import { findOnce, lineOf } from './find-once.ts';
import { type LineRange, linesOf, numbered, viewFile, viewFolder } from './view.ts';

/** Lines shown around a change. */
const AROUND = 4;
/** Of a change, so that a large one is not sent back whole. */
const MAX_SHOWN = 40;

type Input = Readonly<Record<string, unknown>>;

/** @param cwd what paths that are not absolute are below */
export async function edit(input: Input, cwd: string): Promise<ToolAnswer> {
  try {
    return { text: await run(input, cwd), isError: false };
  } catch (error) {
    if (error instanceof EditProblem) return { text: error.message, isError: true };
    throw error;
  }
}

function run(input: Input, cwd: string): Promise<string> {
  const name = path.resolve(cwd, text(input, 'path'));
  if (name.includes('\0')) throw new EditProblem('a path cannot hold a NUL character');
  switch (input.command) {
    case 'view':
      return view(name, input.view_range);
    case 'create':
      return create(name, text(input, 'file_text'));
    case 'str_replace':
      return replace(name, text(input, 'old_str'), input.new_str === undefined ? '' : text(input, 'new_str'));
    case 'insert':
      return insert(name, input.insert_line, text(input, input.insert_text === undefined ? 'new_str' : 'insert_text'));
    default:
      throw new EditProblem(
        `there is no command ${JSON.stringify(input.command)}: use view, create, str_replace or insert`,
      );
  }
}

async function view(name: string, range: unknown): Promise<string> {
  if (statsOf(name)?.isDirectory() !== true) return viewFile(name, lineRange(range));
  if (range !== undefined && range !== null) throw new EditProblem('view_range is for files');
  return viewFolder(name);
}

/** Null where nothing is. */
function statsOf(name: string): Stats | null {
  try {
    return statSync(name, { throwIfNoEntry: false }) ?? null;
  } catch (error) {
    throw problemOf(name, error);
  }
}

async function create(name: string, content: string): Promise<string> {
  const bytes = Buffer.from(content);
  const isThere = statsOf(name) !== null;
  await using file = isThere ? await OpenFile.open(name, 'write') : await OpenFile.create(name);
  await file.replace(bytes, isThere ? await file.read() : Buffer.alloc(0));
  return `${isThere ? 'replaced' : 'created'} ${name} (${bytes.length} bytes)`;
}

/** On bytes: what is not touched stays as it is, whatever encoding it has. */
async function replace(name: string, from: string, to: string): Promise<string> {
  if (from === '') throw new EditProblem('old_str is empty: use insert');
  await using file = await OpenFile.open(name, 'write');
  const before = await file.read();
  const { at, length, lineEnd } = findOnce(before, from, name);
  const fresh = Buffer.from(withLineEnd(to, lineEnd));
  const after = Buffer.concat([before.subarray(0, at), fresh, before.subarray(at + length)]);
  await file.replace(after, before);
  return `changed ${name}; now it reads:\n${excerpt(after, lineOf(after, at), to)}`;
}

async function insert(name: string, line: unknown, added: string): Promise<string> {
  await using file = await OpenFile.open(name, 'write');
  const before = await file.read();
  const starts = lineStarts(before);
  const last = starts.length - 1;
  if (typeof line !== 'number' || !Number.isInteger(line) || line < 0 || line > last) {
    throw new EditProblem(`insert_line must be a whole number from 0 to ${last}: the file has ${last} lines`);
  }
  const lineEnd = before.includes('\r\n') ? '\r\n' : '\n';
  const at = starts[line] ?? before.length;
  const afterLastWithoutEnd = at > 0 && before[at - 1] !== 0x0a;
  const body = withLineEnd(added, lineEnd);
  // A line of its own on both sides; the end of the file stays without a line break where it was.
  const lead = afterLastWithoutEnd ? lineEnd : '';
  const trail = body.endsWith('\n') || afterLastWithoutEnd ? '' : lineEnd;
  const after = Buffer.concat([before.subarray(0, at), Buffer.from(lead + body + trail), before.subarray(at)]);
  await file.replace(after, before);
  return `inserted into ${name}; now it reads:\n${excerpt(after, line + 1, added)}`;
}

/** Where each line begins, and the end of the file: one more than there are lines. */
function lineStarts(bytes: Buffer): readonly number[] {
  const starts = [0];
  for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, at + 1)) starts.push(at + 1);
  if (starts.at(-1) !== bytes.length) starts.push(bytes.length);
  return starts;
}

function withLineEnd(added: string, lineEnd: '\n' | '\r\n'): string {
  return lineEnd === '\n' ? added : added.replace(/\r?\n/g, '\r\n');
}

/** The lines of a change with some around them. */
function excerpt(bytes: Buffer, line: number, added: string): string {
  const lines = linesOf(bytes.toString('utf8').replaceAll('\r\n', '\n'));
  const from = Math.max(1, line - AROUND);
  const to = Math.min(line + Math.min(linesOf(added).length, MAX_SHOWN) - 1 + AROUND, lines.length);
  return numbered(lines.slice(from - 1, to), from);
}

function text(input: Input, field: string): string {
  const value = input[field];
  if (typeof value !== 'string') throw new EditProblem(`${field} is missing or not a text`);
  return value;
}

function lineRange(value: unknown): LineRange | null {
  if (value === undefined || value === null) return null;
  if (Array.isArray(value) && value.length === 2 && value.every((line) => Number.isInteger(line))) {
    return [Number(value[0]), Number(value[1])];
  }
  throw new EditProblem('view_range must be two whole numbers: [first line, last line]');
}
