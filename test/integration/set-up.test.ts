// What root makes once, in every sandbox afterwards: nothing of it is lost to agents, nothing of it is in their patches.
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WORKSPACE_KINDS } from '../../src/types.ts';
import { TestImages } from '../support/images.ts';
import { SandboxBench } from '../support/sandbox.ts';

const FILES = {
  '.gitignore': 'node_modules/\n*.pyc\n',
  'README.md': '# Sample\n',
  'src/kept.txt': 'kept\n',
  'src/changed.txt': 'as committed\n',
  'src/deleted.txt': 'as committed\n',
  'gone/one.txt': 'as committed\n',
  'remade/one.txt': 'as committed\n',
  'becomes-folder': 'as committed\n',
};

const SET_UP = `set -e
id -u; git status --short >/dev/null
umask 077
printf '#!/bin/sh\\necho tool works\\n' >/usr/local/bin/tool; chmod 755 /usr/local/bin/tool
useradd --system tooluser
mkdir -p ~/.cache/deep ~/.config; echo cached >~/.cache/deep/file; mkdir -m 0555 ~/read-only; chmod u+w ~/read-only
echo x >~/read-only/x; chmod 0444 ~/read-only/x; chmod 0555 ~/read-only; echo secretive >~/unreadable; chmod 000 ~/unreadable
mkdir -p node_modules/pkg vendor/lib src/made .venv
for i in $(seq 12000); do echo $i >node_modules/pkg/$i; done
echo v >vendor/lib/v.txt; echo w >vendor/lib/w.txt; ln -s v.txt vendor/lib/link; ln -s /etc/passwd vendor/out; echo made >src/made/m.txt
cp /bin/true vendor/setuid; chmod 4755 vendor/setuid; mkfifo vendor/pipe; chown -R 1234:1234 vendor/lib
echo '*' >.venv/.gitignore; echo home >.venv/pyvenv.cfg
mkdir -m 0500 sealed; echo s >vendor/sealed-too; chmod 0400 vendor/sealed-too
git init -q vendor/nested
echo changed >src/changed.txt; rm src/deleted.txt; rm -r gone; rm -r remade; mkdir remade; echo new >remade/new.txt
rm becomes-folder; mkdir becomes-folder; echo in >becomes-folder/in
git config core.hooksPath hooks; touch kept.pyc; chmod 700 src
`;

const RESTORED = ['becomes-folder', 'gone', 'remade/one.txt', 'src/changed.txt', 'src/deleted.txt'];

/** What an agent may do to what the set-up made, none of which is its work. */
const MEDDLE = `set -e
echo changed >node_modules/pkg/1; rm node_modules/pkg/2; echo new >node_modules/pkg/new
echo changed >vendor/lib/v.txt; rm vendor/lib/w.txt; chmod 755 src/made/m.txt; touch vendor/out2; rm vendor/out2
echo installed >.venv/installed; rm vendor/pipe; echo x >vendor/pipe; rmdir sealed; ln -s /tmp sealed
echo changed >vendor/nested/.git/description
`;

describe.each(WORKSPACE_KINDS)('a set-up, where workspaces are of kind %s', (workspace) => {
  let bench: SandboxBench;

  beforeAll(async () => {
    bench = await SandboxBench.open({ files: FILES, workspace });
    const { restored, output } = await bench.setUp(SET_UP);
    expect(output).toMatch(/^0\n/);
    expect([...restored].sort()).toEqual(workspace === 'copy' ? [...RESTORED].sort() : RESTORED);
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  it('gives agents all that it made, to read and to change', async () => {
    const end = await bench.run(`set -e
      tool; id tooluser >/dev/null; cat ~/.cache/deep/file ~/read-only/x ~/unreadable; ls node_modules/pkg | wc -l
      cat vendor/lib/v.txt vendor/lib/link src/made/m.txt .venv/pyvenv.cfg remade/new.txt vendor/sealed-too
      find . ~ ! -user agent | grep -v '^./.git' || true
      test ! -u vendor/setuid; echo more >>node_modules/pkg/7; rm -r vendor/lib; chmod -R u+w ~/read-only; rm -r ~/read-only
      touch sealed/inside 2>/dev/null || echo sealed; git config core.hooksPath || echo no hooks`);
    expect(end.output).toBe('tool works\ncached\nx\nsecretive\n12000\nv\nv\nmade\nhome\nnew\ns\nsealed\nno hooks\n');
    expect(end).toMatchObject({ exitCode: 0, changed: [] });
  });

  it('leaves the tree as it is committed', async () => {
    const end = await bench.run(`set -e
      cat src/changed.txt src/deleted.txt gone/one.txt remade/one.txt becomes-folder; ls becomes-folder/ 2>/dev/null || echo a file
      git status --short --untracked-files=no; stat -c %a src`);
    expect(end.output).toBe(`${'as committed\n'.repeat(5)}a file\n755\n`);
    expect(end.changed).toEqual([]);
  });

  it('is never in a patch, whatever an agent does to it', async () => {
    const end = await bench.run(MEDDLE);
    expect(end).toMatchObject({ exitCode: 0, changed: [] });
    const flags = end.flags.map(({ code, path }) => `${code} ${path}`);
    expect(flags).toEqual(['set-up sealed', 'set-up src/made', 'set-up vendor']);
  });

  it('hides nothing that an agent makes itself', async () => {
    const end = await bench.run(`set -e
      ${MEDDLE}
      echo mine >vendor/lib/mine.txt; echo mine >src/made/mine.txt; mkdir vendor/mine; echo mine >vendor/mine/1
      rm -r .venv; mkdir .venv; echo mine >.venv/mine; echo more >>src/kept.txt`);
    expect(end.changed).toEqual([
      ...['.venv/mine', 'src/kept.txt', 'src/made/mine.txt', 'vendor/lib/mine.txt', 'vendor/mine/1'],
    ]);
  });
});

it('gives the same tree whatever the kind of workspace', async () => {
  const trees = new Set<string>();
  for (const workspace of WORKSPACE_KINDS) {
    await using bench = await SandboxBench.open({ files: FILES, workspace });
    await bench.setUp(SET_UP);
    trees.add((await bench.run(`${MEDDLE}\nrm -rf src; echo all >all; mkdir -p src/made; echo m >src/made/n`)).tree);
  }
  expect(trees.size).toBe(1);
});

describe('the image that a set-up makes', () => {
  const CANARY = 'c0ffee5e7c0ffee5e7';

  it('has nothing of the way out and of the command in its configuration', async () => {
    await using bench = await SandboxBench.open();
    await bench.host.openGateway({ dials: false });
    const egress = { url: 'http://127.0.0.1:47821', token: CANARY, registries: ['r.example.org'] };
    const { output } = await bench.setUp('echo "$HTTPS_PROXY $NO_PROXY"; ls -a ~; echo made >/etc/made', egress);
    expect(output).toBe(`http://setup:${CANARY}@127.0.0.1:47821 localhost,127.0.0.1\n.\n..\n.orchestrate-npmrc\n`);
    const filters = { label: [`orchestrate=${bench.installation}`] };
    const [made] = await bench.docker.listImages({ filters });
    const image = bench.docker.getImage(made?.Id ?? '');
    const { Config, ...rest } = await image.inspect();
    const before = await bench.docker.getImage(rest.Parent).inspect();
    const said = JSON.stringify([Config, rest, await image.history()]);
    for (const word of [CANARY, 'PROXY', 'made', '47821']) expect(said).not.toContain(word);
    expect(Config).toMatchObject({
      ...{ Env: expect.arrayContaining(before.Config.Env), User: before.Config.User },
      ...{ Cmd: before.Config.Cmd, Entrypoint: before.Config.Entrypoint ?? [], WorkingDir: before.Config.WorkingDir },
      Labels: { orchestrate: bench.installation, 'orchestrate.kind': 'cache', 'orchestrate.schema': '1' },
    });
    expect(Config.Env).toHaveLength(before.Config.Env.length);
    const agent = await bench.run(
      `cat /etc/made; env | grep -ci proxy; grep -rl ${CANARY} ~ /etc /workspace /var 2>/dev/null`,
    );
    expect(agent.output).toBe('made\n0\n');
  });
});

it('is made again where somebody deletes its image, once for all that miss it', async () => {
  await using bench = await SandboxBench.open({ files: FILES });
  const setUp = 'echo made >/etc/made';
  await bench.setUp(setUp);
  let times = 0;
  bench.host.onSetUpLost(async () => {
    times += 1;
    await bench.setUp(setUp);
  });
  const docker = new Docker();
  const filters = { label: [`orchestrate=${bench.installation}`] };
  for (const { Id } of await docker.listImages({ filters })) await docker.getImage(Id).remove({ force: true });
  const ends = await Promise.all([bench.run('cat /etc/made'), bench.run('cat /etc/made')]);
  expect(ends.map(({ output }) => output)).toEqual(['made\n', 'made\n']);
  expect(times).toBe(1);
});

it('installs Debian packages with users, owners and modes of their own', async () => {
  await using bench = await SandboxBench.open();
  const { output } = await bench.setUp(`set -e
    mkdir -p /tmp/p/DEBIAN /tmp/p/usr/bin /tmp/p/var/lib/svc repo
    printf 'Package: svc\\nVersion: 1\\nArchitecture: all\\nMaintainer: T <t@example.invalid>\\nDescription: t\\n' >/tmp/p/DEBIAN/control
    printf '#!/bin/sh\\nset -e\\nuseradd --system --user-group svc\\nchown svc:svc /var/lib/svc\\nchmod 2770 /var/lib/svc\\nchmod 4755 /usr/bin/svc\\nsu -s /bin/sh svc -c "touch /var/lib/svc/made"\\n' >/tmp/p/DEBIAN/postinst
    chmod 755 /tmp/p/DEBIAN/postinst; printf '#!/bin/sh\\necho svc works\\n' >/tmp/p/usr/bin/svc
    dpkg-deb --build --root-owner-group /tmp/p repo/svc.deb >/dev/null
    { cat /tmp/p/DEBIAN/control; echo "Filename: ./svc.deb"; echo "Size: $(stat -c %s repo/svc.deb)"; echo "SHA256: $(sha256sum repo/svc.deb | cut -c 1-64)"; } >repo/Packages
    rm -rf /etc/apt/sources.list.d; echo 'deb [trusted=yes] file:/workspace/repo ./' >/etc/apt/sources.list
    apt-get update >/dev/null; apt-get install -y svc >/dev/null 2>&1
    stat -c '%U:%G %a' /var/lib/svc /usr/bin/svc; grep -E '^(Cap(Eff|Bnd)|NoNewPrivs|Seccomp):' /proc/self/status; ls /sys/class/net`);
  expect(output.split('\n').map((line) => line.replace(/\s+/g, ' '))).toEqual([
    ...['svc:svc 2770', 'root:root 4755', 'CapEff: 00000000000000db', 'CapBnd: 00000000000000db'],
    ...['NoNewPrivs: 1', 'Seccomp: 2', 'lo', ''],
  ]);
  const agent = await bench.run('svc; grep -E "^Cap(Eff|Bnd)" /proc/self/status; id -u; touch /etc/x 2>&1');
  expect(agent.output.replace(/\t/g, ' ')).toContain(
    'svc works\nCapEff: 0000000000000000\nCapBnd: 0000000000000000\n61000\n',
  );
});

describe('in an image of somebody else', () => {
  const images = new TestImages();
  afterAll(() => images[Symbol.asyncDispose]());

  it.each(['bare', 'hostile', 'musl'] as const)('(%s) a set-up reaches agents as well', async (kind) => {
    await using bench = await SandboxBench.open({ image: await images.get(kind) });
    await bench.setUp(`set -e; test -e /etc/passwd || echo root:x:0:0::/:/bin/sh >/etc/passwd
      echo newuser:x:7:7::/:/bin/sh >>/etc/passwd; echo made >/made; mkdir node_modules; echo m >node_modules/m; echo h >~/h`);
    const agent = await bench.run(
      'id -u newuser; id -u; cat /made node_modules/m ~/h; ls; echo "$SECRET$NODE_OPTIONS"',
    );
    // The hostile one has the loader complain.
    const output = agent.output.replace(/^ERROR: ld\.so: .*\n/gm, '');
    expect({ ...agent, output }).toMatchObject({
      exitCode: 0,
      changed: [],
      output: '7\n61000\nmade\nm\nh\nREADME.md\nnode_modules\n\n',
    });
  });
});
