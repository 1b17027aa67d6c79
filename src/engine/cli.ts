/**
 * What the engines that are command line programs have in common: how their program is started and given its prompt, how what
 * it prints becomes events, and how its end is told.
 */

import { StringDecoder } from 'node:string_decoder';
import { usageError } from '../errors.ts';
import type { HomeFile, OutputChunk } from '../sandbox/sandbox.ts';
import type { Usage } from '../types.ts';
import { CONTEXT_FOLDER, contextOf, exitReason, HOME, promptOf } from './command.ts';
import type {
  Access,
  AgentEvent,
  AgentProgram,
  AgentSession,
  Assignment,
  EngineVerdict,
  ToolResult,
} from './engine.ts';
import { JsonLines, type Line } from './json-lines.ts';

export interface CliOptions {
  /** As the program's own `--model` takes it; null: its default. */
  readonly model: string | null;
  /** How hard the model thinks, by the program's own words; null: its default. */
  readonly effort: string | null;
}

/** Why an end without an error is not enough. */
export const NOTHING_DONE = 'the model ended its turn without saying or doing anything';

/** How long a program waits for an answer: the gateway holds requests until a rate limit ends, which may take a night. */
export const PATIENCE_MS = 24 * 3_600_000;

/** Longer ids are not the program's: those that are remembered must not add up. */
export const MAX_ID = 200;

const MAX_SUMMARY = 8000;
const MAX_DETAIL = 200;
const MAX_REASON = 400;
/** Of a call whose result is awaited, characters of its input that are remembered; what is longer is not compared. */
const MAX_INPUT = 65_536;
/** More agents of an agent than this do not talk at the same time. */
const MAX_RECENT = 64;

export interface CliStart {
  /** The program's name and arguments. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly homeFiles: readonly HomeFile[];
}

/**
 * The program with the prompt as its standard input: an argument holds 128 KiB at most. A shell opens the file, since
 * nothing else in a sandbox does. An empty line comes first: `/clear the cache` is a task here and no command of the program.
 */
export function cliProgram(assignment: Assignment, { argv, env, homeFiles }: CliStart): AgentProgram {
  const context = contextOf(assignment);
  const input = homeFile('input.md', `\n${promptOf(assignment)}`);
  return {
    argv: ['/bin/sh', '-c', 'exec "$@" <"$0"', input.at, ...argv],
    env: { ...context.env, TMPDIR: '/tmp', ...env },
    homeFiles: [...context.homeFiles, input, ...homeFiles],
  };
}

/** A file in the agent's home for its program, and where the program finds it. */
export function homeFile(name: string, text: string): HomeFile & { readonly at: string } {
  const path = `${CONTEXT_FOLDER}/${name}`;
  return { path, content: Buffer.from(text), mode: 0o644, at: `${HOME}/${path}` };
}

/** @throws usage NO_MODEL_ACCESS */
export function requireAccess(engine: string, access: Access | null): Access {
  if (access !== null) return access;
  throw usageError('NO_MODEL_ACCESS', `the engine ${engine} cannot work where agents reach no model`, {
    hint: 'leave --network none out, or run something that needs no model with --engine-command',
  });
}

/** What one kind of program prints, read in order. */
export interface CliReader {
  /** One object of its output. */
  read(value: Readonly<Record<string, unknown>>): readonly AgentEvent[];
  /** What its own last word was; null where it said none. */
  verdict(): EngineVerdict | null;
  /** Its final message, whole. */
  answer(): string;
}

/** A program that was asked something; called once, after `verdict`, `answer` gives its final message. */
export interface QuestionSession extends AgentSession {
  answer(): string;
}

/** JSON Schema of what a program is to answer with. */
export type AnswerSchema = Readonly<Record<string, unknown>>;

/** What such a program printed, for people: from its transcript, in which stderr stands among the lines. */
export function cliTranscript(reader: CliReader): TranscriptReader {
  const lines = new JsonLines();
  return {
    read: (bytes) => lines.push(bytes).flatMap((line) => eventsOf(reader, line)),
    end: () => lines.end().flatMap((line) => eventsOf(reader, line)),
  };
}

export interface TranscriptReader {
  /** Every piece once, in order. */
  read(bytes: Buffer): readonly AgentEvent[];
  /** What the last line holds, where it is not whole. */
  end(): readonly AgentEvent[];
}

function eventsOf(reader: CliReader, line: Line): readonly AgentEvent[] {
  if (line.kind === 'json') return reader.read(line.value);
  if (line.kind === 'text') return [said(line.text)];
  return [said(`(a line of ${line.bytes} bytes is left out)`)];
}

/** A session of a program that prints JSON Lines: other lines, and what it writes to stderr, are text. */
export function cliSession(name: string, program: AgentProgram, reader: CliReader): QuestionSession {
  const lines = new JsonLines();
  const stderr = new StringDecoder('utf8');
  let complaint = '';
  const readLine = (line: Line): readonly AgentEvent[] => eventsOf(reader, line);
  return {
    program,
    read({ stream, data }: OutputChunk) {
      if (stream === 'stdout') return lines.push(data).flatMap(readLine);
      const text = stderr.write(data);
      complaint = (complaint + text).slice(-MAX_REASON);
      return [{ type: 'text', stream, text }];
    },
    verdict(exitCode) {
      for (const line of lines.end()) readLine(line);
      return reader.verdict() ?? { done: false, reason: silentEnd(name, exitCode, complaint) };
    },
    answer: () => reader.answer(),
  };
}

/** Its exit code alone proves nothing: both programs can end with 0 without having worked. */
function silentEnd(name: string, exitCode: number, complaint: string): string {
  const why = exitCode === 0 ? `${name} ended without a result` : exitReason(name, exitCode);
  const last = complaint.trim().split('\n').at(-1)?.trim() ?? '';
  return last === '' || exitCode === 127 ? why : `${why}: ${last}`;
}

/** Tells what was seen lately from what is new: of what an agent prints, nothing may grow without bound. */
export class Recent {
  readonly #seen: string[] = [];

  /** Whether it is new; it is not from then on. */
  isNew(id: string): boolean {
    if (this.#seen.includes(id)) return false;
    this.#seen.push(id);
    if (this.#seen.length > MAX_RECENT) this.#seen.shift();
    return true;
  }
}

/** Calls whose results are still to come, as far as they are the program's own: a bounded number of them. */
export class OpenCalls {
  readonly #open = new Map<string, Omit<ToolResult, 'type' | 'failed' | 'output'>>();

  open(id: string, call: { readonly tool: string; readonly detail: string; readonly input: string }): void {
    if (id.length > MAX_ID) return;
    const input = call.input.length > MAX_INPUT ? null : call.input;
    this.#open.set(id, { tool: call.tool, detail: shortDetail(call.detail), input });
    const [oldest] = this.#open.keys();
    if (this.#open.size > MAX_RECENT && oldest !== undefined) this.#open.delete(oldest);
  }

  /** Nothing, where the call is not known (any more). */
  close(id: string, result: Pick<ToolResult, 'failed' | 'output'>): readonly AgentEvent[] {
    const call = this.#open.get(id);
    this.#open.delete(id);
    return call === undefined ? [] : [{ type: 'result', ...call, ...result }];
  }
}

/** Something that the agent says, as a line of its own. */
export function said(text: string): AgentEvent {
  return { type: 'text', stream: 'stdout', text: text.endsWith('\n') ? text : `${text}\n` };
}

/** The one line that a call is shown as. */
export function toolEvent(tool: string, detail: string): AgentEvent {
  return { type: 'tool', tool, detail: shortDetail(detail) };
}

function shortDetail(detail: string): string {
  const line = detail.trim().split('\n', 1)[0] ?? '';
  const isCut = line.length > MAX_DETAIL || detail.trim().includes('\n');
  return isCut ? `${line.slice(0, MAX_DETAIL)}…` : line;
}

export function usageEvent(usage: Usage): AgentEvent {
  return { type: 'usage', usage };
}

/** The final message as the summary of what was done. */
export function summaryOf(text: string): string | null {
  const summary = text.trim();
  if (summary === '') return null;
  return summary.length <= MAX_SUMMARY ? summary : `${summary.slice(0, MAX_SUMMARY)}…`;
}

/** An error's text as a part of a sentence: the message of a JSON body where it is one, one line, of bounded length. */
export function reasonOf(text: string): string {
  const json = text.indexOf('{');
  const plain = json < 0 ? text : (messageIn(text.slice(json)) ?? text);
  const line = plain.replace(/\s+/g, ' ').trim();
  return line.length <= MAX_REASON ? line : `${line.slice(0, MAX_REASON)}…`;
}

function messageIn(json: string): string | null {
  try {
    const value = JSON.parse(json) as { error?: { message?: unknown } } | null;
    const message = value?.error?.message;
    return typeof message === 'string' ? message : null;
  } catch {
    return null;
  }
}
