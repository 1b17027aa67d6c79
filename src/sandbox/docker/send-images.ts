/**
 * Images on their way from one engine to another, for hosts that cannot get them themselves: several in one archive, so that
 * layers they share go once. Whether an engine has an image is told by its content, because tags move and ids depend on
 * how an engine stores images.
 */

import { createHash } from 'node:crypto';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type Docker from 'dockerode';
import prettyBytes from 'pretty-bytes';
import { environmentError, OrchestrateError } from '../../errors.ts';
import { followProgress, imageId } from './build.ts';
import { SENT_IMAGE } from './names.ts';

/** People are told how far it is. */
const TOLD_EVERY_MS = 10_000;
/** Of a content's digest, in names; hexadecimal. */
const HASH_DIGITS = 32;

/** What the typings lack. */
interface ImageFacts {
  readonly Id: string;
  readonly Created: string;
  readonly Architecture?: string;
  readonly Size: number;
  readonly RootFS?: { readonly Layers?: readonly string[] };
}

export interface Transport {
  readonly from: Docker;
  readonly to: Docker;
  /** One line for people. */
  onProgress(line: string): void;
}

/** Whether the receiving engine has that image, with the same content as the sending one. */
export async function isThere({ from, to }: Pick<Transport, 'from' | 'to'>, reference: string): Promise<boolean> {
  const [there, here] = await Promise.all([factsOf(to, reference), factsOf(from, reference)]);
  return there !== null && here !== null && contentOf(there) === contentOf(here);
}

/** Whether the sending engine has that image, for the receiving engine's processor. One that does not answer has none. */
export async function isToBeHad({ from, to }: Pick<Transport, 'from' | 'to'>, reference: string): Promise<boolean> {
  const [facts, { Arch: processor }] = await Promise.all([
    factsOf(from, reference).catch(() => null),
    to.version() as Promise<{ Arch: string }>,
  ]);
  return facts !== null && (facts.Architecture ?? processor) === processor;
}

/** An image of the user's on its way: there it gets a name of its own, and no tag of theirs is moved. */
export interface UsersImage {
  /** As the user calls it. */
  readonly image: string;
  /** On the sending engine. */
  readonly id: string;
  /** On the receiving engine. */
  readonly name: string;
  readonly isThere: boolean;
}

/** What is to be done about an image that is to be had. */
export async function usersImage(transport: Transport, image: string): Promise<UsersImage> {
  const { from, to } = transport;
  const facts = await factsOf(from, image);
  if (facts === null) throw notSent([image], new Error('it is gone'));
  const { Id: id } = facts;
  if (await isThere(transport, image)) return { image, id, name: image, isThere: true };
  const name = `${SENT_IMAGE}:${createHash('sha256').update(contentOf(facts)).digest('hex').slice(0, HASH_DIGITS)}`;
  return { image, id, name, isThere: (await imageId(to, name)) !== null };
}

/** Sends images with their tags, and one of the user's with them. Environment error IMAGE_NOT_SENT, or why the host is gone. */
export async function sendImages(
  transport: Transport,
  tags: readonly string[],
  users: UsersImage | null = null,
): Promise<void> {
  const names = users === null ? tags : [...tags, users.id];
  const called = users === null ? tags : [...tags, users.image];
  const images = await Promise.all(names.map((name) => factsOf(transport.from, name)));
  const total = sizeOf(images.filter((image) => image !== null));
  transport.onProgress(`sending ${called.join(', ')} (about ${prettyBytes(total)})`);
  try {
    const said = await send(transport, names, total);
    if (users === null) return;
    // An archive of an id brings no tag.
    const loaded = /Loaded image ID: (\S+)/.exec(said)?.[1] ?? users.id;
    await transport.to.getImage(loaded).tag({ repo: SENT_IMAGE, tag: users.name.slice(SENT_IMAGE.length + 1) });
  } catch (cause) {
    throw notSent(called, cause);
  }
}

/** Returns what the receiving engine said. @param total bytes, about */
async function send({ from, to, onProgress }: Transport, names: readonly string[], total: number): Promise<string> {
  const broken = new AbortController();
  let sent = 0;
  let said = '';
  const told = (): void => onProgress(`${prettyBytes(sent)} of about ${prettyBytes(total)} sent`);
  const telling = setInterval(told, TOLD_EVERY_MS);
  try {
    const counted = new PassThrough().on('data', (chunk: Buffer) => {
      sent += chunk.length;
    });
    const packed = createGzip({ level: 1 });
    const loading = async (): Promise<void> => {
      const answer = await to.loadImage(packed, { abortSignal: broken.signal });
      await followProgress(to, answer, ({ stream = '' }) => {
        said += stream;
      });
    };
    const archive = await archiveOf(from, names);
    await Promise.all([pipeline(archive, counted, packed, { signal: broken.signal }), loading()]);
    return said;
  } finally {
    clearInterval(telling);
    broken.abort();
  }
}

function notSent(names: readonly string[], cause: unknown): Error {
  // A host that is gone.
  if (cause instanceof OrchestrateError) return cause;
  const said = cause instanceof Error ? cause.message : String(cause);
  return environmentError('IMAGE_NOT_SENT', `${names.join(', ')} could not be sent to the Docker host: ${said}`, {
    hint: 'is there room on its disk? What is sent once stays there',
    cause,
  });
}

async function factsOf(docker: Docker, reference: string): Promise<ImageFacts | null> {
  if ((await imageId(docker, reference)) === null) return null;
  return docker.getImage(reference).inspect() as unknown as Promise<ImageFacts>;
}

function contentOf({ Created, Architecture, RootFS }: ImageFacts): string {
  return JSON.stringify([Architecture, Date.parse(Created), RootFS?.Layers ?? []]);
}

/** Bytes of all, with what one has from another counted once. */
function sizeOf(named: readonly ImageFacts[]): number {
  const images = [...new Map(named.map((image) => [image.Id, image])).values()];
  const layersOf = (image: ImageFacts): string => (image.RootFS?.Layers ?? []).join();
  return images.reduce((sum, image) => {
    const below = images.filter((other) => other !== image && layersOf(image).startsWith(`${layersOf(other)},`));
    return sum + image.Size - Math.max(0, ...below.map((other) => other.Size));
  }, 0);
}

/** dockerode knows archives of one image only. */
function archiveOf(docker: Docker, names: readonly string[]): Promise<Readable> {
  return new Promise((resolve, reject) => {
    docker.modem.dial(
      {
        ...{ path: '/images/get?', method: 'GET', options: { names }, isStream: true },
        statusCodes: { 200: true, 404: 'no such image', 500: 'server error' },
      },
      (error, archive) => (error === null ? resolve(archive as Readable) : reject(error)),
    );
  });
}
