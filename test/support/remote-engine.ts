/**
 * Remote Docker hosts on this machine: each is a container with an engine and an sshd of its own, reached by its address
 * over TLS and ssh. What goes wrong between machines is done to them here. Linux and root on the engine only.
 */

import { createHash, randomInt } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import Docker from 'dockerode';
import { execa } from 'execa';
import { GenericContainer, type StartedTestContainer } from 'testcontainers';
import { followProgress, imageId } from '../../src/sandbox/docker/build.ts';
import { packFiles } from '../../src/sandbox/docker/tar.ts';
import { type Certificate, expired, makeCertificate } from './certificates.ts';
import { baseImage } from './images.ts';
import { FIXTURES } from './sandbox.ts';

const TLS_PORT = 2376;
const ENGINE_LOG = '/var/log/dockerd.log';
const LATENCY_FILE = '/run/latency';

export interface RemoteOptions {
  /** Its `daemon.json`: `{ 'live-restore': true }` keeps containers running while it is away. */
  readonly configuration?: Readonly<Record<string, unknown>>;
  /** The engine has a disk of its own of that size, for tests that fill it; not given: it is on the machine's. */
  readonly diskBytes?: number;
}

/** The network between remote hosts and this machine, and the user who reaches them. Disposing it disposes its hosts. */
export class RemoteNetwork implements AsyncDisposable {
  readonly #hosts: RemoteEngine[] = [];
  readonly #knownHosts: string[] = [];
  #count = 0;

  private constructor(
    readonly name: string,
    /** First three parts of its addresses. */
    readonly prefix: string,
    /** The user's. */
    readonly home: string,
  ) {}

  static async create(): Promise<RemoteNetwork> {
    const home = await mkdtemp(path.join(tmpdir(), 'orchestrate-remote-'));
    try {
      const { name, prefix } = await createNetwork();
      const network = new RemoteNetwork(name, prefix, home);
      await network.#makeUser();
      return network;
    } catch (error) {
      await rm(home, { recursive: true, force: true });
      throw error;
    }
  }

  /**
   * For the environment of what is to reach the hosts: their user's home and an `ssh` that reads its configuration there
   * (OpenSSH itself looks in the home of the passwd file, whatever HOME says).
   */
  get env(): { readonly HOME: string; readonly PATH: string } {
    return { HOME: this.home, PATH: `${path.join(this.home, 'bin')}:${process.env.PATH ?? ''}` };
  }

  /** Starts one more host and waits until its engine answers. */
  async add(options: RemoteOptions = {}): Promise<RemoteEngine> {
    this.#count += 1;
    const number = this.#count;
    const host = await RemoteEngine.start(this, number, options);
    this.#hosts.push(host);
    await this.trust(host);
    return host;
  }

  /** Takes the host's present key into the user's known hosts. */
  async trust(host: RemoteEngine): Promise<void> {
    const key = await host.run('cut -d " " -f 1,2 /etc/ssh/host_key.pub');
    this.#knownHosts.push(`${host.address},${host.name} ${key}`);
    await writeFile(path.join(this.home, '.ssh/known_hosts'), `${this.#knownHosts.join('\n')}\n`);
  }

  async #makeUser(): Promise<void> {
    const at = (name: string): string => path.join(this.home, name);
    await mkdir(at('.ssh'), { mode: 0o700 });
    await mkdir(at('bin'));
    await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'user', '-f', at('.ssh/id_ed25519')]);
    const lines = [
      ...['Host *', `IdentityFile ${at('.ssh/id_ed25519')}`, 'IdentitiesOnly yes'],
      `UserKnownHostsFile ${at('.ssh/known_hosts')}`,
      ...[1, 2, 3, 4].flatMap((number) => [`Host ${hostName(number)}`, `HostName ${this.addressOf(number)}`]),
    ];
    await writeFile(at('.ssh/config'), `${lines.join('\n')}\n`);
    await writeFile(at('bin/ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F '${at('.ssh/config')}' "$@"\n`);
    await chmod(at('bin/ssh'), 0o755);
  }

  addressOf(number: number): string {
    return `${this.prefix}.${number + 1}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.#hosts) await host[Symbol.asyncDispose]();
    await new Docker().getNetwork(this.name).remove();
    await rm(this.home, { recursive: true, force: true });
  }
}

export class RemoteEngine implements AsyncDisposable {
  /** Through TLS, as `options` say. */
  readonly docker: Docker;
  readonly options: Docker.DockerOptions;

  private constructor(
    readonly network: RemoteNetwork,
    readonly number: number,
    /** With `ca.pem`, `cert.pem` and `key.pem`, as DOCKER_CERT_PATH means it. */
    readonly tlsFolder: string,
    readonly container: StartedTestContainer,
    tls: { readonly server: Certificate; readonly client: Certificate },
  ) {
    this.#server = tls.server;
    this.options = {
      ...{ host: this.address, port: TLS_PORT, protocol: 'https' },
      ...{ ca: tls.server.cert, cert: tls.client.cert, key: tls.client.key },
    };
    this.docker = new Docker(this.options);
  }

  readonly #server: Certificate;

  static async start(network: RemoteNetwork, number: number, options: RemoteOptions): Promise<RemoteEngine> {
    const address = network.addressOf(number);
    const [image, server, client, key] = await Promise.all([
      remoteImage(),
      makeCertificate(`IP:${address}`, `DNS:${hostName(number)}`),
      makeCertificate('DNS:client'),
      readFile(path.join(network.home, '.ssh/id_ed25519.pub'), 'utf8'),
    ]);
    const tlsFolder = path.join(network.home, `tls-${number}`);
    await mkdir(tlsFolder);
    // Each certificate is its own authority.
    const files = { 'ca.pem': server.cert, 'cert.pem': client.cert, 'key.pem': client.key };
    for (const [name, content] of Object.entries(files)) await writeFile(path.join(tlsFolder, name), content);
    const container = await new Machine(image, network.name, address)
      .withHostname(hostName(number))
      .withCopyContentToContainer([
        { content: JSON.stringify(options.configuration ?? {}), target: '/etc/docker/daemon.json' },
        { content: client.cert, target: '/etc/docker/tls/ca.pem' },
        { content: server.cert, target: '/etc/docker/tls/cert.pem' },
        { content: server.key, target: '/etc/docker/tls/key.pem' },
        { content: key, target: '/etc/ssh/authorized_keys' },
        { content: '0', target: LATENCY_FILE },
      ])
      .start();
    const engine = new RemoteEngine(network, number, tlsFolder, container, { server, client });
    try {
      await engine.run(MACHINE_SETTINGS);
      if (options.diskBytes !== undefined) await engine.#mountDisk(options.diskBytes);
      await engine.changeHostKey();
      await engine.#startPrograms();
      return engine;
    } catch (error) {
      await engine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The user's ssh configuration and the certificate know it by that name too. */
  get name(): string {
    return hostName(this.number);
  }

  get address(): string {
    return this.network.addressOf(this.number);
  }

  /** Needs `tlsFolder`. */
  get tlsUrl(): string {
    return `tcp://${this.address}:${TLS_PORT}`;
  }

  /** Needs the network's `env`. */
  get sshUrl(): string {
    return `ssh://ops@${this.address}`;
  }

  /** Brings images of the machine's engine in, by name or id, without a byte over the network. */
  async load(...images: readonly string[]): Promise<void> {
    const saving = execa('docker', ['save', ...images], { stdout: 'pipe', buffer: false });
    const loading = execa('docker', ['exec', '--interactive', this.#id, 'docker', 'load', '--quiet'], {
      stdin: 'pipe',
    });
    await Promise.all([pipeline(saving.stdout, loading.stdin), saving, loading]);
  }

  /** Runs a bash script on the host, as root. What it printed, trimmed. */
  async run(script: string): Promise<string> {
    return (await execa('docker', ['exec', this.#id, 'bash', '-ec', script])).stdout.trim();
  }

  /** Bytes over its network interface since it was started, both ways, headers included. */
  async traffic(): Promise<{ readonly received: number; readonly sent: number }> {
    const read = await this.run('cat /sys/class/net/eth0/statistics/rx_bytes /sys/class/net/eth0/statistics/tx_bytes');
    const [received = 0, sent = 0] = read.split('\n').map(Number);
    return { received, sent };
  }

  /** The engine's process alone is gone at once, as after a crash; its containers run until it is started again. */
  async killEngine(): Promise<void> {
    await this.run('pkill -9 -x dockerd; while pgrep -x "dockerd|containerd" >/dev/null; do sleep 0.05; done');
  }

  async startEngine(): Promise<void> {
    await this.#startEngine();
  }

  /** Everything on it is gone at once, and nobody answers at its address. */
  async powerOff(): Promise<void> {
    await new Docker().getContainer(this.#id).kill();
  }

  async powerOn(): Promise<void> {
    await new Docker().getContainer(this.#id).start();
    await this.run(MACHINE_SETTINGS);
    await this.#startPrograms();
  }

  /** Nothing gets to it or from it any more, and nobody is told. */
  async cutNetwork(): Promise<void> {
    await this.run('iptables -I INPUT -i eth0 -j DROP; iptables -I OUTPUT -o eth0 -j DROP');
  }

  async joinNetwork(): Promise<void> {
    await this.run('iptables -D INPUT -i eth0 -j DROP; iptables -D OUTPUT -o eth0 -j DROP');
  }

  /** From now on a round trip takes that much longer, on connections that are open too. */
  async addLatency(ms: number): Promise<void> {
    await this.run(`echo ${ms} >${LATENCY_FILE}`);
  }

  /** For connections made afterwards; the user's known hosts have the old one until `trust`. */
  async changeHostKey(): Promise<void> {
    await this.run('rm -f /etc/ssh/host_key*; ssh-keygen -q -t ed25519 -N "" -C host -f /etc/ssh/host_key');
    await this.#reloadSshd();
  }

  /** Those that are open; new ones are let in. */
  async closeSshConnections(): Promise<void> {
    await this.run('pkill -f "^sshd: ops" || [ $? = 1 ]');
  }

  /** For connections made afterwards. @param sessions at a time on one of them */
  async setMaxSessions(sessions: number): Promise<void> {
    await this.run(`echo MaxSessions ${sessions} >/etc/ssh/limits`);
    await this.#reloadSshd();
  }

  /** The engine is restarted for it: containers end where it was not told to keep them. */
  async expireCertificate(): Promise<void> {
    await this.#presentCertificate(await expired(this.#server));
  }

  /** The one that it had at first. */
  async renewCertificate(): Promise<void> {
    await this.#presentCertificate(this.#server);
  }

  async #presentCertificate({ cert }: Certificate): Promise<void> {
    await this.run('pkill -x dockerd; while pgrep -x dockerd >/dev/null; do sleep 0.05; done');
    await this.container.copyContentToContainer([{ content: cert, target: '/etc/docker/tls/cert.pem' }]);
    await this.#startEngine();
  }

  /** Leaves of the engine's disk that part free. Returns how to give the rest back. */
  async fillDisk(part: number): Promise<() => Promise<void>> {
    await this.run(`set -- $(stat -f -c '%b %a %S' /var/lib/docker)
      fallocate -l $(awk "BEGIN { printf \\"%.0f\\", ($2 - ${part} * $1) * $3 }") /var/lib/docker/full`);
    return async () => {
      await this.run('rm /var/lib/docker/full');
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Docker().getContainer(this.#id).remove({ force: true, v: true });
  }

  get #id(): string {
    return this.container.getId();
  }

  async #startPrograms(): Promise<void> {
    await this.#start('exec /usr/sbin/sshd -D -e >>/var/log/sshd.log 2>&1');
    await this.#start(`exec node /opt/link.mjs ${LATENCY_FILE} ${TLS_PORT}=12376 22=1022 >>/var/log/link.log 2>&1`);
    await this.#startEngine();
  }

  async #startEngine(): Promise<void> {
    await this.run(`rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid; : >${ENGINE_LOG}`);
    const tls = ['cacert=ca', 'cert=cert', 'key=key'].map(
      (file) => `--tls${file.replace('=', '=/etc/docker/tls/')}.pem`,
    );
    await this.#start(
      `exec dockerd -H unix:///var/run/docker.sock -H tcp://127.0.0.1:12376 --tlsverify ${tls.join(' ')} >>${ENGINE_LOG} 2>&1`,
    );
    await this.run(`until docker version && (: </dev/tcp/127.0.0.1/1022) && (: </dev/tcp/127.0.0.1/22); do
      sleep 0.1; pgrep -x dockerd || { tail -n 20 ${ENGINE_LOG} >&3; exit 1; }
    done 3>&2 >/dev/null 2>&1`);
  }

  /** Goes on when we do not wait for it. */
  async #start(script: string): Promise<void> {
    await execa('docker', ['exec', '--detach', this.#id, 'sh', '-c', script]);
  }

  async #reloadSshd(): Promise<void> {
    await this.run('if [ -f /run/sshd.pid ]; then kill -HUP "$(cat /run/sshd.pid)"; fi');
  }

  async #mountDisk(bytes: number): Promise<void> {
    await this.run(`truncate -s ${bytes} /var/lib/docker/disk
      mkfs.ext4 -q -F -E lazy_itable_init=1,lazy_journal_init=1 /var/lib/docker/disk
      for n in $(seq 0 63); do [ -e /dev/loop$n ] || mknod /dev/loop$n b 7 $n; done
      [ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
      mount -o loop /var/lib/docker/disk /var/lib/docker`);
  }
}

/** What an engine in a container needs to make containers, in the first (remount) and the second generation of cgroups. */
const MACHINE_SETTINGS = `mount -o remount,rw /sys
for folder in /sys/fs/cgroup /sys/fs/cgroup/*; do
  if mountpoint -q $folder; then mount -o remount,rw,bind $folder; fi
done
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p /sys/fs/cgroup/init
  xargs -rn 1 </sys/fs/cgroup/cgroup.procs >/sys/fs/cgroup/init/cgroup.procs || true
  sed 's/ / +/g; s/^/+/' </sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
fi`;

class Machine extends GenericContainer {
  constructor(image: string, network: string, address: string) {
    super(image);
    this.withNetworkMode(network).withLabels({ 'orchestrate.test': 'remote' });
    // Privileged but for a capability that this machine's own engine may lack.
    this.withAddedCapabilities('ALL').withDroppedCapabilities('SYS_RESOURCE');
    this.withSecurityOpt('seccomp=unconfined', 'apparmor=unconfined');
    const { hostConfig, createOpts } = this;
    Object.assign(hostConfig, { MaskedPaths: [], ReadonlyPaths: [], DeviceCgroupRules: ['a *:* rwm'] });
    hostConfig.Mounts = [{ Type: 'volume', Source: '', Target: '/var/lib/docker' }];
    createOpts.NetworkingConfig = { EndpointsConfig: { [network]: { IPAMConfig: { IPv4Address: address } } } };
  }
}

function hostName(number: number): string {
  return `remote-${number}`;
}

async function createNetwork(): Promise<{ readonly name: string; readonly prefix: string }> {
  for (let tries = 0; ; tries += 1) {
    const prefix = `10.${randomInt(64, 192)}.${randomInt(256)}`;
    const name = `orchestrate-test-${prefix.replaceAll('.', '-')}`;
    try {
      await new Docker().createNetwork({
        ...{ Name: name, Driver: 'bridge', Labels: { 'orchestrate.test': 'remote' } },
        IPAM: { Driver: 'default', Config: [{ Subnet: `${prefix}.0/24` }] },
      });
      return { name, prefix };
    } catch (error) {
      // Somebody has some of these addresses.
      if (tries === 5) throw error;
    }
  }
}

let building: Promise<string> | null = null;

/** Named after its content and built once on this machine; it stays, as the product's own images do. */
function remoteImage(): Promise<string> {
  building ??= buildRemoteImage();
  return building;
}

async function buildRemoteImage(): Promise<string> {
  const docker = new Docker();
  const base = await baseImage(docker);
  const hash = createHash('sha256').update((await imageId(docker, base)) ?? '');
  const files = await Promise.all(
    ['Dockerfile', 'link.mjs', 'sshd_config'].map(async (name) => {
      const content = await readFile(path.join(FIXTURES, 'remote-engine', name));
      hash.update(`${name}\0`).update(content);
      return { name, content };
    }),
  );
  const tag = `orchestrate-test-remote:${hash.digest('hex').slice(0, 12)}`;
  if ((await imageId(docker, tag)) !== null) return tag;
  const options = { t: tag, version: '1' as const, forcerm: true, buildargs: { BASE_IMAGE: base } };
  await followProgress(docker, await docker.buildImage(Readable.from([packFiles(files)]), options));
  return tag;
}
