/** A key and a certificate that is its own authority, made by openssl in a folder that goes away. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** For these names and addresses: `DNS:registry.example.org`, `IP:127.0.0.1`. */
export async function makeCertificate(...names: readonly string[]): Promise<Certificate> {
  const folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-certificate-'));
  const key = path.join(folder, 'key.pem');
  const cert = path.join(folder, 'cert.pem');
  try {
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'];
    const subject = ['-subj', '/CN=Test', '-addext', `subjectAltName=${names.join(',')}`, '-days', '2'];
    await execa('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', cert]);
    return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The same, but its last day was yesterday. */
export async function expired({ key, cert }: Certificate): Promise<Certificate> {
  const folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-certificate-'));
  const files = { key: path.join(folder, 'key.pem'), cert: path.join(folder, 'cert.pem') };
  try {
    await Promise.all([writeFile(files.key, key), writeFile(files.cert, cert)]);
    const { stdout } = await execa('openssl', [...['x509', '-in', files.cert, '-signkey', files.key, '-days', '-1']]);
    return { key, cert: stdout };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
