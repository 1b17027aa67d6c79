/** Written settings → one layer and all of its problems, each with the place where a person can put it right. */

import type { z } from 'zod';
import { readYaml } from '../written-yaml.ts';
import { KNOWN_KEYS, normalise, writtenSettings } from './schema.ts';
import { ALTERNATIVES, type Layer, WRITTEN_NAMES } from './settings.ts';
import { suggest } from './suggest.ts';

export interface Problem {
  /** `<file>:<line>`, `--memory` or `ORCHESTRATE_MEMORY`. */
  readonly where: string;
  readonly message: string;
}

export interface ParsedLayer {
  readonly layer: Layer;
  readonly problems: readonly Problem[];
}

/** Reads a settings file's text. An empty file says nothing; a file with problems gives an empty layer. */
export function parseSettingsFile(file: string, text: string): ParsedLayer {
  const read = readYaml(text, { maxAliasCount: 20 });
  if ('problems' in read) {
    return refused(read.problems.map(({ line, message }) => ({ where: `${file}:${line}`, message })));
  }
  const { value, lineOf } = read;
  const where = (path: readonly PropertyKey[]): string => `${file}:${lineOf(path)}`;
  if (value === null) return { layer: {}, problems: [] };
  if (typeof value !== 'object' || Array.isArray(value)) {
    return refused([{ where: where([]), message: 'expected settings, each as `name: value`' }]);
  }
  return check(value, { where, namesSetting: false });
}

/** Reads what variables or flags say; `where` names the variable or flag of a setting. */
export function parseSettingsValues(
  values: Readonly<Record<string, string | boolean>>,
  where: (name: string) => string,
): ParsedLayer {
  return check(values, { where: (path) => where(String(path[0] ?? '')), namesSetting: true });
}

interface Place {
  readonly where: (path: readonly PropertyKey[]) => string;
  /** Whether `where` says already which setting it is. */
  readonly namesSetting: boolean;
}

function check(value: unknown, place: Place): ParsedLayer {
  const result = writtenSettings.safeParse(value);
  if (!result.success) return refused(result.error.issues.flatMap((issue) => problemsOf(issue, place)));
  const layer = normalise(result.data);
  const both = ALTERNATIVES.filter((names) => names.every((name) => layer[name] !== undefined));
  if (both.length === 0) return { layer, problems: [] };
  return refused(
    both.map(([one, other]) => ({
      where: place.where([WRITTEN_NAMES[other]]),
      message: `${WRITTEN_NAMES[one]} and ${WRITTEN_NAMES[other]} exclude each other`,
    })),
  );
}

function problemsOf(issue: z.core.$ZodIssue, { where, namesSetting }: Place): Problem[] {
  const name = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const meant = issue.path.length === 0 ? suggest(key, KNOWN_KEYS) : null;
      const did = meant === null ? '' : `; did you mean ${meant}?`;
      const full = name === '' ? key : `${name}.${key}`;
      return { where: where([...issue.path, key]), message: `unknown setting ${full}${did}` };
    });
  }
  const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  return [{ where: where(issue.path), message: namesSetting ? message : `${name}: ${message}` }];
}

function refused(problems: readonly Problem[]): ParsedLayer {
  return { layer: {}, problems };
}
