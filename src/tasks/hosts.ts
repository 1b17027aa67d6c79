/**
 * The hosts of a run, made ready side by side: tasks go to those that are there, a host that cannot be reached is tried
 * again and again, and the work on one that is lost goes elsewhere.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { environmentError, OrchestrateError } from '../errors.ts';
import type { IsolationLevel } from '../sandbox/sandbox.ts';
import type { AttemptRecord } from '../state/records.ts';
import type { AttemptId } from '../types.ts';
import type { HostAtWork, OpenedHost } from './host-at-work.ts';
import type { Placement } from './placement.ts';

const TRY_AGAIN_MS = 10_000;
/** At the end a host that is just being made ready is waited for so long, milliseconds. */
const COMING_MS = 10_000;
/** A host on which somebody else gave an attempt a place is waited for so long, and looked at so often, milliseconds. */
const READY_MS = 10 * 60_000;
const READY_LOOK_MS = 200;
/** Code of the error of a host that is another one of the run by another name: it will not become another machine. */
export const HOST_TWICE = 'HOST_TWICE';
/** From the weakest wall. */
const LEVELS: readonly IsolationLevel[] = ['shared-kernel', 'userns', 'gvisor', 'vm'];

/** A host as the user named it. */
export interface HostSource {
  readonly name: string;
  /** Agents at once at most; null: as many as its machine has room for. */
  readonly slots: number | null;
  /** It is to get no more tasks; what is at work there goes on. Asked again and again. Not given: never. */
  isDrained?(): boolean;
}

export interface HostsParts<Source extends HostSource> {
  /** In the order in which the user named them; at least one. */
  readonly sources: readonly Source[];
  /** Connects, and makes ready what is missing there. */
  open(source: Source): Promise<OpenedHost>;
  /** Removes what the run has there. */
  close(opened: OpenedHost): Promise<void>;
  /** The host of that name is given up for now. */
  onLost?(name: string): void;
  /** Who decides instead where attempts run; null or not given: nobody does. */
  readonly placement?: Placement | null;
  /** A host that came later and that `placement` names; not given, or null: there is none. */
  sourceNamed?(name: string): Source | null;
  /** A host that could not be reached, or was lost, is tried again so often, milliseconds; not given: TRY_AGAIN_MS. */
  readonly tryAgainMs?: number;
  onWarning(line: string): void;
  onProgress(line: string): void;
}

/** What a run makes of a host that is open. */
export interface Joining {
  /** Takes it into the run's service; nothing is given to it yet. */
  attach(opened: OpenedHost): HostAtWork;
  /** Does what has to be done on it before its first task. */
  prepare(at: HostAtWork): Promise<void>;
}

export interface PlaceWanted {
  readonly signal: AbortSignal;
  onWaiting(why: string): void;
}

interface Member<Source> {
  readonly source: Source;
  opened: OpenedHost | null;
  at: HostAtWork | null;
  /** Why it could not be opened, as it was said last. */
  said: string | null;
}

/** Order of use: `begin`, `attach`, `prepare`; then hosts come and go by themselves. Disposing it closes those that are there. */
export class Hosts<Source extends HostSource = HostSource> implements AsyncDisposable {
  readonly #parts: HostsParts<Source>;
  readonly #members: Member<Source>[];
  readonly #over = new AbortController();
  readonly #tryAgainMs: number;
  readonly #placed = new Map<AttemptId, HostAtWork>();
  readonly #coming = new Set<Promise<void>>();
  #joining: Joining | null = null;

  constructor(parts: HostsParts<Source>) {
    this.#parts = parts;
    this.#tryAgainMs = parts.tryAgainMs ?? TRY_AGAIN_MS;
    this.#members = parts.sources.map((source) => ({ source, opened: null, at: null, said: null }));
  }

  /** There is no other, and none will come. */
  get isAlone(): boolean {
    return this.#members.length === 1 && this.#parts.placement == null;
  }

  /**
   * Opens all of them; resolves when one that takes tasks is there, and those of `needed` are or cannot be reached.
   * Rejects as the first one does where none can be opened.
   */
  async begin(needed: ReadonlySet<string>): Promise<void> {
    const open = (isWorking: boolean, after: Promise<unknown> | null) =>
      this.#members
        .filter(({ source }) => (source.slots !== 0) === isWorking)
        .map((member) => ({
          member,
          done: after === null ? this.#open(member) : after.then(() => this.#open(member)),
        }));
    const working = open(true, null);
    // An engine that is there by two names is to be the one that takes tasks.
    const opening = [...working, ...open(false, Promise.allSettled(working.map(({ done }) => done)))];
    // Whoever awaits it hears of its failure.
    for (const { done } of opening) done.catch(() => {});
    try {
      await Promise.any(working.map(({ done }) => done));
    } catch (error) {
      throw error instanceof AggregateError ? error.errors[0] : error;
    }
    await Promise.allSettled(opening.filter(({ member }) => needed.has(member.source.name)).map(({ done }) => done));
    for (const { member, done } of opening) {
      if (member.opened === null) this.#comes(member, done);
    }
  }

  /** Takes those that are open into service, and from now on those that come. */
  attach(joining: Joining): readonly HostAtWork[] {
    this.#joining = joining;
    for (const member of this.#members) this.#attach(member);
    return this.atWork;
  }

  /** Prepares them, the first one before it resolves: as it fails, so does this. Others are used when they are ready. */
  async prepare(): Promise<void> {
    const [first, ...others] = this.atWork;
    if (first === undefined || this.#joining === null) return;
    for (const at of others) void this.#prepare(at);
    await this.#joining.prepare(first);
    first.isReady = true;
  }

  /** All that are in service, in the user's order. */
  get atWork(): readonly HostAtWork[] {
    return this.#members.flatMap(({ at }) => (at === null ? [] : [at]));
  }

  /** The one that does what has to be done once. */
  get first(): HostAtWork {
    const [first] = [...this.#usable, ...this.atWork];
    if (first === undefined) throw new Error('no host is in service');
    return first;
  }

  /** The one with most agents at work. */
  get busiest(): HostAtWork {
    return this.atWork.reduce((most, at) => (at.busy > most.busy ? at : most), this.first);
  }

  /** Of all that are open, the weakest. */
  get isolation(): IsolationLevel {
    const levels = this.#members.flatMap(({ opened }) => (opened === null ? [] : [opened.host.isolation]));
    return LEVELS.find((level) => levels.includes(level)) ?? 'shared-kernel';
  }

  /** Null: it is not there (any more). */
  named(name: string): HostAtWork | null {
    return this.atWork.find((at) => at.name === name) ?? null;
  }

  /** Name of the host that the next task goes to, or of who decides that; null: nowhere now. */
  next(): string | null {
    return this.#parts.placement?.name ?? this.#freest()?.name ?? null;
  }

  /** Gives the attempt its place, until `leave`; as `Placement.place` where somebody else decides. */
  async place(attempt: Pick<AttemptRecord, 'id' | 'host'>, to: PlaceWanted): Promise<HostAtWork> {
    const { placement } = this.#parts;
    const at =
      placement == null
        ? (this.named(attempt.host) ?? this.first)
        : await this.#ready(await placement.place(attempt.id, to.signal, to.onWaiting), to.signal);
    this.#enter(attempt.id, at);
    return at;
  }

  /** Tells when a place was taken away: the attempt is to end there. */
  onTaken(listener: (attempt: AttemptId, why: string) => void): void {
    this.#parts.placement?.onTaken(listener);
  }

  /** A free place on a host that has the base already, on the emptiest of these. */
  #freest(): HostAtWork | null {
    const free = this.#usable.filter(({ busy, slots }) => busy < slots);
    const load = ({ busy, slots }: HostAtWork): number => busy / slots;
    const [best] = free.sort((a, b) => Number(b.hasBase) - Number(a.hasBase) || load(a) - load(b));
    return best ?? null;
  }

  /** Each of them is to get no more tasks, whatever becomes of it. */
  get areDrained(): boolean {
    if (this.#parts.placement != null) return false;
    return this.#members.every(({ source }) => source.slots === 0 || source.isDrained?.() === true);
  }

  /** Why no task can be given to any of them just now; null: some could, if it had a free place. */
  get inTheWay(): string | null {
    if (this.#usable.length > 0) return null;
    if (this.areDrained) return "the run's hosts were removed from the settings";
    const [reason] = this.atWork.flatMap(({ holds }) => holds.reason ?? []);
    return reason ?? 'no host can be reached';
  }

  /** An attempt that an earlier run left at work there. */
  async adopt(attempt: AttemptId, at: HostAtWork): Promise<void> {
    this.#enter(attempt, at);
    await this.#parts.placement?.adopt(attempt);
  }

  /** The attempt is at work there from now on, until `leave`. */
  #enter(attempt: AttemptId, at: HostAtWork): void {
    at.busy += 1;
    this.#placed.set(attempt, at);
  }

  leave(attempt: AttemptId): void {
    this.#parts.placement?.release(attempt).catch((error: Error) => this.#parts.onWarning(error.message));
    const at = this.#placed.get(attempt);
    if (at === undefined) return;
    at.busy -= 1;
    this.#placed.delete(attempt);
  }

  /** Another one could do its work. */
  isReplaceable(at: HostAtWork): boolean {
    return this.#usable.some((other) => other !== at);
  }

  /** Its work goes elsewhere; it is tried again, and what was left on it is fetched then. */
  lost(at: HostAtWork): void {
    const member = this.#members.find((one) => one.at === at);
    if (member === undefined) return;
    at[Symbol.dispose]();
    const { opened } = member;
    member.at = null;
    member.opened = null;
    this.#parts.onLost?.(at.name);
    this.#parts.placement?.avoid(at.name, 'its engine does not answer');
    // Whoever works on it learns so first.
    if (opened !== null) void this.#parts.close(opened).catch(() => {});
    this.#comes(
      member,
      pause(this.#tryAgainMs, undefined, { signal: this.#over.signal }).then(() => this.#open(member)),
    );
  }

  /** It is not there, and what it had at work was given up. */
  isLost(at: HostAtWork): boolean {
    return !this.#members.some((member) => member.at === at);
  }

  /** Nobody waits for any of them any more. */
  giveUp(): void {
    this.#over.abort();
    for (const { opened } of this.#members) opened?.host.giveUp();
  }

  /** Rejects where something was left on one of them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.giveUp();
    // What is being made ready far away is not waited for longer: the next run finds it by its labels.
    await Promise.race([Promise.all(this.#coming), pause(COMING_MS, undefined, { ref: false })]);
    for (const at of this.atWork) at[Symbol.dispose]();
    const opened = this.#members.flatMap((member) => member.opened ?? []);
    const closed = await Promise.allSettled(opened.map((one) => this.#parts.close(one)));
    await this.#parts.placement?.[Symbol.asyncDispose]();
    const failed = closed.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #ready(name: string, signal: AbortSignal): Promise<HostAtWork> {
    this.#discover(name);
    const until = performance.now() + READY_MS;
    for (;;) {
      const at = this.named(name);
      if (at?.isReady === true) return at;
      signal.throwIfAborted();
      const said = this.#members.find(({ source }) => source.name === name)?.said;
      if (performance.now() > until) {
        throw environmentError('HOST_UNREACHABLE', `the host ${name} is not ready: ${said ?? 'it takes too long'}`);
      }
      await pause(READY_LOOK_MS);
    }
  }

  #discover(name: string): void {
    if (this.#members.some(({ source }) => source.name === name)) return;
    const source = this.#parts.sourceNamed?.(name) ?? null;
    if (source === null) return;
    const member = { source, opened: null, at: null, said: null };
    this.#members.push(member);
    this.#comes(member, this.#open(member));
  }

  get #usable(): HostAtWork[] {
    return this.#members.flatMap(({ source, at }) => {
      const isUsable = at?.isReady === true && at.slots > 0 && at.holds.reason === null;
      return isUsable && source.isDrained?.() !== true ? [at] : [];
    });
  }

  async #open(member: Member<Source>): Promise<void> {
    const opened = await this.#parts.open(member.source);
    if (this.#over.signal.aborted) {
      await this.#parts.close(opened);
      return;
    }
    member.opened = opened;
    member.said = null;
    if (!this.isAlone) this.#parts.onProgress(`the host ${member.source.name} is ready (${placesOf(opened)})`);
  }

  /** It is taken into service when it is there, however often that has to be tried. */
  #comes(member: Member<Source>, opening: Promise<void>): void {
    const coming: Promise<void> = this.#arrive(member, opening).finally(() => this.#coming.delete(coming));
    this.#coming.add(coming);
  }

  async #arrive(member: Member<Source>, opening: Promise<void>): Promise<void> {
    const { signal } = this.#over;
    let next = opening;
    while (!signal.aborted) {
      try {
        await next;
        break;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof OrchestrateError && error.code === HOST_TWICE) {
          this.#members.splice(this.#members.indexOf(member), 1);
          this.#parts.onWarning(`the host ${member.source.name} is left out: ${error.message}`);
          return;
        }
        this.#say(member, error);
        await pause(this.#tryAgainMs, undefined, { signal }).catch(() => {});
        if (signal.aborted) return;
        next = this.#open(member);
      }
    }
    const at = this.#attach(member);
    if (at !== null) await this.#prepare(at);
  }

  #say(member: Member<Source>, error: unknown): void {
    const message = saidBy(error);
    if (member.said === message) return;
    this.#parts.onWarning(`the host ${member.source.name} cannot be used, and is tried again: ${message}`);
    member.said = message;
  }

  #attach(member: Member<Source>): HostAtWork | null {
    if (member.opened === null || member.at !== null || this.#joining === null) return member.at;
    member.at = this.#joining.attach(member.opened);
    return member.at;
  }

  /** Of one that is not the first: where it fails the run goes on without it. */
  async #prepare(at: HostAtWork): Promise<void> {
    try {
      await this.#joining?.prepare(at);
      at.isReady = true;
    } catch (error) {
      if (this.#over.signal.aborted || this.isLost(at)) return;
      this.#parts.onWarning(
        `nothing is started on the host ${at.name}: ${error instanceof Error ? error.message : error}`,
      );
    }
  }
}

/** With what a person can do, which nobody else tells. */
function saidBy(error: unknown): string {
  if (error instanceof OrchestrateError && error.hint !== undefined) return `${error.message}: ${error.hint}`;
  return error instanceof Error ? error.message : String(error);
}

function placesOf({ slots }: OpenedHost): string {
  if (slots === 0) return 'for the agents that are on it alone';
  return slots === 1 ? 'one agent at once' : `${slots} agents at once`;
}
