/** Why an engine does not answer, in words that say what to do. Pure. */

import { X509Certificate } from 'node:crypto';
import { isLoopback } from '../../config/host-url.ts';
import { environmentError, OrchestrateError } from '../../errors.ts';
import { TROUBLE } from '../trouble.ts';
import type { Endpoint } from './endpoint.ts';

/** `cause` is what a call to the engine at `endpoint` failed with. */
export function whyUnreachable(endpoint: Endpoint, cause: unknown): OrchestrateError {
  const known = knownFault(cause) ?? tlsFault(endpoint, cause);
  if (known !== null) return known;
  const code = codeOf(cause);
  if (code === 'EACCES' || code === 'EPERM') {
    return environmentError('DOCKER_PERMISSION', `you may not use the Docker engine at ${endpoint.name}`, {
      hint: 'join the docker group, then log in again: sudo usermod -aG docker "$USER"',
      cause,
    });
  }
  const said = code === 'ENOENT' ? 'there is no such socket' : cause instanceof Error ? cause.message : String(cause);
  if (endpoint.isRemote && !isLoopback(String(endpoint.options.host ?? ''))) {
    return environmentError('HOST_UNREACHABLE', `the Docker engine at ${endpoint.name} does not answer: ${said}`, {
      hint: 'is the machine on, and its engine listening there? (sudo systemctl status docker)',
      cause,
    });
  }
  return environmentError('DOCKER_UNREACHABLE', `the Docker engine at ${endpoint.name} does not answer: ${said}`, {
    hint: 'start it (sudo systemctl start docker, or Docker Desktop), or name another one with DOCKER_HOST',
    cause,
  });
}

/** The phrase for what holds a run back; `why` is what the last ping told of the reason. A network that is away needs no words. */
export function troubleOf(why: OrchestrateError | null): string {
  const isUnknown = why === null || ['HOST_UNREACHABLE', 'DOCKER_UNREACHABLE'].includes(why.code);
  if (isUnknown) return 'the Docker engine does not answer';
  return why.hint === undefined ? why.message : `${why.message}: ${why.hint}`;
}

/** What is known already of why a call could not be made: the error itself, or what it was caused by; more than silence. */
export function knownFault(error: unknown): OrchestrateError | null {
  for (let one = error; one instanceof Error; one = one.cause) {
    if (one instanceof OrchestrateError && one.code !== TROUBLE.timeout && one.code !== TROUBLE.gone) return one;
  }
  return null;
}

const UNKNOWN_AUTHORITY: ReadonlySet<string> = new Set([
  ...['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ...['UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'CERT_SIGNATURE_FAILURE', 'CERT_UNTRUSTED'],
  ...['INVALID_CA', 'CERT_REJECTED'],
]);

/** No connection, because of a certificate: the codes of node's `tls`, and those of OpenSSL for what the server said of ours. */
export function isTlsCode(code: string): boolean {
  return (
    UNKNOWN_AUTHORITY.has(code) ||
    ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID', 'CERT_REVOKED', 'ERR_TLS_CERT_ALTNAME_INVALID', 'EPROTO'].includes(
      code,
    ) ||
    code.startsWith('ERR_SSL_')
  );
}

function tlsFault({ name, options }: Endpoint, cause: unknown): OrchestrateError | null {
  const code = codeOf(cause);
  if (!isTlsCode(code)) return null;
  const fault = (problem: string, hint: string) => environmentError('HOST_TLS', `${name} ${problem}`, { hint, cause });
  const renew = 'renew the certificate of the engine over there (its --tlscert), then: orchestrate host check';
  if (code === 'CERT_HAS_EXPIRED') return fault('is not used: its certificate has expired', renew);
  if (code === 'CERT_NOT_YET_VALID') {
    return fault('is not used: its certificate is not valid yet', 'compare the clocks of both machines');
  }
  if (code === 'CERT_REVOKED') return fault('is not used: its certificate was revoked', renew);
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = certificateOf(cause)?.subjectaltname ?? 'other names';
    return fault(
      `is not used: its certificate is for ${names}`,
      'use a name of the certificate, or have this one put into it (subjectAltName)',
    );
  }
  if (UNKNOWN_AUTHORITY.has(code)) {
    return fault(
      'is not used: its certificate is from an authority that ca.pem does not hold',
      'get the ca.pem that signed it from its owner, by a way that you trust',
    );
  }
  if (/ALERT/.test(code) || /alert/.test(String(cause))) {
    const ours = clientEnd(options.cert);
    const why = ours === null || ours > new Date() ? '' : `: it expired on ${day(ours)}`;
    return fault(
      `does not accept your certificate (cert.pem)${why}`,
      'get one that the authority of the engine signed (its --tlscacert), for clients',
    );
  }
  return fault(
    'does not speak TLS there',
    'an engine listens with TLS when it has --tlsverify, by custom on port 2376',
  );
}

interface PeerCertificate {
  readonly subjectaltname?: string;
}

function certificateOf(cause: unknown): PeerCertificate | null {
  if (!(cause instanceof Error) || !('cert' in cause)) return null;
  return typeof cause.cert === 'object' ? (cause.cert as PeerCertificate | null) : null;
}

/** When our own certificate ends; null where it cannot be read. */
function clientEnd(cert: unknown): Date | null {
  try {
    return cert instanceof Buffer ? new Date(new X509Certificate(cert).validTo) : null;
  } catch {
    return null;
  }
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : '';
}
