/** A Docker engine's facts, judged. What is not known is called unknown, never safe. */

import prettyBytes from 'pretty-bytes';
import {
  ENGINE_WANTED,
  type Judgement,
  judgeEngine,
  judgeRunc,
  RUNC_WANTED,
} from '../../src/sandbox/docker/advisories.ts';
import type { EngineFacts } from '../../src/sandbox/docker/facts.ts';
import { likelyLevel } from '../../src/sandbox/docker/runtimes.ts';
import { type Finding, ok, warn } from './finding.ts';

export function judgeFacts(facts: EngineFacts): Finding[] {
  const size = `${facts.cpus} CPUs, ${prettyBytes(facts.memoryBytes, { binary: true })} memory`;
  return [
    ok('docker', `${facts.endpoint}, API ${facts.apiVersion}, ${facts.operatingSystem} ${facts.architecture}, ${size}`),
    versionFinding('engine', facts.version, { judgement: judgeEngine(facts.version), wanted: ENGINE_WANTED }),
    facts.runc === null
      ? warn('runc', 'unknown: the engine does not say which runc it uses', null)
      : versionFinding('runc', facts.runc, { judgement: judgeRunc(facts.runc), wanted: RUNC_WANTED }),
    isolationFinding(facts),
    seccompFinding(facts),
    ok('runtimes', `${facts.runtimes.map(runtimeOf).join(', ')}; default ${facts.defaultRuntime}`),
    limitsFinding(facts),
    ok('cgroup', `version ${facts.cgroupVersion}`),
    storageFinding(facts),
    workspaceFinding(facts),
    imagesFinding(facts),
  ];
}

function versionFinding(
  name: string,
  version: string,
  table: { readonly judgement: Judgement; readonly wanted: string },
): Finding {
  const { judgement, wanted } = table;
  const open = judgement.open.length === 0 ? '' : `: ${judgement.open.join(', ')}`;
  if (judgement.verdict === 'current') return ok(name, `${version}, nothing known against it`);
  if (judgement.verdict === 'unknown') {
    const why = 'a distribution may have carried fixes back under the old number';
    return warn(
      name,
      `${version}, unknown: ${why}${open === '' ? '' : `; upstream of that number is open to${open.slice(1)}`}`,
      `look it up at your distribution, or install ${wanted} or newer`,
    );
  }
  return warn(name, `${version} is older than ${wanted}${open}`, `install ${wanted} or newer`);
}

function isolationFinding({ security }: EngineFacts): Finding {
  const modules = [security.appArmor ? 'AppArmor' : null, security.selinux ? 'SELinux' : null].filter(
    (name) => name !== null,
  );
  const beside = modules.length === 0 ? 'no AppArmor, no SELinux' : modules.join(', ');
  if (security.rootless) return ok('isolation', `userns (rootless engine), ${beside}`);
  if (security.userns) return ok('isolation', `userns (remapped), ${beside}`);
  return ok('isolation', `shared-kernel, no user namespaces, ${beside}`);
}

/** With the isolation that one of its name gives; a run with it looks for itself. */
function runtimeOf(name: string): string {
  const level = likelyLevel({ name, path: null });
  return level === null ? name : `${name} (${level})`;
}

function seccompFinding({ security }: EngineFacts): Finding {
  if (security.seccomp === null)
    return warn('seccomp', 'off: agents may use every system call', 'use an engine and a kernel with seccomp');
  if (security.seccomp === 'unconfined')
    return warn('seccomp', "the engine's profile is unconfined", 'take seccomp-profile out of daemon.json');
  return ok('seccomp', `profile ${security.seccomp}`);
}

function limitsFinding({ limits }: EngineFacts): Finding {
  const missing = Object.entries(limits)
    .filter(([, isThere]) => !isThere)
    .map(([name]) => name);
  if (missing.length === 0) return ok('limits', 'memory, swap and pids can be limited');
  const fix =
    'enable the cgroup controllers (kernel parameters cgroup_enable=memory swapaccount=1, or a rootless engine with delegation)';
  return warn('limits', `the engine cannot limit ${missing.join(', ')}: one agent could take all of it`, fix);
}

const OVERLAY_DRIVERS = ['overlay2', 'overlayfs', 'overlay'];

function storageFinding({ storageDriver, workspace }: EngineFacts): Finding {
  if (OVERLAY_DRIVERS.includes(storageDriver) || workspace === 'overlay') return ok('storage', storageDriver);
  return warn(
    'storage',
    `${storageDriver}: overlay workspaces are not known to work here`,
    'overlay2 on ext4 or xfs is known to work',
  );
}

function workspaceFinding({ workspace }: EngineFacts): Finding {
  if (workspace === 'overlay') return ok('workspace', 'overlay: probed, it works');
  if (workspace === null) return ok('workspace', 'not probed yet: the first run does');
  const fix = 'overlay needs Linux 5.11 or newer and a store on ext4, xfs or btrfs';
  return warn('workspace', 'copy: overlay mounts do not work here, so each task costs a copy of the repository', fix);
}

function imagesFinding({ images }: EngineFacts): Finding {
  if (images.some((image) => image.startsWith('orchestrate-agent:'))) return ok('images', images.join(', '));
  return warn('images', 'orchestrate-agent is not built yet; the first run builds it', 'orchestrate demo');
}
