/** An image for agents out of a Dockerfile of the user, named after the content of what it is built from. */

import { stat } from 'node:fs/promises';
import path from 'node:path';
import type Docker from 'dockerode';
import { environmentError, OrchestrateError, usageError } from '../../errors.ts';
import { buildImage, imageId } from './build.ts';
import { hashContext, packContext, readContext } from './build-context.ts';
import { isToBeHad, sendImages, type Transport } from './send-images.ts';

const NAME = 'orchestrate-dockerfile';
/** Beyond what anybody could make another context meet. */
const HASH_DIGITS = 32;

/**
 * The reference of the image; built where this content never was, with the Dockerfile's own folder as the context.
 * Errors: usage NO_DOCKERFILE, CONTEXT_TOO_LARGE; environment IMAGE_BUILD_FAILED with the failing step and its output.
 * @param dockerfile absolute path
 * @param transport for a host elsewhere: what was built here is sent; null: it is the engine of this machine
 */
export async function ensureDockerfileImage(
  docker: Docker,
  dockerfile: string,
  onProgress: (line: string) => void,
  transport: Transport | null,
): Promise<string> {
  await requireFile(dockerfile);
  try {
    const context = await readContext(dockerfile);
    const tag = `${NAME}:${(await hashContext(context)).slice(0, HASH_DIGITS)}`;
    if ((await imageId(docker, tag)) !== null) return tag;
    if (transport !== null && (await isToBeHad(transport, tag))) {
      await sendImages(transport, [tag]);
      return tag;
    }
    onProgress(`building the image of ${dockerfile}`);
    const build = { tag, dockerfile: context.dockerfile, buildArgs: {}, context: packContext(context) };
    await buildImage(docker, build, onProgress);
    return tag;
  } catch (cause) {
    if (cause instanceof OrchestrateError) throw cause;
    const said = cause instanceof Error ? cause.message : String(cause);
    throw environmentError('IMAGE_BUILD_FAILED', `the image of ${dockerfile} could not be built: ${said}`, {
      hint: `try it by hand: docker build -f ${dockerfile} ${path.dirname(dockerfile)}; an image that is there already is used with --image`,
      cause,
    });
  }
}

async function requireFile(dockerfile: string): Promise<void> {
  const found = await stat(dockerfile).catch(() => null);
  if (found?.isFile() === true) return;
  const what = found === null ? 'there is no Dockerfile at' : 'a Dockerfile is a file, which is not what is at';
  throw usageError('NO_DOCKERFILE', `${what} ${dockerfile}`, {
    hint: 'name the file itself: --dockerfile docker/Dockerfile',
  });
}
