import { describe, expect, it } from 'vitest';
import { judgeEngine, judgeRunc } from '../../src/sandbox/docker/advisories.ts';
import { readSecurity } from '../../src/sandbox/docker/facts.ts';

describe('versions', () => {
  it.each([
    ['1.1.11', 'old', 'CVE-2024-21626'],
    ['1.2.7', 'old', 'CVE-2025-31133'],
    ['1.3.2', 'old', 'CVE-2025-31133'],
    ['1.1.5+ds1-1+deb12u1', 'unknown', 'CVE-2024-21626'],
    ['1.1.12-0ubuntu3', 'unknown', 'CVE-2025-52881'],
  ])('runc %s is %s and its number open to %s', (version, verdict, id) => {
    const judgement = judgeRunc(version);
    expect(judgement.verdict).toBe(verdict);
    expect(judgement.open.join()).toContain(id);
  });

  it.each(['1.2.8', '1.3.3', '1.4.0', 'v1.2.9'])('nothing is known against runc %s', (version) => {
    expect(judgeRunc(version)).toEqual({ verdict: 'current', open: [] });
  });

  it('an engine is old below the wanted one, known hole or not', () => {
    expect(judgeEngine('28.0.0')).toEqual({ verdict: 'old', open: [] });
    expect(judgeEngine('29.5.1')).toEqual({ verdict: 'current', open: [] });
    expect(judgeEngine('27.1.0').open.join()).toContain('CVE-2024-41110');
    expect(judgeEngine('26.1.5').open.join()).not.toContain('CVE-2024-41110');
    expect(judgeEngine('24.0.9').open.join()).toContain('CVE-2024-41110');
  });

  it('what is no version is unknown', () => {
    expect(judgeRunc('N/A')).toEqual({ verdict: 'unknown', open: [] });
  });
});

describe("the engine's security options", () => {
  it('are read in the new and the old form', () => {
    expect(readSecurity(['name=apparmor', 'name=seccomp,profile=builtin', 'name=rootless', 'name=cgroupns'])).toEqual({
      ...{ seccomp: 'builtin', appArmor: true, selinux: false, userns: false, rootless: true },
    });
    expect(readSecurity(['seccomp', 'selinux'])).toMatchObject({ seccomp: 'default', selinux: true });
    expect(readSecurity([])).toMatchObject({ seccomp: null });
  });
});
