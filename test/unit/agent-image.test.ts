import { describe, expect, it } from 'vitest';
import { requireArchitecture, requireHarmlessVolumes } from '../../src/sandbox/docker/agent-image.ts';
import { freeName } from '../../src/sandbox/docker/fitting.ts';
import { firstFile, packFiles } from '../../src/sandbox/docker/tar.ts';

describe('the architecture of an image', () => {
  it('is the engine’s own, or one that its machine runs as well', () => {
    for (const [own, engine] of [
      ['amd64', 'amd64'],
      ['386', 'amd64'],
      ['arm64', 'arm64'],
      ['', 'arm64'],
      ['riscv64', 'riscv64'],
    ]) {
      expect(() => requireArchitecture('i', { Architecture: own ?? '', Os: 'linux' }, engine ?? '')).not.toThrow();
    }
  });

  it('is refused otherwise, with both', () => {
    const arm = { Architecture: 'arm64', Os: 'linux' };
    expect(() => requireArchitecture('i', arm, 'amd64')).toThrow(/linux\/arm64.*linux\/amd64/);
    expect(() => requireArchitecture('i', { Architecture: 'amd64', Os: 'windows' }, 'amd64')).toThrow(/windows/);
  });
});

describe('the volumes of an image', () => {
  it('may lie anywhere but inside what we mount', () => {
    expect(() =>
      requireHarmlessVolumes('i', ['/data', '/workspace', '/workspaces/x', '/tmp/', '/opt/orchestrate']),
    ).not.toThrow();
  });

  it.each(['/workspace/src', '/workspace//src/', '/opt/orchestrate/bin', '/data/../home/agent/.config', '/', '/tmp/x'])(
    '%s is refused',
    (volume) => expect(() => requireHarmlessVolumes('i', ['/data', volume])).toThrow(volume),
  );
});

describe('a name for the agents’ user', () => {
  it('is one that nobody has, and none where the id has one', () => {
    expect(freeName(Buffer.from(''))).toBe('agent');
    expect(freeName(Buffer.from('root:x:0:0::/:/bin/sh\nagent:x:5:5'))).toBe('orchestrate-agent');
    expect(freeName(Buffer.from('root:x:0:0::/:/bin/sh\nsomebody:x:61000:100::/:\n'))).toBeNull();
  });

  it('is found in files that make no sense', () => {
    expect(freeName(Buffer.from([0, 255, 10, 58, 58, 10]))).toBe('agent');
  });
});

describe('small archives', () => {
  it('give back what went in', () => {
    for (const size of [0, 1, 511, 512, 513, 5000]) {
      const content = Buffer.alloc(size, 'x');
      expect(
        firstFile(
          packFiles([
            { name: 'etc/', content: Buffer.alloc(0) },
            { name: 'etc/passwd', content },
          ]),
        ),
      ).toEqual(content);
    }
  });

  it('without a file, cut off, or without sense give nothing', () => {
    const whole = packFiles([{ name: 'a', content: Buffer.alloc(600, 'x') }]);
    expect(firstFile(packFiles([]))).toBeNull();
    expect(firstFile(whole.subarray(0, 1000))).toBeNull();
    expect(firstFile(Buffer.alloc(4096, 0xff))).toBeNull();
  });
});
