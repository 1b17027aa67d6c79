/** From what a terminal sends to keys (ECMA-48 control sequences as xterm sends them, bracketed paste). */

import type { Key, KeyName } from '../src/plan/session/key.ts';
import { charactersOf } from './render/fit.ts';

const PASTE_BEGINS = '\x1b[200~';
const PASTE_ENDS = '\x1b[201~';
/** Of one paste; what is beyond is dropped. */
const MAX_PASTE = 1024 ** 2;

const CONTROLS: Readonly<Record<string, KeyName>> = {
  '\r': 'enter',
  '\n': 'newline',
  '\t': 'tab',
  '\x7f': 'backspace',
  '\b': 'backspace',
  '\x1b': 'escape',
};

/** By the final byte, or by the number before `~`. */
const SEQUENCES: Readonly<Record<string, KeyName>> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  H: 'home',
  F: 'end',
  '1~': 'home',
  '3~': 'delete',
  '4~': 'end',
  '5~': 'page-up',
  '6~': 'page-down',
  '7~': 'home',
  '8~': 'end',
};

/** Alt with a key, which comes as an escape before it. */
const ALTED: Readonly<Record<string, KeyName>> = {
  '\r': 'newline',
  '\n': 'newline',
  '\x7f': 'ctrl-w',
  b: 'word-left',
  f: 'word-right',
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a terminal sends
const COMPLETE = /^\x1b(?:\[([0-?]*)[ -/]*([@-~])|O([@-~])|([^[O\x1b]))/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a terminal sends
const BEGUN = /^\x1b(?:\[[0-?]*[ -/]*|O)?$/;

export class KeyDecoder {
  #pending = '';
  #paste: string | null = null;

  /** Milliseconds after which `flush` decides about what is not complete; null: nothing is waited for. */
  get waits(): number | null {
    if (this.#paste !== null) return 1000;
    return this.#pending === '' ? null : 50;
  }

  push(chunk: string): Key[] {
    const keys: Key[] = [];
    let rest = this.#pending + chunk;
    this.#pending = '';
    while (rest !== '') rest = this.#paste === null ? this.#next(rest, keys) : this.#pasted(rest, keys);
    return keys;
  }

  /** No more came: an escape was the key of that name, and a paste without an end is what there is of it. */
  flush(): Key[] {
    const keys: Key[] = [];
    if (this.#paste !== null) {
      keys.push({ kind: 'paste', text: this.#paste + this.#pending });
      this.#paste = null;
    } else if (this.#pending !== '') keys.push({ kind: 'press', name: 'escape' });
    this.#pending = '';
    return keys;
  }

  /** Takes one key off the beginning; gives what is left. */
  #next(text: string, keys: Key[]): string {
    if (!text.startsWith('\x1b')) return plain(text, keys);
    if (text.startsWith(PASTE_BEGINS)) {
      this.#paste = '';
      return text.slice(PASTE_BEGINS.length);
    }
    if (BEGUN.test(text)) {
      this.#pending = text;
      return '';
    }
    const sequence = COMPLETE.exec(text);
    const name = sequence === null ? 'escape' : nameOf(sequence);
    if (name !== null) keys.push({ kind: 'press', name });
    return text.slice(sequence?.[0].length ?? 1);
  }

  #pasted(text: string, keys: Key[]): string {
    const end = text.indexOf(PASTE_ENDS);
    if (end >= 0) {
      keys.push({ kind: 'paste', text: `${this.#paste}${text.slice(0, end)}`.slice(0, MAX_PASTE) });
      this.#paste = null;
      return text.slice(end + PASTE_ENDS.length);
    }
    // The mark of the end may come in two parts.
    const kept = Math.max(0, text.length - PASTE_ENDS.length + 1);
    const sure = text.includes('\x1b', kept) ? text.lastIndexOf('\x1b') : text.length;
    this.#paste = `${this.#paste}${text.slice(0, sure)}`.slice(0, MAX_PASTE);
    this.#pending = text.slice(sure);
    return '';
  }
}

function nameOf([, parameters, final, single, alted]: RegExpExecArray): KeyName | null {
  if (alted !== undefined) return ALTED[alted] ?? null;
  if (single !== undefined) return single === 'M' ? 'enter' : (SEQUENCES[single] ?? null);
  const [number = '', modifier = '1'] = (parameters ?? '').split(';');
  // Shift or alt with Enter, where the terminal can tell (kitty's keyboard protocol, xterm's modifyOtherKeys).
  if (final === 'u' && number === '13') return modifier === '1' ? 'enter' : 'newline';
  const name = SEQUENCES[final === '~' ? `${number}~` : (final ?? '')] ?? null;
  if (modifier === '1' || (name !== 'left' && name !== 'right')) return name;
  return name === 'left' ? 'word-left' : 'word-right';
}

function plain(text: string, keys: Key[]): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a terminal sends
  const words = /^[^\x00-\x1f\x7f]+/u.exec(text)?.[0] ?? '';
  keys.push(...charactersOf(words).map((character) => ({ kind: 'text', text: character }) as const));
  if (words !== '') return text.slice(words.length);
  const control = text.charAt(0);
  const name = CONTROLS[control] ?? controlled(control);
  if (name !== null) keys.push({ kind: 'press', name });
  return text.slice(1);
}

function controlled(control: string): KeyName | null {
  const letter = String.fromCharCode(control.charCodeAt(0) + 0x60);
  return /^[a-z]$/.test(letter) ? `ctrl-${letter}` : null;
}
