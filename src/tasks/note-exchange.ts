/**
 * Carries notes between the agents of a run: out of their outboxes into the state, and from there into the contexts of those
 * whom they concern. Agents never meet: the keeper reads and writes, in one call each for all of them.
 */

import { createHash } from 'node:crypto';
import type { EventBody } from '../events.ts';
import { leaveNote, MOST_NOTES } from '../notes/leave.ts';
import { fitting, IN_CONTEXT, IN_PROMPT, noteJson, notesMarkdown } from '../notes/render.ts';
import type { ContextFile, OutboxNews, SandboxHost } from '../sandbox/sandbox.ts';
import { safeJson } from '../sanitise.ts';
import type { AttemptRecord, RelevantNote } from '../state/records.ts';
import type { State } from '../state/state.ts';
import type { AttemptId } from '../types.ts';

/** Milliseconds from the end of one look into all outboxes to the next. */
const LOOK_EVERY_MS = 1_000;
/** All files of an outbox that are seen fit into so many answers, unless they change all the time. */
const MOST_LOOKS = 20;
/** Refused files of one attempt that are named; the others are counted. */
const MOST_NAMED = 5;

type Author = Pick<AttemptRecord, 'id' | 'task'>;

export interface ExchangeParts {
  readonly host: Pick<SandboxHost, 'putContext' | 'takeNotes'>;
  readonly state: State;
  emit(event: EventBody): void;
}

/** What an attempt knows of others when it starts. */
export interface KnownAtStart {
  /** Markdown for its prompt; null: there are no notes. */
  readonly prompt: string | null;
  readonly contextFiles: readonly ContextFile[];
}

interface Member {
  readonly author: Author;
  /** What its context holds, as it was put there last. */
  text: string;
}

/** One per run and host. Looks only while somebody has joined. */
export class NoteExchange {
  readonly #parts: ExchangeParts;
  readonly #members = new Map<AttemptId, Member>();
  readonly #refused = new Map<AttemptId, number>();
  /** Number of the newest note when contexts were written last. */
  #handedOut = 0;
  #round: Promise<void> = Promise.resolve();
  #isPlanned = false;

  constructor(parts: ExchangeParts) {
    this.#parts = parts;
  }

  knownTo(attempt: AttemptId): KnownAtStart {
    const notes = this.#notesFor(attempt);
    const forPrompt = fitting(notes, IN_PROMPT);
    const prompt = forPrompt.length === 0 ? null : notesMarkdown(forPrompt);
    return { prompt, contextFiles: filesOf(notes) };
  }

  /** The agent works from now on: what it leaves is taken, and what others leave is told to it. */
  join(author: Author): void {
    // Not known what its context holds: a note may have come since it was made.
    this.#members.set(author.id, { author, text: '' });
    this.#handedOut = -1;
    this.#plan();
  }

  /** The agent has ended, and its sandbox is still there: takes what it left last. */
  async leave(author: Author): Promise<void> {
    this.#members.delete(author.id);
    await this.#round;
    const left = await this.take(author);
    const refused = (this.#refused.get(author.id) ?? 0) - MOST_NAMED;
    this.#refused.delete(author.id);
    if (refused > 0) this.#warn(author, `${refused} more files in its outbox were refused`);
    if (left === 0) return;
    this.#warn(author, `${left} files in its outbox were not looked at`);
  }

  /** Takes all that is in an outbox, finished or not. How many files there was no leave to take. */
  async take(author: Author): Promise<number> {
    try {
      let left = 0;
      for (let looks = 0; looks < MOST_LOOKS; looks += 1) {
        const own = (await this.#look([author], true)).get(author.id);
        left = own?.left ?? 0;
        if (own?.more !== true && left === 0) break;
      }
      return left;
    } catch (error) {
      this.#warn(author, `its notes could not be read: ${error instanceof Error ? error.message : String(error)}`);
      return 0;
    }
  }

  #plan(): void {
    if (this.#isPlanned || this.#members.size === 0) return;
    this.#isPlanned = true;
    // The agents keep the process alive, not the looking.
    setTimeout(() => {
      this.#round = this.#exchange().finally(() => {
        this.#isPlanned = false;
        this.#plan();
      });
    }, LOOK_EVERY_MS).unref();
  }

  async #exchange(): Promise<void> {
    const authors = [...this.#members.values()].map(({ author }) => author);
    if (authors.length === 0) return;
    try {
      await this.#look(authors, false);
      await this.#handOut();
    } catch {
      // The keeper is in trouble: the next look may do better, and the last one tells.
    }
  }

  async #look(authors: readonly Author[], final: boolean): Promise<ReadonlyMap<AttemptId, OutboxNews>> {
    // Not how many it may still leave: a keeper that was started anew tells again what is known.
    const most = new Map(authors.map(({ id }) => [id, MOST_NOTES]));
    const news = await this.#parts.host.takeNotes(most, final);
    for (const author of authors) this.#keep(author, news.get(author.id));
    return news;
  }

  #keep(author: Author, news: OutboxNews | undefined): void {
    for (const { name, size, text } of news?.files ?? []) {
      const digest = createHash('sha256').update(`${name}\0${text}`).digest('hex').slice(0, 32);
      const source = `outbox:${author.id}:${digest}`;
      const leaving = leaveNote(this.#parts.state, { attempt: author.id, source, text, size });
      if ('refused' in leaving) this.#refuse(author, name, leaving.refused);
    }
    for (const { name, reason } of news?.refused ?? []) this.#refuse(author, name, reason);
  }

  #refuse(author: Author, name: string, reason: string): void {
    const count = (this.#refused.get(author.id) ?? 0) + 1;
    this.#refused.set(author.id, count);
    if (count <= MOST_NAMED) this.#warn(author, `the file ${name} in its outbox is no note: it ${reason}`);
  }

  /** Whoever has something new to know gets it. */
  async #handOut(): Promise<void> {
    const { host, state } = this.#parts;
    const newest = state.newestNote();
    if (newest === this.#handedOut) return;
    const contexts = new Map<AttemptId, readonly ContextFile[]>();
    const texts = new Map<Member, string>();
    for (const [id, member] of this.#members) {
      const files = filesOf(this.#notesFor(id));
      const text = String(files.map((file) => file.content));
      if (text === member.text) continue;
      contexts.set(id, files);
      texts.set(member, text);
    }
    if (contexts.size > 0) await host.putContext(contexts);
    for (const [member, text] of texts) member.text = text;
    this.#handedOut = newest;
  }

  #notesFor(attempt: AttemptId): RelevantNote[] {
    return this.#parts.state.notesFor(attempt, IN_CONTEXT.notes);
  }

  #warn({ id: attempt, task }: Author, message: string): void {
    this.#parts.emit({ type: 'warning', task, attempt, message });
  }
}

function filesOf(notes: readonly RelevantNote[]): ContextFile[] {
  const chosen = fitting(notes, IN_CONTEXT);
  return [
    { name: 'notes.json', content: Buffer.from(`${safeJson({ notes: chosen.map(noteJson) }, 2)}\n`) },
    { name: 'notes.md', content: Buffer.from(notesMarkdown(chosen)) },
  ];
}
