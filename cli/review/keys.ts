/** The keys of a review, and how a prompt offers them. Pure. */

import { cut, wrap } from '../render/fit.ts';

export interface ReviewKey<Act extends string> {
  readonly key: string;
  readonly act: Act;
  /** What the prompt says, with the key in brackets. */
  readonly label: string;
  readonly help: string;
}

export const PATCH_KEYS = [
  { key: 'a', act: 'approve', label: '[a]pprove', help: 'approve all of it' },
  { key: 'r', act: 'reject', label: '[r]eject', help: 'reject it; asks for the reason' },
  { key: 'c', act: 'changes', label: '[c]hanges', help: 'ask for changes: a new attempt goes on from this result' },
  { key: 'p', act: 'parts', label: '[p]arts', help: 'file by file, hunk by hunk; approve what you choose' },
  { key: 'v', act: 'view', label: '[v]iew', help: 'the whole diff in your pager' },
  { key: 's', act: 'stat', label: '[s]tat', help: 'the size of each file’s change' },
  { key: 'e', act: 'edit', label: '[e]dit', help: 'the patch itself in your editor' },
  { key: 'i', act: 'story', label: '[i]n full', help: 'its story with nothing left out, in your pager' },
  { key: 't', act: 'transcript', label: '[t]ranscript', help: 'what the agent printed, in your pager' },
  { key: 'n', act: 'notes', label: '[n]otes', help: 'what the agent left for others' },
  { key: 'k', act: 'checks', label: '[k] checks', help: 'run the configured checks on it now' },
  { key: 'o', act: 'shell', label: '[o]pen shell', help: 'a shell in a fresh sandbox that has its result' },
  { key: 'd', act: 'checkout', label: '[d] check out', help: 'its result as plain files in a new folder' },
  { key: '>', act: 'next', label: '[>] next', help: 'leave it undecided and go on (also j)' },
  { key: '<', act: 'back', label: '[<] back', help: 'the one before (also b)' },
  { key: 'q', act: 'quit', label: '[q]uit', help: 'leave; what was decided stays decided (also Ctrl-D)' },
  { key: '?', act: 'help', label: '[?]', help: 'this list' },
] as const satisfies readonly ReviewKey<string>[];

export type PatchAct = (typeof PATCH_KEYS)[number]['act'];

export const PART_KEYS = [
  { key: 'y', act: 'take', label: '[y]es', help: 'take this hunk (or file)' },
  { key: 'n', act: 'leave', label: '[n]o', help: 'leave it out' },
  { key: 'a', act: 'takeFile', label: '[a]ll of file', help: 'take it and the rest of this file' },
  { key: 'd', act: 'leaveFile', label: '[d]one with file', help: 'leave it and the rest of this file out' },
  { key: 'A', act: 'takeAll', label: '[A]ll', help: 'take it and everything after it' },
  { key: 'q', act: 'finish', label: '[q] finish', help: 'leave it and everything after it out' },
  { key: 'j', act: 'next', label: '[j] next', help: 'go on without an answer' },
  { key: 'k', act: 'back', label: '[k] back', help: 'the one before' },
  { key: 'v', act: 'view', label: '[v]iew', help: 'all of this file in your pager' },
  { key: 's', act: 'stat', label: '[s]tat', help: 'what is taken and left so far' },
  { key: 'e', act: 'edit', label: '[e]dit', help: 'edit the patch in your editor instead' },
  { key: '?', act: 'help', label: '[?]', help: 'this list' },
] as const satisfies readonly ReviewKey<string>[];

const ALSO: Readonly<Record<string, string>> = { j: '>', b: '<' };

/** Null: no key does that. Upper and lower case are the same where no key says otherwise. */
export function actOf<Act extends string>(keys: readonly ReviewKey<Act>[], typed: string): Act | null {
  const find = (key: string | undefined): Act | null => keys.find((each) => each.key === key)?.act ?? null;
  return find(typed) ?? find(typed.toLowerCase()) ?? find(ALSO[typed]);
}

/** One line at most: words where they fit, else letters alone. Ends where the answer is typed. */
export function promptLine(keys: readonly ReviewKey<string>[], about: string, width: number): string {
  // The key that is pressed needs a column as well.
  const room = width - 2;
  const words = `${about} ${keys.map(({ label }) => label).join(' ')}: `;
  if (words.length <= room) return words;
  const letters = ` [${keys.map(({ key }) => key).join('')}] `;
  return `${cut(about, Math.max(1, room - letters.length))}${letters}`.slice(-room);
}

/** The words for all letters of the prompt, for when it has no room for them. */
export function legendLines(keys: readonly ReviewKey<string>[], width: number): string[] {
  // A word and its key stay together.
  const words = keys.map(({ label }) => label.replaceAll(' ', '\u00a0'));
  return wrap(words.join(' '), width).map((line) => line.replaceAll('\u00a0', ' '));
}

export function helpLines(keys: readonly ReviewKey<string>[]): string[] {
  return keys.map(({ key, help }) => `  ${key}  ${help}`);
}
