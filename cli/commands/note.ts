/** `note`: what agents and people left for others, and a word of one's own to all agents. */

import { usageError } from '../../src/errors.ts';
import { LONGEST_NOTE, leaveNote } from '../../src/notes/leave.ts';
import { noteJson } from '../../src/notes/render.ts';
import { sanitise, sanitiseLine } from '../../src/sanitise.ts';
import type { NoteRecord } from '../../src/state/records.ts';
import type { Context } from '../context.ts';
import { someState } from '../find.ts';
import { readInput } from '../input.ts';
import type { NoteAddOptions, NoteListOptions } from '../options.ts';
import { columnsOf, cut, tableLines } from '../render/fit.ts';
import { age, coloursOf } from '../render/text.ts';

const MOST_BYTES = 1024 ** 2;
const SHOWN = 100;

export async function listNotes(context: Context, options: NoteListOptions): Promise<number> {
  const state = await context.readState();
  const task = options.task === null ? null : someState(state, options.task).resolveTask(options.task);
  const all = state?.notes() ?? [];
  const notes = task === null ? all : all.filter((note) => note.from?.task === task);
  if (context.json) {
    context.printJson({ notes: notes.map(noteJson) });
    return 0;
  }
  if (notes.length === 0) {
    context.print(all.length === 0 ? 'There are no notes yet.\n' : 'There are no such notes.\n');
    return 0;
  }
  const header = ['NOTE', 'KIND', 'FROM', 'AGE', 'TEXT'];
  const [first = '', ...lines] = await tableLines([header, ...notes.map(row)], columnsOf(context.out));
  context.print(`${coloursOf(context.colour).bold(first)}\n${lines.map((line) => `${line}\n`).join('')}`);
  return 0;
}

function row({ id, kind, from, createdAt, text }: NoteRecord): string[] {
  const when = age(Date.now() - Date.parse(createdAt));
  return [String(id), kind, from?.attempt ?? 'you', when, cut(sanitiseLine(text), SHOWN)];
}

export async function showNote(context: Context, typed: string): Promise<number> {
  const state = await context.readState();
  const note = /^[1-9]\d{0,14}$/.test(typed) ? (state?.note(Number(typed)) ?? null) : null;
  if (note === null) {
    throw usageError('UNKNOWN_NOTE', `There is no note ${typed}.`, {
      hint: 'See the notes with `orchestrate note list`.',
    });
  }
  if (context.json) {
    context.printJson(noteJson(note));
    return 0;
  }
  const { from, kind, createdAt } = note;
  const who = from === null ? 'you' : `${from.attempt} (${sanitiseLine(from.role)})`;
  context.print(`${kind} ${note.id} from ${who}, ${createdAt}\n\n${sanitise(note.text)}\n`);
  return 0;
}

export async function addNote(context: Context, { text, file }: NoteAddOptions): Promise<number> {
  if ((text === null) === (file === null)) {
    throw usageError('BAD_USAGE', 'give the note either as an argument or with --file');
  }
  const given = file === null ? (text ?? '') : await readInput(context, file, MOST_BYTES);
  // What a person wrote is not cut behind their back.
  if (sanitise(given).trim().length > LONGEST_NOTE) {
    throw usageError('TOO_LARGE', `the note is longer than ${LONGEST_NOTE} characters`, {
      hint: 'put it into a file of the repository and name that in the note',
    });
  }
  const leaving = leaveNote(await context.state(), { attempt: null, source: null, text: given });
  if ('refused' in leaving) throw usageError('BAD_NOTE', `the note ${leaving.refused}`);
  const { note } = leaving;
  if (note === null) throw new Error('a note of nobody was there already');
  if (context.json) context.printJson(noteJson(note));
  else context.print(`Noted as ${note.id}: agents at work see it within seconds, others when they start\n`);
  return 0;
}
