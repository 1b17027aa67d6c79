/** The create body of the container that a set-up runs in: an agent's, but for what is named here. */

import type { ContainerCreateOptions } from 'dockerode';
import { registryVariables } from '../registries.ts';
import type { HomeFile, SandboxSpec, SetUpEgress } from '../sandbox.ts';
import type { AgentImage } from './agent-image.ts';
import { labels, RUN_LABEL } from './names.ts';
import {
  AGENT_HOME,
  type AgentPlacement,
  agentContainer,
  sandboxMounts,
  TOOLBOX_NODE,
  TOOLBOX_NODE_FLAGS,
  TOOLBOX_PROGRAM,
  toolboxConfig,
} from './spec.ts';

/** The least with which apt-get and dpkg install packages that have users, owners and set-group-id folders of their own. */
const CAPABILITIES = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETGID', 'SETUID'];
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Relative to the home. The toolbox removes it before the command starts. */
const CONFIG_FILE = '.orchestrate-set-up.json';
/** Where our own image has the authorities of the user's network among the well-known ones. */
const AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt';
const READS_AUTHORITIES = ['CARGO_HTTP_CAINFO', 'NODE_EXTRA_CA_CERTS', 'PIP_CERT', 'SSL_CERT_FILE'];

/** Its configuration becomes that of an image: nothing that is particular to this run stands in it, no command, no token. */
export function setUpContainer(spec: SandboxSpec, at: AgentPlacement): ContainerCreateOptions & { name: string } {
  const body = agentContainer(spec, at);
  const mounts = sandboxMounts(at, labels(at.installation, 'setup', { [RUN_LABEL]: at.run }));
  return {
    ...body,
    User: '0:0',
    Entrypoint: [
      ...[TOOLBOX_NODE, ...TOOLBOX_NODE_FLAGS, '--openssl-config=/dev/null'],
      ...[TOOLBOX_PROGRAM, `${AGENT_HOME}/${CONFIG_FILE}`],
    ],
    // Names without a value: none of the image's variables reaches PID 1.
    Env: [...at.image.variables],
    Labels: labels(at.installation, 'setup'),
    HostConfig: { ...body.HostConfig, CapAdd: CAPABILITIES, ReadonlyRootfs: false, Mounts: mounts },
  };
}

/** What the toolbox is told, as a file of the home. */
export function setUpConfig(spec: SandboxSpec, image: AgentImage): HomeFile {
  return { path: CONFIG_FILE, content: Buffer.from(JSON.stringify(toolboxConfig(spec, image))), mode: 0o600 };
}

/** The whole environment of the command, but for an image's own PATH. */
export function setUpEnvironment(image: AgentImage, egress: SetUpEgress | null): Record<string, string> {
  return {
    HOME: AGENT_HOME,
    PATH,
    DEBIAN_FRONTEND: 'noninteractive',
    // The workspace belongs to the agents' user, and git refuses root another user's repository.
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'safe.directory',
    GIT_CONFIG_VALUE_0: '*',
    ...(image.isOurs ? Object.fromEntries(READS_AUTHORITIES.map((name) => [name, AUTHORITIES])) : {}),
    ...(egress === null ? {} : { ...proxies(egress), ...registryVariables(egress) }),
  };
}

/** Read by curl, git, apt, pip, cargo, go and npm; by Node's own fetch and by Yarn under names of their own. */
function proxies({ url, token }: SetUpEgress): Record<string, string> {
  const proxy = url.replace('://', `://setup:${token}@`);
  const none = 'localhost,127.0.0.1';
  return {
    ...{ HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NO_PROXY: none },
    ...{ http_proxy: proxy, https_proxy: proxy, no_proxy: none },
    ...{ NODE_USE_ENV_PROXY: '1', YARN_HTTP_PROXY: proxy, YARN_HTTPS_PROXY: proxy },
  };
}
