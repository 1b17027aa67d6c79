/**
 * Has a Docker Swarm say where attempts run. Each attempt is a service of one idle task that holds what the attempt may use,
 * for as long as it runs: where it lands, the attempt's own sandbox is made on that node's engine, by whoever asked.
 */

import { setTimeout as wait } from 'node:timers/promises';
import type Docker from 'dockerode';
import { environmentError } from '../../errors.ts';
import type { AttemptId } from '../../types.ts';
import { engineFailure } from '../docker/engine-errors.ts';
import { sweep } from '../docker/sweep.ts';
import { type Sight, SwarmManager, trouble } from './manager.ts';
import { Readiness } from './readiness.ts';
import { type Landed, type Over, placeOf, type SwarmNode } from './reading.ts';
import { noRoom } from './room.ts';
import { Rounds } from './rounds.ts';
import { type Need, type Owner, placementService, removeService, serviceName } from './service.ts';

/** Between two looks at the Swarm, milliseconds: while something is about to land, while something waits for room, and else. */
const LOOK_TIMES = { landing: 250, waiting: 1_000, landed: 2_000 };

export interface SwarmPlacementOptions extends Owner {
  /** Attempts of an earlier run that are still to be adopted: their placements stay. */
  readonly keep: readonly AttemptId[];
  /**
   * Puts an image of ours that holds tini on the node's engine, tagged PLACEMENT_IMAGE. Called when something landed there
   * and the node lacked it, once at a time for a node. Where it rejects, the node is left alone for a while.
   */
  prepare(node: SwarmNode): Promise<void>;
  /** Not given: LOOK_TIMES. */
  readonly times?: typeof LOOK_TIMES;
  onWarning(line: string): void;
}

export interface PlaceWanted extends Need {
  readonly signal: AbortSignal;
  /** Why it has not landed yet, in Swarm's own words (`insufficient resources on 2 nodes`); told when it changes. */
  onWaiting(reason: string): void;
}

/** All calls may run concurrently for different attempts. Disposing releases what is held. */
export interface SwarmPlacement extends AsyncDisposable {
  /**
   * Resolves with the node where it landed, which is held for it until `release`; waits while the Swarm has no room or its
   * manager does not answer. Rejects with environment SWARM_NO_NODE where no node would ever do, NOT_A_SWARM or
   * SWARM_REFUSED, or with what `signal` was aborted with; then nothing is held.
   */
  place(attempt: AttemptId, wanted: PlaceWanted): Promise<SwarmNode>;
  /** Takes over the placement of an attempt in `keep`; null where there is none any more. Rejects as `place`. */
  adopt(attempt: AttemptId): Promise<SwarmNode | null>;
  /** Never rejects; idempotent, also where the node is gone. What a manager that is away is not told now, it is told later. */
  release(attempt: AttemptId): Promise<void>;
  /** Nothing new is placed on a node for a while: its engine does not answer to us, whatever Swarm thinks of it. */
  avoid(node: string, why: string): void;
  /** Nodes that can be used now. */
  nodes(): Promise<readonly SwarmNode[]>;
  /**
   * Told, once for each, when the place of an attempt that landed is taken away: its node is down, drained or gone, or
   * somebody ended the task or its service. It still has to be released.
   */
  onTaken(listener: (attempt: AttemptId, why: string) => void): void;
}

/**
 * Removes what earlier runs left in the Swarm. `docker` is one of its managers.
 * Environment errors: NOT_A_SWARM, SWARM_NO_NODE.
 */
export async function openSwarmPlacement(docker: Docker, options: SwarmPlacementOptions): Promise<SwarmPlacement> {
  const { installation, run, keep } = options;
  const manager = await SwarmManager.of(docker, installation);
  const places = { kinds: ['placement'], types: ['service'] } as const;
  await sweep(docker, installation, { ...places, dryRun: false, liveRun: run, keepAttempts: keep });
  const placement = new ServicePlacement(manager, options);
  if ((await placement.nodes()).length > 0) return placement;
  throw environmentError('SWARM_NO_NODE', 'the Swarm has no node that is ready and active', {
    hint: 'see docker node ls, then: docker node update --availability active NODE',
  });
}

/** An attempt's placement. */
interface Held {
  /** Swarm's id of its service; null: there is none just now. */
  service: string | null;
  isLanded: boolean;
  isTaken: boolean;
  /** What was told last. */
  reason: string | null;
  readonly tell: (reason: string) => void;
  /** Of whoever waits for it to land. */
  ended: (end: Landed | Over) => void;
  readonly released: AbortController;
}

class ServicePlacement implements SwarmPlacement {
  readonly #manager: SwarmManager;
  readonly #options: SwarmPlacementOptions;
  readonly #times: typeof LOOK_TIMES;
  readonly #held = new Map<AttemptId, Held>();
  /** Attempts whose services could not be removed yet. */
  readonly #leaving = new Set<AttemptId>();
  readonly #placing = new Set<Promise<unknown>>();
  readonly #readiness: Readiness;
  readonly #listeners: ((attempt: AttemptId, why: string) => void)[] = [];
  #nodes: readonly SwarmNode[] = [];
  readonly #looks = new Rounds(
    () => this.#look(),
    () => this.#pauseMs(),
  );
  #isDisposed = false;

  constructor(manager: SwarmManager, options: SwarmPlacementOptions) {
    this.#manager = manager;
    this.#options = options;
    this.#times = options.times ?? LOOK_TIMES;
    this.#readiness = new Readiness((node) => options.prepare(node), options.onWarning);
  }

  async nodes(): Promise<readonly SwarmNode[]> {
    const nodes = await this.#manager.nodes().catch(unseen);
    return nodes.filter(({ away }) => away === null);
  }

  onTaken(listener: (attempt: AttemptId, why: string) => void): void {
    this.#listeners.push(listener);
  }

  avoid(node: string, why: string): void {
    this.#readiness.avoid(node, why);
  }

  place(attempt: AttemptId, wanted: PlaceWanted): Promise<SwarmNode> {
    const placing = this.#place(attempt, wanted).finally(() => this.#placing.delete(placing));
    this.#placing.add(placing);
    return placing;
  }

  async #place(attempt: AttemptId, wanted: PlaceWanted): Promise<SwarmNode> {
    const held = unplaced(wanted.onWaiting);
    this.#held.set(attempt, held);
    this.#leaving.delete(attempt);
    const signal = AbortSignal.any([wanted.signal, held.released.signal]);
    const left = aborted(signal);
    const prepared = new Set<string>();
    try {
      for (;;) {
        const end = await this.#landing(attempt, held, { need: wanted, signal, left });
        const node = this.#nodes.find((known) => known.node === end.node) ?? null;
        if (end.is === 'landed' && node !== null && !this.#readiness.avoided().has(node.node)) {
          held.isLanded = true;
          return node;
        }
        held.service = null;
        await this.#remove(attempt);
        if (end.is === 'landed') continue;
        if (end.lacksImage && node !== null && !prepared.has(node.node)) {
          prepared.add(node.node);
          this.#tell(attempt, `${node.name} is being made ready`);
          await Promise.race([this.#readiness.prepare(node), left]);
        } else if (node?.isLeaving === false) this.#readiness.giveUp(node, end.why);
        else await wait(this.#times.waiting, undefined, { signal });
      }
    } catch (error) {
      const cause = signal.aborted ? signal.reason : error;
      // Released meanwhile, it may have been made after that.
      if ((this.#held.get(attempt) ?? held) === held) await this.release(attempt);
      throw cause;
    }
  }

  async adopt(attempt: AttemptId): Promise<SwarmNode | null> {
    const sight = await this.#manager.look().catch(unseen);
    this.#nodes = sight.nodes;
    const service = sight.services.get(this.#nameOf(attempt)) ?? null;
    const place = placeOf(sight.tasks.get(service ?? '') ?? null, sight.nodes);
    const node = place.is === 'landed' ? sight.nodes.find((known) => known.node === place.node) : undefined;
    if (node === undefined) {
      await this.release(attempt);
      return null;
    }
    this.#held.set(attempt, { ...unplaced(() => {}), service, isLanded: true });
    this.#looks.now();
    return node;
  }

  async release(attempt: AttemptId): Promise<void> {
    this.#held.get(attempt)?.released.abort(new Error(`the placement of ${attempt} was released`));
    this.#held.delete(attempt);
    await this.#remove(attempt);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#held.keys(), ...this.#leaving].map((attempt) => this.release(attempt)));
    await Promise.allSettled(this.#placing);
    this.#isDisposed = true;
    await this.#looks.ended();
    if (this.#leaving.size === 0) return;
    this.#options.onWarning(
      `the Swarm still holds room for ${[...this.#leaving].join(', ')}: the next run gives it back`,
    );
  }

  /** Makes the service, and waits until its task runs or is known never to. */
  async #landing(
    attempt: AttemptId,
    held: Held,
    { need, signal, left }: { readonly need: Need; readonly signal: AbortSignal; readonly left: Promise<never> },
  ): Promise<Landed | Over> {
    const end = new Promise<Landed | Over>((resolve) => {
      held.ended = resolve;
    });
    held.service = await this.#steadily(attempt, signal, async () => {
      this.#nodes = await this.#manager.nodes();
      const avoided = this.#readiness.avoided();
      const refusal = noRoom(this.#nodes, need, avoided);
      if (refusal !== null) throw refusal;
      const service = placementService(attempt, need, { ...this.#options, avoided: [...avoided.keys()] });
      return this.#manager.create(service);
    });
    this.#looks.now();
    return Promise.race([end, left]);
  }

  /** Does something again and again until the manager answers. Rejects with any other failure, as our error. */
  async #steadily<Result>(attempt: AttemptId, signal: AbortSignal, act: () => Promise<Result>): Promise<Result> {
    for (;;) {
      signal.throwIfAborted();
      try {
        return await act();
      } catch (error) {
        this.#tell(attempt, trouble(error));
        await this.#manager.ping();
        await wait(this.#times.waiting, undefined, { signal }).catch(() => {});
      }
    }
  }

  async #remove(attempt: AttemptId): Promise<void> {
    try {
      await removeService(this.#manager.docker, this.#nameOf(attempt));
      this.#leaving.delete(attempt);
    } catch {
      // Tried again with each look from now on.
      if (this.#leaving.has(attempt)) return;
      this.#leaving.add(attempt);
      this.#looks.now();
    }
  }

  #nameOf(attempt: AttemptId): string {
    return serviceName(this.#options.installation, attempt);
  }

  #tell(attempt: AttemptId, reason: string): void {
    const held = this.#held.get(attempt);
    if (held === undefined || held.reason === reason) return;
    held.reason = reason;
    held.tell(reason);
  }

  async #look(): Promise<void> {
    // What is made meanwhile may not be seen.
    const known = [...this.#held].filter(([, { service, isTaken }]) => service !== null && !isTaken);
    const services = new Map(known.map(([attempt, { service }]) => [attempt, service ?? '']));
    try {
      const sight = await this.#manager.look();
      this.#nodes = sight.nodes;
      for (const [attempt, held] of known) {
        if (this.#held.get(attempt) === held && held.service === services.get(attempt))
          this.#seen(attempt, held, sight);
      }
    } catch (error) {
      const said = phraseOf(error);
      for (const [attempt, { isLanded }] of this.#held) if (!isLanded) this.#tell(attempt, said);
      await this.#manager.ping();
    }
    for (const attempt of this.#leaving) if (!this.#held.has(attempt)) await this.#remove(attempt);
  }

  #seen(attempt: AttemptId, held: Held, { services, tasks, nodes }: Sight): void {
    const service = held.service ?? '';
    const isThere = services.get(this.#nameOf(attempt)) === service;
    const place = isThere ? placeOf(tasks.get(service) ?? null, nodes) : SERVICE_GONE;
    if (!held.isLanded) {
      if (place.is !== 'waiting') held.ended(place);
      else if (place.reason !== null) this.#tell(attempt, place.reason);
      else held.reason = null;
      return;
    }
    if (place.is === 'landed') return;
    held.isTaken = true;
    const why = place.is === 'over' ? place.why : 'its task is gone';
    for (const listener of this.#listeners) listener(attempt, why);
  }

  #pauseMs(): number | null {
    const all = [...this.#held.values()];
    if (this.#isDisposed || all.length + this.#leaving.size === 0) return null;
    if (all.some(({ isLanded, service, reason }) => !isLanded && service !== null && reason === null)) {
      return this.#times.landing;
    }
    return all.every(({ isLanded }) => isLanded) && this.#leaving.size === 0 ? this.#times.landed : this.#times.waiting;
  }
}

const SERVICE_GONE: Over = { is: 'over', node: null, why: 'somebody removed its service', lacksImage: false };

function unplaced(tell: (reason: string) => void): Held {
  return {
    service: null,
    isLanded: false,
    isTaken: false,
    reason: null,
    tell,
    ended: () => {},
    released: new AbortController(),
  };
}

function unseen(cause: unknown): never {
  throw engineFailure('the Swarm could not be looked at', cause);
}

function phraseOf(error: unknown): string {
  try {
    return trouble(error);
  } catch (refusal) {
    return refusal instanceof Error ? refusal.message : String(refusal);
  }
}

/** Rejects with the signal's reason once it is aborted. */
function aborted(signal: AbortSignal): Promise<never> {
  const left = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  left.catch(() => {});
  return left;
}
