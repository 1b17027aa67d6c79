/** Looks for a secret, as it is and in every usual encoding, wherever a run could have left it. */

import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import Docker from 'dockerode';
import { execa } from 'execa';
import type { Scratch } from './scratch.ts';

/** Where the secret stands; empty where it stands nowhere. */
export async function canaryPlaces(scratch: Scratch, secret: string): Promise<string[]> {
  const found: string[] = [];
  const look = (place: string, content: Buffer): void => {
    const bytes = content.toString('latin1');
    for (const [encoding, form] of formsOf(secret)) if (bytes.includes(form)) found.push(`${place} (${encoding})`);
  };
  for (const folder of [path.join(scratch.repository, '.git'), path.join(scratch.folder, 'home')]) {
    for (const file of await filesBelow(folder)) look(file, await readFile(file).catch(() => Buffer.alloc(0)));
  }
  const docker = new Docker();
  const filters = { label: [`orchestrate=${await scratch.installation()}`] };
  for (const { Id: id, Names: names } of await docker.listContainers({ all: true, filters })) {
    const container = docker.getContainer(id);
    const name = names.join();
    look(`${name} inspect`, Buffer.from(JSON.stringify(await container.inspect())));
    look(`${name} logs`, (await container.logs({ stdout: true, stderr: true, follow: false })) as Buffer);
    look(`${name} top`, Buffer.from(JSON.stringify(await container.top({ ps_args: 'auxe' }).catch(() => ''))));
  }
  for (const { Name: name, Mountpoint: folder } of (await docker.listVolumes({ filters })).Volumes) {
    look(`volume ${name}`, Buffer.from(JSON.stringify(await docker.getVolume(name).inspect())));
    const grep = await execa('grep', ['-rlaF', secret, folder], { reject: false });
    if (grep.stdout !== '') found.push(`volume ${name}: ${grep.stdout}`);
  }
  return found;
}

function formsOf(secret: string): [string, string][] {
  const base64 = [0, 1, 2].map((shift): [string, string] => {
    const coded = Buffer.from('x'.repeat(shift) + secret).toString('base64');
    // Without what depends on the neighbours.
    return [`base64 at ${shift}`, coded.slice(shift === 0 ? 0 : shift + 1, -4)];
  });
  const bytes = [...Buffer.from(secret)].map((byte) => byte.toString(16).padStart(2, '0'));
  return [
    ['plain', secret],
    ['hexadecimal', bytes.join('')],
    ['URL', bytes.map((byte) => `%${byte}`).join('')],
    ['URL, upper case', bytes.map((byte) => `%${byte.toUpperCase()}`).join('')],
    ['JSON', bytes.map((byte) => `\\u00${byte}`).join('')],
    ...base64,
  ];
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
}
