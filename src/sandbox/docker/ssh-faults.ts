/** What OpenSSH says when it cannot connect, as our errors. Pure. */

import { type SshTarget, sshUrl } from '../../config/host-url.ts';
import { environmentError, type OrchestrateError } from '../../errors.ts';

/** Trying again changes nothing before somebody has done something. */
const LASTING: ReadonlySet<string> = new Set(['HOST_KEY_CHANGED', 'HOST_KEY_UNKNOWN', 'HOST_AUTH', 'HOST_SSH']);

export function isLasting(fault: OrchestrateError): boolean {
  return LASTING.has(fault.code);
}

/**
 * Why there is no connection. `said` is what ssh wrote to stderr (its messages have no translations).
 * Codes: HOST_KEY_CHANGED, HOST_KEY_UNKNOWN, HOST_AUTH, HOST_SSH (no usable ssh on this machine), HOST_UNREACHABLE.
 */
export function sshFault(target: SshTarget, said: string): OrchestrateError {
  const url = sshUrl(target);
  if (/HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY|key for .* has changed/i.test(said)) {
    const forget = /ssh-keygen (?:-f "[^"]*" )?-R \S+/.exec(said)?.[0] ?? `ssh-keygen -R ${knownAs(target)}`;
    const what = /REVOKED/.test(said) ? 'has a key that your known hosts call revoked' : 'has another key than it had';
    return environmentError('HOST_KEY_CHANGED', `${url} ${what}: it may be another machine that listens in`, {
      hint: `ask its owner why; only if the new key is right: ${forget} && ${byHand(target)}`,
    });
  }
  if (/Host key verification failed|host key is known for/i.test(said)) {
    return environmentError('HOST_KEY_UNKNOWN', `the key of ${url} is not among your known hosts`, {
      hint: `look at the key and accept it once: ${byHand(target)}`,
    });
  }
  if (/Permission denied \(|Too many authentication failures|No more authentication methods/i.test(said)) {
    return environmentError('HOST_AUTH', `${url} accepts none of your ssh keys`, {
      hint: `this must work without a question (ssh-add loads a key with a passphrase): ${byHand(target)} true`,
    });
  }
  if (
    /\bssh: not found|ssh: No such file|Bad configuration option|Bad owner or permissions|terminating, \d+ bad/i.test(
      said,
    )
  ) {
    const isMissing = /not found|No such file/i.test(said);
    return environmentError('HOST_SSH', `ssh cannot be used: ${isMissing ? 'it is not installed' : lastLine(said)}`, {
      hint: isMissing ? 'install the OpenSSH client (openssh-client)' : `see what it says: ${byHand(target)}`,
    });
  }
  return unreachable(target, lastLine(said));
}

export function unreachable(target: SshTarget, why: string): OrchestrateError {
  const said = why === '' ? 'ssh ended without a word' : why;
  return environmentError('HOST_UNREACHABLE', `${sshUrl(target)} cannot be reached: ${said}`, {
    hint: `see whether this works: ${byHand(target)}`,
  });
}

/** What the user's own account over there says about the engine's socket: one word of `SOCKET_LOOK`. */
export function socketFault(target: SshTarget, word: string): OrchestrateError {
  const url = sshUrl(target);
  const { socket } = target;
  if (word === 'forbidden') {
    return environmentError(
      'DOCKER_PERMISSION',
      `you may not use the Docker engine at ${url}: ${socket} is not yours`,
      {
        hint: 'over there, join the docker group: sudo usermod -aG docker "$USER"',
      },
    );
  }
  if (word === 'absent') {
    return environmentError('DOCKER_UNREACHABLE', `there is no Docker engine at ${url}: it has no socket ${socket}`, {
      hint: 'start it over there (sudo systemctl start docker), or name its socket: ssh://user@host/path/to/docker.sock',
    });
  }
  return environmentError('DOCKER_UNREACHABLE', `the Docker engine at ${url} does not answer on ${socket}`, {
    hint: 'start it over there (sudo systemctl start docker); its sshd must allow AllowStreamLocalForwarding',
  });
}

/** A command for over there that prints `absent`, `forbidden` or `usable`. */
export function socketLook({ socket }: SshTarget): string {
  const tests = `if [ ! -S ${socket} ]; then echo absent; elif [ -r ${socket} ] && [ -w ${socket} ]; then echo usable`;
  return `sh -c '${tests}; else echo forbidden; fi'`;
}

/** The command that does the same by hand. */
function byHand({ user, host, port }: SshTarget): string {
  return `ssh ${port === null ? '' : `-p ${port} `}${user === null ? '' : `${user}@`}${host}`;
}

function knownAs({ host, port }: SshTarget): string {
  return port === null || port === 22 ? host : `'[${host}]:${port}'`;
}

/** The last line that says why: not that the connection is closed, which is what all of them end with. */
function lastLine(said: string): string {
  const lines = said
    .split('\n')
    .map((line) => line.trim().replace(/^ssh: /, ''))
    .filter((line) => line !== '');
  return lines.findLast((line) => !/^Connection (?:closed|reset) by|^channel \d+:/.test(line)) ?? lines.at(-1) ?? '';
}
