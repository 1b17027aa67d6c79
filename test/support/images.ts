/** Images for tests, built on the engine from test/fixtures/images without a registry; labelled, and removed after. */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import Docker from 'dockerode';
import { packFiles } from '../../src/sandbox/docker/tar.ts';
import { FIXTURES, testName } from './sandbox.ts';

export type ImageKind = 'bare' | 'musl' | 'idle' | 'shell-less' | 'hostile' | 'hiding';

const BASES = ['orchestrate-base:latest', 'node:24-bookworm-slim'];

/** What images of tests stand on. */
export async function baseImage(docker: Docker): Promise<string> {
  for (const base of BASES) {
    const found = await docker.listImages({ filters: { reference: [base] } });
    if (found.length > 0) return base;
  }
  throw new Error(`none of ${BASES.join(', ')} is on the engine: a run or images/base/build.sh makes one`);
}

/** Builds images as they are asked for, each once. */
export class TestImages implements AsyncDisposable {
  readonly #docker = new Docker();
  readonly #built = new Map<ImageKind, Promise<string>>();

  get(kind: ImageKind): Promise<string> {
    const known = this.#built.get(kind) ?? this.#build(kind);
    this.#built.set(kind, known);
    return known;
  }

  /** An image without content that says it is for that processor. Labelled as the others, but removed by the caller. */
  async forArchitecture(architecture: string): Promise<string> {
    const tag = `${testName(architecture)}:1`;
    const layer = packFiles([]);
    const config = {
      ...{ architecture, os: 'linux', config: { Labels: { 'orchestrate.test': 'images' } } },
      rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] },
    };
    const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
    const archive = packFiles([
      { name: 'layer.tar', content: layer },
      { name: 'config.json', content: json(config) },
      { name: 'manifest.json', content: json([{ Config: 'config.json', RepoTags: [tag], Layers: ['layer.tar'] }]) },
    ]);
    await this.#followed(await this.#docker.loadImage(Readable.from([archive])));
    return tag;
  }

  async #build(kind: ImageKind): Promise<string> {
    const tag = `${testName(kind)}:1`;
    const dockerfile = await readFile(path.join(FIXTURES, 'images/Dockerfile'));
    const context = Readable.from([packFiles([{ name: 'Dockerfile', content: dockerfile }])]);
    const stream = await this.#docker.buildImage(context, {
      ...{ t: tag, target: kind, version: '1', forcerm: true },
      buildargs: { BASE_IMAGE: await baseImage(this.#docker) },
    });
    await this.#followed(stream);
    return tag;
  }

  #followed(stream: NodeJS.ReadableStream): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#docker.modem.followProgress(stream, (error, steps: { error?: string }[]) => {
        const failed = error?.message ?? steps?.find((step) => step.error !== undefined)?.error;
        if (failed === undefined) resolve();
        else reject(new Error(failed));
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const built of this.#built.values()) {
      const tag = await built.catch(() => null);
      if (tag !== null) await this.#docker.getImage(tag).remove({ force: true });
    }
  }
}
