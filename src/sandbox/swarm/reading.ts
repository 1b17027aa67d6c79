/** What a Swarm manager says of its nodes and tasks, in our words. Pure. */

/** One machine of a Swarm. */
export interface SwarmNode {
  /** Swarm's id of it. */
  readonly node: string;
  /** For people: its host name, with the start of its id where another node has the same. */
  readonly name: string;
  readonly hostname: string;
  /** Where Swarm reaches it. */
  readonly address: string;
  /** The manager that was asked: it needs no other connection. */
  readonly isManagerItself: boolean;
  /** `gpu` where the value is `true`, else `disk=ssd`. */
  readonly labels: readonly string[];
  readonly cpus: number;
  readonly memoryBytes: number;
  /** `x86_64`, `aarch64`. */
  readonly architecture: string;
  /** Why nothing can be placed there now, as the end of a sentence (`is drained`); null: it can. */
  readonly away: string | null;
  /** What runs there is lost, or has to go. */
  readonly isLeaving: boolean;
}

/** `GET /nodes` of the Engine API, as far as it is read. */
export interface RawNode {
  readonly ID: string;
  readonly Spec: { readonly Availability?: string; readonly Labels?: Readonly<Record<string, string>> | null };
  readonly Description?: {
    readonly Hostname?: string;
    readonly Platform?: { readonly Architecture?: string };
    readonly Resources?: { readonly NanoCPUs?: number; readonly MemoryBytes?: number };
  };
  readonly Status?: { readonly State?: string; readonly Addr?: string };
  readonly ManagerStatus?: { readonly Addr?: string } | null;
}

/** `GET /tasks`. */
export interface RawTask {
  readonly ID: string;
  readonly ServiceID: string;
  readonly NodeID?: string;
  readonly DesiredState: string;
  readonly Status: { readonly State: string; readonly Message?: string; readonly Err?: string };
}

export interface Waiting {
  readonly is: 'waiting';
  /** Swarm's own; null: it has not said any. */
  readonly reason: string | null;
}

export interface Landed {
  readonly is: 'landed';
  readonly node: string;
}

/** It will not run (any more). */
export interface Over {
  readonly is: 'over';
  /** Null: it had not got to one. */
  readonly node: string | null;
  readonly why: string;
  readonly lacksImage: boolean;
}

/** @param self the id of the node that was asked */
export function readNodes(raw: readonly RawNode[], self: string): readonly SwarmNode[] {
  const names = raw.map((node) => node.Description?.Hostname ?? '');
  return raw.map((node) => {
    const hostname = node.Description?.Hostname ?? '';
    const isAlone = names.filter((name) => name === hostname).length === 1;
    const { NanoCPUs: nanoCpus = 0, MemoryBytes: memoryBytes = 0 } = node.Description?.Resources ?? {};
    return {
      node: node.ID,
      name: isAlone && hostname !== '' ? hostname : `${hostname || 'node'}-${node.ID.slice(0, 6)}`,
      hostname,
      address: addressOf(node),
      isManagerItself: node.ID === self,
      labels: Object.entries(node.Spec.Labels ?? {}).map(([label, value]) =>
        value === 'true' ? label : `${label}=${value}`,
      ),
      cpus: nanoCpus / 1e9,
      memoryBytes,
      architecture: node.Description?.Platform?.Architecture ?? '',
      ...standing(node),
    };
  });
}

/** A manager may not know its own address but by what it tells the others. */
function addressOf({ Status: status, ManagerStatus: manager }: RawNode): string {
  const address = status?.Addr ?? '';
  if (!['', '0.0.0.0', '::', '127.0.0.1'].includes(address)) return address;
  return (manager?.Addr ?? address).replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

/** `unknown` is what a new leader says of nodes that it has not heard of yet: what runs there runs on. */
function standing({ Spec: spec, Status: status }: RawNode): Pick<SwarmNode, 'away' | 'isLeaving'> {
  const state = status?.State ?? 'unknown';
  if (spec.Availability === 'drain') return { away: 'is drained', isLeaving: true };
  if (state === 'down' || state === 'disconnected') return { away: `is ${state}`, isLeaving: true };
  if (state !== 'ready') return { away: `is ${state}`, isLeaving: false };
  if (spec.Availability === 'pause') return { away: 'is paused', isLeaving: false };
  return { away: null, isLeaving: false };
}

const OVER: ReadonlySet<string> = new Set([...['complete', 'shutdown', 'failed', 'rejected', 'remove', 'orphaned']]);

/**
 * Where the one task of a placement is.
 * @param task null where Swarm has none (yet)
 * @param nodes all of the Swarm
 */
export function placeOf(task: RawTask | null, nodes: readonly SwarmNode[]): Waiting | Landed | Over {
  if (task === null) return { is: 'waiting', reason: null };
  const { NodeID: node = '', DesiredState: desired, Status: status } = task;
  const { State: state, Err: error = '', Message: message = '' } = status;
  if (node === '' && !OVER.has(state)) return { is: 'waiting', reason: error === '' ? null : reasonOf(error) };
  const at = nodes.find((known) => known.node === node);
  if (node !== '' && at === undefined) return over(node, 'its node left the Swarm');
  if (at?.isLeaving === true) return over(node, `its node ${at.name} ${at.away}`);
  if (OVER.has(state) || desired === 'shutdown' || desired === 'remove') {
    const said = error || message || state;
    return { ...over(node === '' ? null : node, `Swarm ended its placement: ${said}`), lacksImage: lacksImage(error) };
  }
  return state === 'running' ? { is: 'landed', node } : { is: 'waiting', reason: null };
}

function over(node: string | null, why: string): Over {
  return { is: 'over', node, why, lacksImage: false };
}

/** `no suitable node (insufficient resources on 2 nodes)`: what is inside. */
function reasonOf(error: string): string {
  return /^no suitable node \((.*)\)$/.exec(error)?.[1] ?? error;
}

function lacksImage(error: string): boolean {
  return /no such image/i.test(error);
}
