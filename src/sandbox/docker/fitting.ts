/**
 * What an image of somebody else lacks, put into a container of it before it starts: an entry for the agents' uid, without
 * which `whoami`, ssh, `os.userInfo()` and `getpass` fail. And what an agent's program needs of the image, looked for in time.
 */

import type { IncomingMessage } from 'node:http';
import type { Container } from 'dockerode';
import { usageError } from '../../errors.ts';
import type { AgentImage } from './agent-image.ts';
import { isStatus } from './engine-errors.ts';
import { AGENT_HOME, AGENT_UID } from './spec.ts';
import { firstFile, packFiles, type TarFile } from './tar.ts';

/** No /etc/passwd of an image that means well is larger. */
const MAX_FILE = 1024 * 1024;
const NAMES = ['agent', 'orchestrate-agent', `agent${AGENT_UID}`];
const SHELL = '/bin/sh';

/** The Engine API's answer to HEAD archive. */
interface PathStat {
  readonly size: number;
  /** Where a symbolic link ends, resolved by the engine inside the container; empty for anything else. */
  readonly linkTarget: string;
}

/** By image; our own needs none. */
export class ImageFittings {
  readonly #onWarning: (line: string) => void;
  readonly #byImage = new Map<string, ImageFitting>();

  constructor(onWarning: (line: string) => void) {
    this.#onWarning = onWarning;
  }

  /**
   * Makes a created container, which has never run, fit for an agent that starts `program`; removes it where that fails.
   * Rejects with usage NOT_IN_IMAGE when the image does not hold that program.
   */
  async fit(container: Container, image: AgentImage, program: string): Promise<void> {
    if (image.isOurs) return;
    const fitting = this.#byImage.get(image.id) ?? new ImageFitting(image, this.#onWarning);
    this.#byImage.set(image.id, fitting);
    try {
      await fitting.fit(container, program);
    } catch (cause) {
      await container.remove({ force: true, v: true }).catch(() => {});
      throw cause;
    }
  }
}

/** What was learnt of an image from its first container; one per run. */
class ImageFitting {
  readonly #image: AgentImage;
  readonly #onWarning: (line: string) => void;
  readonly #programs = new Map<string, Promise<boolean>>();
  #archive: Promise<Buffer | null> | null = null;

  constructor(image: AgentImage, onWarning: (line: string) => void) {
    this.#image = image;
    this.#onWarning = onWarning;
  }

  async fit(container: Container, program: string): Promise<void> {
    if (program.startsWith('/')) await this.#requireProgram(container, program);
    this.#archive ??= additionsFor(container);
    try {
      const archive = await this.#archive;
      if (archive !== null) await container.putArchive(archive, { path: '/' });
    } catch (error) {
      if (!hasStatus(error)) throw error;
      // Most programs do without.
      this.#archive = Promise.resolve(null);
      this.#onWarning(
        `the image ${this.#image.name} knows no user of id ${AGENT_UID}, and it could not be added: ${error.message}`,
      );
    }
  }

  async #requireProgram(container: Container, program: string): Promise<void> {
    let found = this.#programs.get(program);
    if (found === undefined) {
      found = exists(container, program);
      this.#programs.set(program, found);
      found.catch(() => this.#programs.delete(program));
    }
    if (await found) return;
    const what = program === SHELL ? `no shell (${SHELL})` : `no ${program}`;
    throw usageError('NOT_IN_IMAGE', `the image ${this.#image.name} has ${what}, which this engine starts`, {
      hint: 'choose another image with --image, or leave it out',
    });
  }
}

/** The archive to extract at `/`; null where nothing is to be added or what is there is better left alone. */
async function additionsFor(container: Container): Promise<Buffer | null> {
  const [folder, passwd, group] = await Promise.all([
    stat(container, '/etc/.'),
    readSmall(container, '/etc/passwd'),
    readSmall(container, '/etc/group'),
  ]);
  const shell = (await exists(container, SHELL)) ? SHELL : '/sbin/nologin';
  const files: TarFile[] = [];
  const name = passwd === null ? null : freeName(passwd);
  if (passwd !== null && name !== null) {
    const line = `${name}:x:${AGENT_UID}:${AGENT_UID}::${AGENT_HOME}:${shell}\n`;
    files.push({ name: 'etc/passwd', content: withLine(passwd, line) });
  }
  const groupName = group === null ? null : freeName(group);
  if (group !== null && groupName !== null) {
    files.push({ name: 'etc/group', content: withLine(group, `${groupName}:x:${AGENT_UID}:\n`) });
  }
  if (files.length === 0) return null;
  const made: TarFile[] = folder === null ? [{ name: 'etc/', content: Buffer.alloc(0) }] : [];
  return packFiles([...made, ...files]);
}

/** A name for our entry that the file does not give to somebody else; null where the id has an entry already. */
export function freeName(file: Buffer): string | null {
  const entries = file
    .toString('latin1')
    .split('\n')
    .map((line) => line.split(':'));
  if (entries.some((fields) => fields[2] === String(AGENT_UID))) return null;
  const taken = new Set(entries.map((fields) => fields[0]));
  return NAMES.find((name) => !taken.has(name)) ?? null;
}

function withLine(file: Buffer, line: string): Buffer {
  const needsEnd = file.length > 0 && file.at(-1) !== 0x0a;
  return Buffer.concat([file, Buffer.from(needsEnd ? `\n${line}` : line)]);
}

/** Empty where there is no such file; null for anything that is not an ordinary file of ordinary size. */
async function readSmall(container: Container, file: string): Promise<Buffer | null> {
  const found = await stat(container, file);
  if (found === null) return Buffer.alloc(0);
  if (found.size > MAX_FILE) return null;
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of await container.getArchive({ path: found.linkTarget || file })) {
      size += chunk.length;
      if (size > 2 * MAX_FILE) return null;
      chunks.push(Buffer.from(chunk));
    }
    return firstFile(Buffer.concat(chunks));
  } catch (error) {
    if (isStatus(error, 404)) return null;
    throw error;
  }
}

/** Whether there is something at that path, or where the symbolic link there ends. */
export async function exists(container: Container, file: string): Promise<boolean> {
  const found = await stat(container, file);
  if (found === null) return false;
  return found.linkTarget === '' || (await stat(container, found.linkTarget)) !== null;
}

/** Null where there is nothing at that path. */
async function stat(container: Container, file: string): Promise<PathStat | null> {
  try {
    const answer: IncomingMessage = await container.infoArchive({ path: file });
    // Has no body, but its connection is held, and the process with it, until its end has been read.
    answer.resume();
    const encoded = String(answer.headers['x-docker-container-path-stat'] ?? '');
    const { size, linkTarget } = JSON.parse(Buffer.from(encoded, 'base64').toString('utf8')) as Partial<PathStat>;
    return { size: size ?? 0, linkTarget: linkTarget ?? '' };
  } catch (error) {
    // 400: a part of the path is no folder.
    if (isStatus(error, 404) || isStatus(error, 400)) return null;
    throw error;
  }
}

function hasStatus(error: unknown): error is Error & { statusCode: number } {
  return error instanceof Error && 'statusCode' in error;
}
