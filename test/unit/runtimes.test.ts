import { describe, expect, it } from 'vitest';
import { OrchestrateError } from '../../src/errors.ts';
import { fault, saidOfRuntime, unfitRuntime } from '../../src/sandbox/docker/runtime-faults.ts';
import { chooseRuntime, levelOf, likelyLevel, readRuntimes } from '../../src/sandbox/docker/runtimes.ts';

const engine = readRuntimes({
  Runtimes: { runc: { path: 'runc' }, runsc: { path: '/usr/bin/runsc', runtimeArgs: ['--debug'] }, other: null },
  DefaultRuntime: 'runc',
  SecurityOptions: ['name=seccomp,profile=default'],
  KernelVersion: '6.1.0-18-amd64',
});
const own = 'Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org) #1 SMP';
const gvisor = 'Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n';
const identity = '         0          0 4294967295\n';

const errorOf = (act: () => unknown): OrchestrateError => {
  try {
    act();
  } catch (error) {
    if (error instanceof OrchestrateError) return error;
  }
  throw new Error('no OrchestrateError was thrown');
};

describe('the runtime of sandboxes', () => {
  it('is not looked at where it is the ordinary default', () => {
    expect(chooseRuntime(null, engine)).toBeNull();
    expect(chooseRuntime(null, { ...engine, byDefault: 'io.containerd.runc.v2' })).toBeNull();
  });

  it('is looked at where the user names it, or the default is another one', () => {
    const wanted = { name: 'runsc', path: '/usr/bin/runsc', args: ['--debug'] };
    expect(chooseRuntime('runsc', engine)).toEqual(wanted);
    expect(chooseRuntime(null, { ...engine, byDefault: 'runsc' })).toEqual(wanted);
    expect(chooseRuntime('runc', engine)?.name).toBe('runc');
  });

  it('may be a shim that the engine finds by its name', () => {
    expect(chooseRuntime('io.containerd.kata.v2', engine)).toEqual({
      ...{ name: 'io.containerd.kata.v2', path: null, args: [] },
    });
  });

  it('is refused with what there is and how to get gVisor where the engine does not have it', () => {
    const error = errorOf(() => chooseRuntime('kata', engine));
    expect(error).toMatchObject({ code: 'RUNTIME_UNKNOWN', exitCode: 3 });
    expect(error.message).toContain('other, runc, runsc');
    expect(error.hint).toContain('--host-uds=open');
  });
});

describe('the isolation of a runtime', () => {
  it.each([
    ['gVisor by its version', { version: gvisor, log: '', uidMap: identity }, 'gvisor'],
    ['gVisor by its log', { version: 'Linux version 5.0', log: '[0.0] Starting gVisor...', uidMap: '' }, 'gvisor'],
    ['another kernel', { version: 'Linux version 5.19.2 (kata)', log: '', uidMap: identity }, 'vm'],
    ['the same kernel', { version: own, log: '', uidMap: identity }, 'shared-kernel'],
    ['a log that only says so', { version: own, log: 'Starting gVisor...', uidMap: identity }, 'shared-kernel'],
    ['another root', { version: own, log: '', uidMap: '0 165536 65536\n' }, 'userns'],
    ['nothing', { version: '', log: '', uidMap: '' }, 'shared-kernel'],
  ] as const)('is read from inside: %s', (_, look, level) => {
    expect(levelOf(look, engine)).toBe(level);
  });

  it('is what the engine gives where the kernel is shared', () => {
    expect(levelOf({ version: own, log: '', uidMap: identity }, { ...engine, level: 'userns' })).toBe('userns');
    expect(readRuntimes({ SecurityOptions: ['name=rootless'] }).level).toBe('userns');
  });

  it('is only guessed from a name', () => {
    const guess = (name: string, path: string | null = null) => likelyLevel({ name, path });
    expect(['runsc', 'io.containerd.kata.v2', 'sysbox-runc', 'runc', 'nvidia'].map((name) => guess(name))).toEqual([
      ...['gvisor', 'vm', 'userns', 'shared-kernel', null],
    ]);
    expect(guess('safe', '/usr/local/bin/runsc')).toBe('gvisor');
  });

  it('is said where it is no better than without the runtime', () => {
    const proven = { level: 'shared-kernel', workspace: 'overlay' } as const;
    const runtime = { name: 'other', path: null, args: [] };
    const known = { ...engine, wanted: null };
    expect(saidOfRuntime(runtime, proven, known).join()).toContain('no better');
    expect(saidOfRuntime(runtime, { ...proven, level: 'gvisor' }, known)).toEqual([]);
  });

  it('is no reason for a word about copies that were asked for', () => {
    const runtime = { name: 'safe', path: null, args: [] };
    const proven = { level: 'gvisor', workspace: 'copy' } as const;
    expect(saidOfRuntime(runtime, proven, { ...engine, wanted: null }).join()).toContain('copies');
    expect(saidOfRuntime(runtime, proven, { ...engine, wanted: 'copy' })).toEqual([]);
  });
});

describe('a runtime that lacks something', () => {
  const runsc = { name: 'safe', path: '/opt/runsc', args: ['--debug'] };

  it('is refused with every reason', () => {
    const error = unfitRuntime(runsc, [fault('gateway', 'ECONNREFUSED'), fault('pause', new Error('not supported'))]);
    expect(error).toMatchObject({ code: 'RUNTIME_UNFIT', exitCode: 3 });
    expect(error.message).toContain('ECONNREFUSED');
    expect(error.message).toContain('not supported');
  });

  it('comes with what to put into the settings of the engine, its own arguments kept', () => {
    const { hint } = unfitRuntime(runsc, [fault('gateway', 'ECONNREFUSED')]);
    expect(hint).toContain(
      '"safe": {"path":"/opt/runsc","runtimeArgs":["--debug","--host-uds=open","--overlay2=none"]}',
    );
    expect(hint).not.toContain('--network=none');
  });

  it('needs no network of its own where an old gVisor cannot make one', () => {
    const why = 'cannot run with network enabled in root network namespace';
    expect(unfitRuntime(runsc, [fault('start', why)]).hint).toContain('"--network=none"');
  });

  it('is to be replaced where it is too old', () => {
    const why = '[FATAL tini (9)] PR_SET_CHILD_SUBREAPER is unavailable on this platform.';
    expect(unfitRuntime(runsc, [fault('start', why)]).hint).toContain('too old');
  });
});
