/** One host of a run, with all that the run has on it: its gateway, what watches over its room, what was set up there. */

import type { Repository } from '../git/repository.ts';
import type { BaseTree, SandboxHost } from '../sandbox/sandbox.ts';
import type { Limits, ObjectId } from '../types.ts';
import type { RunGateway, RunListener } from './gateway.ts';
import type { Holds } from './holds.ts';
import { type ExchangeParts, NoteExchange } from './note-exchange.ts';
import { type OutageParts, outliveOutages } from './outage.ts';
import { RunSetUp, type WantedSetUp } from './set-up.ts';
import { StartLine } from './start-line.ts';
import { Watermarks } from './watermarks.ts';

/** A host that was made ready, and the gateway on it. */
export interface OpenedHost {
  readonly host: SandboxHost;
  /** Null where the run's agents reach nothing at all. */
  readonly gateway: RunGateway | null;
  /** Agents at once at most. */
  readonly slots: number;
}

/** What the hosts of a run have in common. */
export interface HostRun {
  readonly repository: Repository;
  readonly base: Pick<BaseTree, 'tree' | 'commit'>;
  readonly bounds: { readonly limits: Limits; readonly timeoutMs: number };
  readonly setUp: WantedSetUp | null;
  /** Aborted when nothing more is to be started. */
  readonly stopStarting: AbortSignal;
  readonly listener: RunListener;
  readonly notes: Omit<ExchangeParts, 'host'>;
  onProgress(line: string): void;
  onWarning(line: string): void;
}

export interface HostTies extends Omit<OutageParts, 'host' | 'holds'> {
  /** Its name where there are others; null: it is the only one. */
  readonly label: string | null;
  /** What stands in the way on this host alone; not given: its own. */
  readonly holds: Holds;
}

export class HostAtWork implements Disposable {
  readonly name: string;
  readonly host: SandboxHost;
  readonly gateway: RunGateway | null;
  readonly slots: number;
  readonly holds: Holds;
  readonly watermarks: Watermarks;
  /** Its own: a host that is away keeps the notes of no other. */
  readonly notes: NoteExchange;
  readonly setUp: RunSetUp | null;
  /** Its own as well: who waits for an engine that is away is waited for by nobody elsewhere. */
  readonly line = new StartLine();
  /** Agents that are at work on it, or about to be. */
  busy = 0;
  /** Tasks may be given to it. */
  isReady = false;
  readonly #base: HostRun['base'];
  readonly #trees = new Set<ObjectId>();

  constructor({ host, gateway, slots }: OpenedHost, run: HostRun, ties: HostTies) {
    this.name = host.name;
    this.host = host;
    this.gateway = gateway;
    this.slots = slots;
    this.holds = ties.holds;
    this.#base = run.base;
    outliveOutages({ ...ties, host });
    this.watermarks = new Watermarks(() => host.resources(), this.holds);
    this.notes = new NoteExchange({ ...run.notes, host });
    gateway?.listen(run.listener);
    const say = (tell: (line: string) => void) => (line: string) =>
      tell(ties.label === null ? line : `${ties.label}: ${line}`);
    this.setUp =
      run.setUp &&
      new RunSetUp(run.setUp, {
        ...{ host, repository: run.repository, base: run.base, bounds: run.bounds, watermarks: this.watermarks },
        ...{ signal: run.stopStarting, logName: ties.label === null ? 'setup.log' : `setup-${ties.label}.log` },
        openEgress: async () => (await gateway?.admitSetUp()) ?? null,
        ...{ onProgress: say(run.onProgress), onWarning: say(run.onWarning) },
      });
  }

  /** It has the run's base. */
  get hasBase(): boolean {
    return this.#trees.has(this.#base.tree);
  }

  /** Lays out the run's base while nobody waits for it; whoever needs it waits for the same work. */
  layBase(): void {
    const { tree, commit } = this.#base;
    this.host.prepareTree({ tree, commit, near: null }).then(
      () => this.#trees.add(tree),
      () => {},
    );
  }

  [Symbol.dispose](): void {
    this.watermarks[Symbol.dispose]();
  }
}
