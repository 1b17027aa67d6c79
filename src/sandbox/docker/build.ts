/** Building an image on the engine from an archive, with the words of the step that failed. */

import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { isStatus } from './engine-errors.ts';
import { labels, SHARED } from './names.ts';

/** Of what a build printed, these last lines go into its failure. */
const KEPT_LINES = 20;

export interface ImageBuild {
  readonly tag: string;
  /** The Dockerfile's path in the context. */
  readonly dockerfile: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** A tar archive. */
  readonly context: Readable;
}

interface Progress {
  readonly stream?: string;
  readonly error?: string;
}

/**
 * Builds an image and labels it as a cache that all repositories share.
 * Rejects with what the engine said, followed by the last lines that the build printed.
 * @param onStep one line for each of the Dockerfile's steps
 */
export async function buildImage(docker: Docker, build: ImageBuild, onStep: (line: string) => void): Promise<void> {
  const answer = await docker.buildImage(build.context, {
    t: build.tag,
    dockerfile: build.dockerfile,
    buildargs: build.buildArgs,
    labels: labels(SHARED, 'cache'),
    version: '1',
    forcerm: true,
  });
  const output = new LastLines();
  try {
    await followProgress(docker, answer, ({ stream }) => {
      const step = output.add(stream ?? '');
      if (step !== null) onStep(step);
    });
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new Error([said, ...output.lines].join('\n'), { cause });
  }
}

/** Waits for the end of what the engine tells of a build or a pull; rejects with the error in it. */
export function followProgress(
  docker: Docker,
  stream: NodeJS.ReadableStream,
  onProgress: (progress: Progress) => void = () => {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onEnd = (error: Error | null, steps: readonly Progress[] | undefined): void => {
      const failed = error?.message ?? steps?.find((step) => step.error !== undefined)?.error;
      if (failed === undefined) resolve();
      else reject(new Error(failed.trim()));
    };
    docker.modem.followProgress(stream, onEnd, onProgress);
  });
}

/** The content id of an image; null where the engine does not have it. */
export async function imageId(docker: Docker, reference: string): Promise<string | null> {
  try {
    return (await docker.getImage(reference).inspect()).Id;
  } catch (error) {
    if (isStatus(error, 404)) return null;
    throw error;
  }
}

/** The step under way and the end of what it printed. */
class LastLines {
  #step: string | null = null;
  #lines: string[] = [];

  /** Gives the step that begins with this text, if one does. */
  add(text: string): string | null {
    const begins = /^Step \d+\/\d+ : .*/.exec(text)?.[0] ?? null;
    if (begins !== null) {
      this.#step = begins;
      this.#lines = [];
      return begins;
    }
    const lines = text.split(/[\r\n]+/).filter((line) => line.trim() !== '' && !line.startsWith(' ---> '));
    this.#lines = [...this.#lines, ...lines].slice(-KEPT_LINES);
    return null;
  }

  get lines(): readonly string[] {
    return this.#step === null ? this.#lines : [this.#step, ...this.#lines];
  }
}
