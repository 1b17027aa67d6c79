import { describe, expect, it, vi } from 'vitest';
import { environmentError } from '../../src/errors.ts';
import type { SandboxHost } from '../../src/sandbox/sandbox.ts';
import { Holds } from '../../src/tasks/holds.ts';
import { HostAtWork, type HostRun, type OpenedHost } from '../../src/tasks/host-at-work.ts';
import { HOST_TWICE, type HostSource, Hosts, type HostsParts } from '../../src/tasks/hosts.ts';
import type { AttemptId, ObjectId, TaskId } from '../../src/types.ts';

const BASE = { tree: 'b'.repeat(40) as ObjectId, commit: 'c'.repeat(40) as ObjectId };

function opened(name: string, slots = 2): OpenedHost {
  const host: Partial<SandboxHost> = {
    ...{ name, isolation: 'shared-kernel', onTrouble: () => {}, giveUp: () => {} },
    prepareTree: async () => {},
  };
  return { host: host as SandboxHost, gateway: null, slots };
}

function source(name: string): HostSource {
  return { name, slots: 2 };
}

const RUN = {
  ...{ repository: {}, base: BASE, bounds: {}, setUp: null, stopStarting: new AbortController().signal, listener: {} },
  ...{ notes: { state: {}, emit: () => {} }, onProgress: () => {}, onWarning: () => {} },
} as unknown as HostRun;

function atWork(of: OpenedHost): HostAtWork {
  const ties = { label: of.host.name, holds: new Holds(() => {}), stopNow: new AbortController().signal };
  return new HostAtWork(of, RUN, { ...ties, onTooLong: () => {} });
}

const JOINING = { attach: atWork, prepare: async () => {} };

/** Hosts whose engines answer, but for those of `away`. */
function hostsOf(names: readonly string[], away = new Set<string>(), parts: Partial<HostsParts<HostSource>> = {}) {
  const warnings: string[] = [];
  const closed: string[] = [];
  const hosts = new Hosts({
    sources: names.map(source),
    async open({ name }) {
      if (away.has(name)) throw environmentError('DOCKER_UNREACHABLE', `${name} does not answer`);
      return opened(name);
    },
    close: async ({ host }) => void closed.push(host.name),
    ...{ onWarning: (line) => warnings.push(line), onProgress: () => {}, tryAgainMs: 1 },
    ...parts,
  });
  return { hosts, warnings, closed };
}

async function begun(hosts: Hosts): Promise<Hosts> {
  await hosts.begin(new Set());
  hosts.attach(JOINING);
  await hosts.prepare();
  return hosts;
}

const place = { signal: new AbortController().signal, onWaiting: () => {} };

async function give(hosts: Hosts, id: string): Promise<string | null> {
  const host = hosts.next();
  if (host !== null) await hosts.place({ id: id as AttemptId, host }, place);
  return host;
}

describe('where the next task goes', () => {
  it('is the emptiest host, until no place is free', async () => {
    await using hosts = await begun(hostsOf(['a', 'b']).hosts);
    await vi.waitFor(() => expect(hosts.atWork.every(({ isReady }) => isReady)).toBe(true));
    const given = [];
    for (const id of ['1', '2', '3', '4', '5']) given.push(await give(hosts, id));
    expect(given).toEqual(['a', 'b', 'a', 'b', null]);
    hosts.leave('2' as AttemptId);
    expect(hosts.next()).toBe('b');
  });

  it('is a host that has the base before an emptier one that has not', async () => {
    await using hosts = await begun(hostsOf(['a', 'b']).hosts);
    await vi.waitFor(() => expect(hosts.atWork.every(({ isReady }) => isReady)).toBe(true));
    hosts.named('b')?.layBase();
    await vi.waitFor(() => expect(hosts.named('b')?.hasBase).toBe(true));
    expect([await give(hosts, '1'), await give(hosts, '2'), await give(hosts, '3')]).toEqual(['b', 'b', 'a']);
  });

  it('is no host that something stands in the way on; all of them held say why', async () => {
    await using hosts = await begun(hostsOf(['a', 'b']).hosts);
    await vi.waitFor(() => expect(hosts.atWork.every(({ isReady }) => isReady)).toBe(true));
    hosts.named('a')?.holds.set('disk', 'its disk is full');
    expect(hosts.next()).toBe('b');
    expect(hosts.inTheWay).toBeNull();
    hosts.named('b')?.holds.set('engine', 'it does not answer');
    expect(hosts.next()).toBeNull();
    expect(hosts.inTheWay).toBe('its disk is full');
  });

  it('is no host that is drained, whose agents go on', async () => {
    let isDrained = false;
    const sources = ['a', 'b'].map((name) => ({ ...source(name), isDrained: () => isDrained && name === 'a' }));
    await using hosts = await begun(hostsOf([], new Set(), { sources }).hosts);
    await vi.waitFor(() => expect(hosts.atWork.every(({ isReady }) => isReady)).toBe(true));
    expect(await give(hosts, '1')).toBe('a');
    isDrained = true;
    expect([await give(hosts, '2'), await give(hosts, '3'), await give(hosts, '4')]).toEqual(['b', 'b', null]);
    expect(hosts.named('a')?.busy).toBe(1);
    expect([hosts.inTheWay, hosts.areDrained]).toEqual([null, false]);
  });

  it('is nowhere once all are drained, the one that is away too, but for one of them that is put back', async () => {
    const drained = new Set<string>();
    const sources = ['a', 'b'].map((name) => ({ ...source(name), isDrained: () => drained.has(name) }));
    await using hosts = await begun(hostsOf([], new Set(['b']), { sources }).hosts);
    drained.add('a');
    expect([hosts.next(), hosts.inTheWay, hosts.areDrained]).toEqual([null, 'no host can be reached', false]);
    drained.add('b');
    expect([hosts.next(), hosts.areDrained]).toEqual([null, true]);
    expect(hosts.inTheWay).toContain('removed from the settings');
    drained.clear();
    expect([hosts.next(), hosts.areDrained]).toEqual(['a', false]);
  });

  it('is for somebody else to decide where that is so, who is told when the place is free again', async () => {
    const released: string[] = [];
    const placement = {
      name: 'swarm',
      place: async () => 'b',
      release: async (attempt: AttemptId) => void released.push(attempt),
      ...{ onTaken: () => {}, avoid: () => {}, adopt: async () => {} },
      [Symbol.asyncDispose]: async () => {},
    };
    await using hosts = await begun(hostsOf(['a', 'b'], new Set(), { placement }).hosts);
    expect(hosts.next()).toBe('swarm');
    const at = await hosts.place({ id: '1' as AttemptId, host: 'swarm' }, place);
    expect(at.name).toBe('b');
    hosts.leave('1' as AttemptId);
    expect(released).toEqual(['1']);
  });
});

describe('a host that cannot be reached', () => {
  it('is told and tried again, and used once it answers', async () => {
    const away = new Set(['b']);
    const { hosts, warnings } = hostsOf(['a', 'b'], away);
    await using _ = await begun(hosts);
    await vi.waitFor(() => expect(warnings).toHaveLength(1));
    expect(warnings[0]).toContain('the host b cannot be used, and is tried again: b does not answer');
    expect([await give(hosts, '1'), await give(hosts, '2'), await give(hosts, '3')]).toEqual(['a', 'a', null]);
    away.clear();
    await vi.waitFor(() => expect(hosts.next()).toBe('b'));
    expect(warnings).toHaveLength(1);
  });

  it('is told and not tried again where it is another one by another name', async () => {
    let opens = 0;
    const { hosts, warnings } = hostsOf(['a', 'b'], new Set(), {
      async open({ name }) {
        if (name === 'a') return opened(name);
        opens += 1;
        throw environmentError(HOST_TWICE, 'it is the same Docker engine as a');
      },
    });
    await using _ = await begun(hosts);
    await vi.waitFor(() =>
      expect(warnings).toEqual([expect.stringContaining('the host b is left out: it is the same')]),
    );
    expect([opens, hosts.isAlone]).toEqual([1, true]);
  });

  it('is the one that takes tasks, where it is there by another name for what was left on it', async () => {
    const engines = new Map<string, string>();
    const sources = [{ name: 'left', slots: 0 }, source('a')];
    const { hosts } = hostsOf([], new Set(), {
      sources,
      async open({ name }) {
        // The one that takes tasks takes its time.
        if (name === 'a') await new Promise((resolve) => setImmediate(resolve));
        if (engines.size > 0) throw environmentError(HOST_TWICE, 'it is the same');
        engines.set('engine', name);
        return opened(name);
      },
    });
    await using _ = await begun(hosts);
    expect(hosts.next()).toBe('a');
  });

  it('ends the run where there is no other, as the first one says', async () => {
    await using hosts = hostsOf(['a', 'b'], new Set(['a', 'b'])).hosts;
    await expect(hosts.begin(new Set())).rejects.toMatchObject({
      code: 'DOCKER_UNREACHABLE',
      message: 'a does not answer',
    });
  });
});

describe('a host that is lost', () => {
  it('is closed, gets no task, and is used again when it is back', async () => {
    const away = new Set<string>();
    const { hosts, closed } = hostsOf(['a', 'b'], away);
    await using _ = await begun(hosts);
    await vi.waitFor(() => expect(hosts.atWork.every(({ isReady }) => isReady)).toBe(true));
    const first = hosts.first;
    expect(hosts.isReplaceable(first)).toBe(true);
    away.add('a');
    hosts.lost(first);
    expect(hosts.isLost(first)).toBe(true);
    expect(closed).toEqual(['a']);
    expect(hosts.first.name).toBe('b');
    expect(hosts.isReplaceable(hosts.first)).toBe(false);
    away.clear();
    await vi.waitFor(() => expect(hosts.named('a')?.isReady).toBe(true));
    expect(hosts.named('a')).not.toBe(first);
  });
});

describe('notes between agents', () => {
  it('are taken on one host while another does not answer', async () => {
    const silent = opened('a');
    Object.assign(silent.host, { takeNotes: () => new Promise(() => {}) });
    const working = opened('b');
    Object.assign(working.host, { takeNotes: vi.fn(async () => new Map()) });
    const [author, other] = ['a.1', 'b.1'].map((id) => ({ id: id as AttemptId, task: 'a' as TaskId }));
    if (author === undefined || other === undefined) throw new Error('there are two');
    void atWork(silent).notes.leave(author);
    await atWork(working).notes.leave(other);
    expect(working.host.takeNotes).toHaveBeenCalledWith(new Map([[other.id, expect.any(Number)]]), true);
  });
});

describe('the starts of agents', () => {
  it('wait for those before them on the same host alone', async () => {
    const [silent, working] = [opened('a'), opened('b')].map(atWork);
    silent?.line.turn();
    await working?.line.turn().come;
    expect(working?.name).toBe('b');
  });
});
