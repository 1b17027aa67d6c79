/** Keys of model services: where they may come from, and which base URL may see them. Values are never printed. */

import { readFile } from 'node:fs/promises';
import { parseEnv } from 'node:util';

/** Where a key was found, strongest first. */
export type KeySource = 'environment' | 'user' | 'repository';

export interface Key {
  readonly value: string;
  readonly source: KeySource;
}

/** The variables that are looked for; everything else in a `.env` is left alone. */
export const KEY_NAMES = [
  'ANTHROPIC_API_KEY',
  'OPENAI_API_KEY',
  'ANTHROPIC_BASE_URL',
  'OPENAI_BASE_URL',
  'CLAUDE_CODE_OAUTH_TOKEN',
  'USE_API_MODE',
] as const;
export type KeyName = (typeof KEY_NAMES)[number];

export interface Keys {
  readonly found: Readonly<Partial<Record<KeyName, Key>>>;
  /** Sentences for the person; they name variables and sources, never values. */
  readonly warnings: readonly string[];
}

type Values = Readonly<Record<string, string | undefined>>;

/** The texts that keys are read from; null where a source does not exist or does not count. */
export interface KeyTexts {
  readonly environment: Values;
  readonly user: string | null;
  readonly repository: string | null;
}

/** A base URL and the keys that would be sent to it, the one that is used first in front. */
const BASE_URLS = [
  { url: 'ANTHROPIC_BASE_URL', keys: ['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN'] },
  { url: 'OPENAI_BASE_URL', keys: ['OPENAI_API_KEY'] },
] as const;

/**
 * The keys by the rule "process environment, then the user's file, then the repository's". An empty value is none.
 * A base URL counts only from the source of the key that would be sent to it: a repository must not be able to have
 * the user's key sent to an address of its choice.
 */
export function chooseKeys(texts: KeyTexts): Keys {
  const sources: readonly (readonly [KeySource, Values])[] = [
    ['environment', texts.environment],
    ['user', texts.user === null ? {} : parseEnv(texts.user)],
    ['repository', texts.repository === null ? {} : parseEnv(texts.repository)],
  ];
  const found: Partial<Record<KeyName, Key>> = {};
  const warnings: string[] = [];
  for (const name of KEY_NAMES) {
    if (BASE_URLS.some(({ url }) => url === name)) continue;
    const key = first(sources, name);
    if (key !== null) found[name] = key;
  }
  for (const { url, keys } of BASE_URLS) {
    const key = keys.map((name) => found[name]).find((candidate) => candidate !== undefined);
    const own =
      key === undefined
        ? null
        : first(
            sources.filter(([source]) => source === key.source),
            url,
          );
    if (own !== null) found[url] = own;
    const other = first(sources, url);
    if (own === null && other !== null) {
      warnings.push(`${url} of ${nameOf(other.source)} is ignored: it counts only beside its key`);
    }
  }
  return { found, warnings };
}

/** Reads the files and chooses. `repositoryFile` is null where it is tracked (so came with the repository) or missing. */
export async function loadKeys(files: {
  readonly environment: Values;
  readonly userFile: string;
  readonly repositoryFile: string | null;
}): Promise<Keys> {
  return chooseKeys({
    environment: files.environment,
    user: await readText(files.userFile),
    repository: files.repositoryFile === null ? null : await readText(files.repositoryFile),
  });
}

/** How a source is called towards people. */
export function nameOf(source: KeySource): string {
  return { environment: 'the environment', user: 'your own .env', repository: "the repository's .env" }[source];
}

function first(sources: readonly (readonly [KeySource, Values])[], name: string): Key | null {
  for (const [source, values] of sources) {
    const value = values[name]?.trim();
    if (value !== undefined && value !== '') return { value, source };
  }
  return null;
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return null;
  }
}
