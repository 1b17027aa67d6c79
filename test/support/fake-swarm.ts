/** The edge of a Swarm's manager as a test scripts it: it places services at once, by what they reserve and where they may go. */

import { FakeEngine, json } from './fake-engine.ts';

interface FakeNode {
  readonly ID: string;
  readonly Spec: { Availability: string; readonly Labels: Readonly<Record<string, string>> };
  readonly Description: {
    readonly Hostname: string;
    readonly Platform: { readonly Architecture: string };
    readonly Resources: { readonly NanoCPUs: number; readonly MemoryBytes: number };
  };
  readonly Status: { State: string; readonly Addr: string };
}

interface FakeService {
  readonly ID: string;
  readonly CreatedAt: string;
  readonly Version: { readonly Index: number };
  Spec: ServiceSpec;
}

interface ServiceSpec {
  readonly Name: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly TaskTemplate: {
    readonly Resources: { readonly Reservations: { readonly NanoCPUs: number; readonly MemoryBytes: number } };
    readonly Placement: { readonly Constraints: readonly string[] };
  };
  readonly Mode: { readonly ReplicatedJob: { readonly TotalCompletions: number } };
}

interface FakeTask {
  readonly ID: string;
  readonly ServiceID: string;
  readonly spec: ServiceSpec;
  NodeID?: string | undefined;
  DesiredState: string;
  Status: { State: string; Err?: string };
}

/** Disposing it ends the engine. As engines before 24, it ends no task because its service was removed. */
export class FakeSwarm implements AsyncDisposable {
  readonly nodes: FakeNode[] = [];
  readonly services: FakeService[] = [];
  readonly tasks: FakeTask[] = [];
  /** Ids of nodes that have the placement's image. */
  readonly images = new Set<string>();
  /** Called before a creation is answered. */
  onCreate: () => Promise<void> = async () => {};
  #made = 0;

  private constructor(readonly engine: FakeEngine) {}

  static async start(...names: readonly string[]): Promise<FakeSwarm> {
    const engine = await FakeEngine.start();
    const swarm = new FakeSwarm(engine);
    for (const name of names) swarm.add(name);
    engine.answer('GET /info', json({ Swarm: { NodeID: names[0], ControlAvailable: true, LocalNodeState: 'active' } }));
    engine.otherwise = json({ message: 'no such service' }, 404);
    engine.answer('GET /nodes', (response, request) => json(swarm.nodes)(response, request));
    engine.answer('GET /services', (response, request) => json(swarm.services)(response, request));
    engine.answer('GET /tasks', (response, request) => {
      swarm.#schedule();
      const filters = JSON.parse(new URL(request.url ?? '', 'http://x').searchParams.get('filters') ?? '{}');
      const wanted = swarm.tasks.filter((task) => filters.service?.includes(task.ServiceID) ?? true);
      json(wanted)(response, request);
    });
    engine.answer('POST /services/create', async (response, request) => {
      const spec = await bodyOf<ServiceSpec>(request);
      const isTaken = swarm.services.some((service) => service.Spec.Name === spec.Name);
      if (isTaken) return json({ message: 'name conflicts with an existing object' }, 409)(response, request);
      const service = swarm.#create(spec);
      await swarm.onCreate();
      json({ ID: service.ID }, 201)(response, request);
    });
    return swarm;
  }

  /** A node of two CPUs that has the image. */
  add(name: string, labels: Readonly<Record<string, string>> = {}): void {
    this.images.add(name);
    this.nodes.push({
      ...{ ID: name, Spec: { Availability: 'active', Labels: labels }, Status: { State: 'ready', Addr: '192.0.2.1' } },
      Description: {
        ...{ Hostname: name, Platform: { Architecture: 'x86_64' } },
        Resources: { NanoCPUs: 2e9, MemoryBytes: 8 * 1024 ** 3 },
      },
    });
  }

  node(name: string): FakeNode {
    const found = this.nodes.find(({ ID }) => ID === name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  }

  /** Reservations that are held, by node. */
  get held(): readonly string[] {
    return this.tasks.filter(isHolding).map(({ NodeID: node }) => node ?? 'nowhere');
  }

  remove(id: string): void {
    this.services.splice(
      this.services.findIndex((service) => service.ID === id),
      1,
    );
  }

  #create(spec: ServiceSpec): FakeService {
    this.#made += 1;
    const id = `s${this.#made}`;
    const service: FakeService = {
      ID: id,
      CreatedAt: new Date().toISOString(),
      Version: { Index: this.#made },
      Spec: spec,
    };
    this.services.push(service);
    this.tasks.push({ ID: `t${id}`, ServiceID: id, spec, DesiredState: 'complete', Status: { State: 'pending' } });
    for (const name of [id, spec.Name]) {
      this.engine.answer(`GET /services/${name}`, (response, request) => {
        const found = this.services.find((one) => one.ID === name || one.Spec.Name === name);
        json(found ?? { message: 'no such service' }, found === undefined ? 404 : 200)(response, request);
      });
    }
    this.engine.answer(`POST /services/${id}/update`, async (response, request) => {
      service.Spec = await bodyOf<ServiceSpec>(request);
      for (const task of this.tasks) {
        if (task.ServiceID === id && service.Spec.Mode.ReplicatedJob.TotalCompletions === 0)
          task.DesiredState = 'remove';
      }
      json({})(response, request);
    });
    this.engine.answer(`DELETE /services/${id}`, (response, request) => {
      this.remove(id);
      json({})(response, request);
    });
    return service;
  }

  #schedule(): void {
    for (const task of this.tasks) {
      if (task.Status.State !== 'pending' || task.DesiredState === 'remove') continue;
      const { Placement: placement, Resources: resources } = task.spec.TaskTemplate;
      const node = this.nodes.find((one) => {
        const used = this.tasks.filter((other) => other.NodeID === one.ID && isHolding(other));
        const free = used.reduce((left, { spec }) => left - spec.TaskTemplate.Resources.Reservations.NanoCPUs, 2e9);
        const isUsable = one.Spec.Availability === 'active' && one.Status.State === 'ready';
        const isAllowed = placement.Constraints.every((constraint) => meets(one, constraint));
        return isUsable && isAllowed && free >= resources.Reservations.NanoCPUs;
      });
      if (node === undefined) {
        task.Status.Err = `no suitable node (insufficient resources on ${this.nodes.length} nodes)`;
        continue;
      }
      task.NodeID = node.ID;
      task.Status = this.images.has(node.ID)
        ? { State: 'running' }
        : { State: 'rejected', Err: 'No such image: 127.0.0.1:0/orchestrate-placement:1' };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine[Symbol.asyncDispose]();
  }
}

function isHolding({ DesiredState: desired, Status: { State: state } }: FakeTask): boolean {
  return desired === 'complete' && state === 'running';
}

function meets(node: FakeNode, constraint: string): boolean {
  const [, key = '', operator, value = ''] = /^(.*?)(==|!=)(.*)$/.exec(constraint) ?? [];
  const actual = key === 'node.id' ? node.ID : node.Spec.Labels[key.replace('node.labels.', '')];
  return (actual === value) === (operator === '==');
}

async function bodyOf<Body>(request: AsyncIterable<Buffer>): Promise<Body> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString()) as Body;
}
