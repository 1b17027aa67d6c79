/** Manifests of packages and settings of editors: only the parts that run something or decide where code comes from. */

import type { Flag } from '../../types.ts';
import { flagOf, flagOfLines, type InspectedFile, isOnlyMoved, quoted } from './inspected-file.ts';
import { runsByPath } from './paths-that-run.ts';

type Json = Readonly<Record<string, unknown>>;

const NPM = /(?:^|\/)(?:package\.json|package\.json5)$/;
const COMPOSER = /(?:^|\/)composer\.json$/;
const JSON_MANIFEST = /(?:^|\/)(?:package|composer)\.json$/;
const LIFECYCLE = /^(?:pre|post)?(?:install|prepare|publish|pack|uninstall|rebuild)$|^prepublishOnly$|^dependencies$/;

/** Keys beside `scripts` whose values are commands, or name what may run. */
const NPM_RUNS = [
  'husky',
  'simple-git-hooks',
  'lint-staged',
  'pre-commit',
  'pre-push',
  'gitHooks',
  'packageManager',
  'bin',
];
const NPM_TRUSTS = ['trustedDependencies', 'gypfile', 'pnpm', 'dependenciesMeta', 'publishConfig', 'workspaces'];
/** Settings of test runners. */
const NPM_TESTS = ['jest', 'mocha', 'ava', 'nyc', 'c8', 'tap'];
const NPM_DEPENDENCIES = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'];
const NPM_REPLACES = ['overrides', 'resolutions'];
const COMPOSER_RUNS = ['scripts', 'repositories', 'config', 'bin'];

/** Whole contents are compared where a line does not tell to what it belongs. */
export function isManifest(key: string): boolean {
  return JSON_MANIFEST.test(key) || /(?:^|\/)pyproject\.toml$/.test(key);
}

/** Codes `package-script`, `dependency-source`, `new-dependency`, `registry`, `editor-task` and `editor-settings`. */
export function manifests(file: InspectedFile): Flag[] {
  if (file.kind === 'delete' || isOnlyMoved(file)) return [];
  if (NPM.test(file.key)) return npm(file);
  if (COMPOSER.test(file.key)) return composer(file);
  return [...pyproject(file), ...byLine(file)];
}

function npm(file: InspectedFile): Flag[] {
  const [before, after] = [objectOf(file.before), objectOf(file.after)];
  if (after === null) return unreadable(file);
  const flags: Flag[] = [];
  const scripts = changedKeys(before?.scripts, after.scripts);
  const runs = [...NPM_RUNS, ...NPM_TRUSTS].filter((key) => differs(before?.[key], after[key]));
  if (scripts.length > 0) flags.push(flagOf(file, 'package-script', scriptsDetail(scripts, after.scripts)));
  else if (runs.length > 0) flags.push(flagOf(file, 'package-script', `${runs.join(', ')} changed`));
  const configured = NPM_TESTS.filter((key) => differs(before?.[key], after[key]));
  if (configured.length > 0 && before !== null)
    flags.push(flagOf(file, 'tool-config', `${configured.join(', ')} changed`));
  const fresh: string[] = [];
  for (const [name, written, isKnown] of dependenciesOf(before, after)) {
    if (isElsewhere(written)) {
      flags.push(flagOf(file, 'dependency-source', `${quoted(name)} comes from ${quoted(written)}`));
      break;
    }
    if (!isKnown) fresh.push(name);
  }
  const replaced = NPM_REPLACES.filter((key) => changedKeys(before?.[key], after[key]).length > 0);
  if (replaced.length > 0 && !flags.some(({ code }) => code === 'dependency-source')) {
    flags.push(flagOf(file, 'dependency-source', `${replaced.join(', ')} put other versions in the place of packages`));
  }
  // A manifest that is new is read as a whole anyway.
  if (fresh.length > 0 && before !== null) flags.push(flagOf(file, 'new-dependency', someNames(fresh)));
  return flags;
}

function scriptsDetail(names: readonly string[], scripts: unknown): string {
  const [worst = ''] = [...names].sort((a, b) => Number(LIFECYCLE.test(b)) - Number(LIFECYCLE.test(a)));
  const value = recordOf(scripts)[worst];
  const more = names.length > 1 ? ` and ${names.length - 1} more` : '';
  const when = LIFECYCLE.test(worst) ? ' (runs by itself when packages are installed or published)' : '';
  if (value === undefined) return `the script ${quoted(worst)}${more} is taken out`;
  return `the script ${quoted(worst)}${more}: ${quoted(typeof value === 'string' ? value : 'no text')}${when}`;
}

/** Name, what is written now, and whether it was there before; only what changed. */
function* dependenciesOf(before: Json | null, after: Json): Generator<readonly [string, string, boolean]> {
  const known = new Map(NPM_DEPENDENCIES.flatMap((key) => Object.entries(recordOf(before?.[key]))));
  for (const [name, value] of NPM_DEPENDENCIES.flatMap((key) => Object.entries(recordOf(after[key])))) {
    if (known.get(name) !== value) yield [name, typeof value === 'string' ? value : '', known.has(name)];
  }
}

/** An address, a repository, an archive, another package's name. Folders of the same workspace are ordinary. */
function isElsewhere(written: string): boolean {
  if (/^(?:workspace|link|portal|catalog):|^file:(?!.{0,500}\.t(?:ar\.)?gz)/.test(written)) return false;
  return /^(?:[a-z+]{2,12}:|git@|[\w.-]{1,100}\/[\w.-]{1,100}(?:#|$))/i.test(written);
}

function composer(file: InspectedFile): Flag[] {
  const [before, after] = [objectOf(file.before), objectOf(file.after)];
  if (after === null) return unreadable(file);
  const changed = COMPOSER_RUNS.filter((key) => differs(before?.[key], after[key]));
  const flags: Flag[] = [];
  if (changed.includes('repositories')) {
    flags.push(flagOf(file, 'dependency-source', 'repositories: where packages come from'));
  }
  const runs = changed.filter((key) => key !== 'repositories');
  return runs.length === 0 ? flags : [...flags, flagOf(file, 'package-script', `${runs.join(', ')} changed`)];
}

/** What cannot be read as JSON may be read by something else. */
function unreadable(file: InspectedFile): Flag[] {
  return [flagOf(file, 'package-script', 'it is not JSON, or too large to be read: its scripts were not compared')];
}

type TomlCode = 'package-script' | 'registry' | 'dependency-source';

/** Tables of `pyproject.toml` whose content is code or an address. */
const TABLES: readonly (readonly [RegExp, TomlCode, string])[] = [
  [/^build-system$/, 'package-script', 'the build back end'],
  [
    /^tool\.(?:hatch|setuptools|pdm|poetry|flit|maturin|scikit-build)[^\]]{0,100}(?:hooks?|cmdclass|build|scripts)/,
    'package-script',
    'code that a build runs',
  ],
  [/^(?:project\.entry-points|tool\.poetry\.plugins)\.pytest11$/, 'package-script', 'a plug-in that pytest loads'],
  [/^tool\.(?:uv\.index|poetry\.source|pdm\.source|uv\.pip)$/, 'registry', 'where packages come from'],
  [/^tool\.(?:uv\.sources|poe\.tasks|taskipy\.tasks)/, 'dependency-source', 'other sources of dependencies, or tasks'],
  // Whole tables on one line.
  [/^(?:tool|project|tool\.(?:uv|hatch|setuptools|pdm|poetry))=$/, 'package-script', 'tables within a line'],
];
/** Single keys, with their tables. */
const KEYS: readonly (readonly [RegExp, TomlCode, string])[] = [
  [
    /^tool\.uv\.(?:index|(?:default-|extra-)?index(?:-url)?|find-links|index-strategy)$/,
    'registry',
    'where packages come from',
  ],
  [
    /^(?:project|tool\.poetry)\.scripts\.(?:python3?|pip3?|uv|pytest|tox|nox|ruff|mypy|pyright|black|flake8|coverage|git|sh|make)$/,
    'package-script',
    'a program under the name of another',
  ],
];

function pyproject(file: InspectedFile): Flag[] {
  if (!/(?:^|\/)pyproject\.toml$/.test(file.key)) return [];
  if (file.after === null)
    return [flagOf(file, 'package-script', 'too large to be read: its build back end was not compared')];
  const [before, after] = [tomlOf(file.before ?? ''), tomlOf(file.after)];
  for (const [rules, was, is] of [
    [TABLES, before.tables, after.tables],
    [KEYS, before.keys, after.keys],
  ] as const) {
    for (const [name, text] of is) {
      const rule = rules.find(([pattern]) => pattern.test(name));
      if (rule !== undefined && was.get(name) !== text) {
        return [flagOf(file, rule[1], `${quoted(name.replace(/=$/, ''))}: ${rule[2]}`)];
      }
    }
  }
  return [];
}

interface Toml {
  /** The lines of each table, without comments and blanks; tables of one name together, `name=` for one within a line. */
  readonly tables: ReadonlyMap<string, string>;
  readonly keys: ReadonlyMap<string, string>;
}

/** Read line by line: dotted keys count to the table that they name. */
function tomlOf(toml: string): Toml {
  const [tables, keys] = [new Map<string, string>(), new Map<string, string>()];
  const add = (map: Map<string, string>, name: string, line: string) =>
    map.set(name, `${map.get(name) ?? ''}${line}\n`);
  let [table, key, parent] = ['', '', ''];
  for (const line of toml.split('\n')) {
    const bare = line.trim();
    if (bare === '' || bare.startsWith('#')) continue;
    const title = /^\[{1,2}([^\]]{1,200})\]{1,2}\s{0,99}(?:#.*)?$/.exec(bare)?.[1];
    const assigned = /^([^=#[{]{1,300})=\s{0,99}(\{?)/.exec(bare);
    if (title !== undefined && !/[",]/.test(title.replace(/"[^"]*"/g, ''))) {
      table = keyName(title);
      [key, parent] = ['', table];
      continue;
    }
    if (assigned !== null) {
      key = [table, keyName(assigned[1] ?? '')].filter((part) => part !== '').join('.');
      parent = assigned[2] === '{' ? key : key.slice(0, Math.max(0, key.lastIndexOf('.')));
      if (assigned[2] === '{') add(tables, `${key}=`, bare);
    }
    add(tables, parent, bare);
    if (key !== '') add(keys, key, bare);
  }
  return { tables, keys };
}

/** As parsers have it: without quotes, blanks and escapes. */
function keyName(written: string): string {
  const plain = written.replace(/\\u([0-9a-f]{4})|\\U([0-9a-f]{8})/gi, (_all, short?: string, long?: string) => {
    const code = Number.parseInt(short ?? long ?? '0', 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : '?';
  });
  return plain.replace(/["'\s]/g, '');
}

interface LineRule {
  readonly path: RegExp;
  readonly line: RegExp;
  readonly code: 'dependency-source' | 'registry' | 'editor-task' | 'package-script';
  readonly detail: string;
}

const LINES: readonly LineRule[] = [
  {
    path: /(?:^|\/)(?:requirements[^/]*|constraints[^/]*)\.(?:txt|in)$|(?:^|\/)requirements\/[^/]*\.(?:txt|in)$/,
    line: /^\s{0,99}(?:--?(?:i|f|index-url|extra-index-url|find-links|trusted-host|no-index|pre)\b|(?:-e\s{1,9})?(?:git|hg|svn|bzr|https?|file|ssh)[+:])|\s@\s{0,9}(?:git|https?|file)[+:]/,
    code: 'dependency-source',
    detail: 'a package from an address, or another index',
  },
  {
    path: /(?:^|\/)(?:pyproject\.toml|pipfile|environment\.ya?ml)$/,
    line: /["']?[\w.-]{1,100}(?:\[[^\]]{0,100}\])?\s{0,9}@\s{0,9}(?:git|https?|file)[+:]|[{,]\s{0,9}(?:git|url)\s{0,9}=\s{0,9}["'](?:https?|git|ssh|file)[+:]/,
    code: 'dependency-source',
    detail: 'a package from an address instead of the registry',
  },
  {
    path: /(?:^|\/)cargo\.toml$/,
    line: /\bgit\s{0,9}=\s{0,9}"|^\s{0,99}\[(?:patch|replace|source)\b|\bregistry\s{0,9}=\s{0,9}"|^\s{0,99}(?:build|links|proc-macro)\s{0,9}=|^\s{0,99}\[(?:[^\]]{0,100}\.)?build-dependencies/,
    code: 'dependency-source',
    detail: 'a crate from elsewhere, or a build script',
  },
  {
    path: /(?:^|\/)go\.(?:mod|work)$/,
    line: /^\s{0,99}(?:replace\b|[^\s]{1,300}(?:\s[^\s]{1,100})?\s=>\s|toolchain\s|tool\s)/,
    code: 'dependency-source',
    detail: 'a module or tool chain that is replaced',
  },
  {
    path: /(?:^|\/)(?:gemfile|[^/]*\.gemfile)$/,
    line: /^\s{0,99}(?:source\b(?!\s{0,9}\(?["']https:\/\/rubygems\.org\/?["']\)?\s{0,9}(?:$|#))|git_source\b|(?:git|path)\b)|\b(?:git|github|gist|source):\s|:(?:git|github|source)\s{0,9}=>/,
    code: 'dependency-source',
    detail: 'a gem from elsewhere',
  },
  {
    path: /(?:^|\/)(?:\.vscode\/settings\.json|[^/]*\.code-workspace)$/,
    line: /"[\w.\-/[\]]{0,100}(?:path|command|executable|interpreter|runner|args?|shell|env|task|runonsave|autorun|server|profile|trust|hook|script|exec|terminal|tsdk|binary|program|mcp|agent|autoapprove|automation)[\w.]{0,60}"\s{0,9}:/i,
    code: 'editor-task',
    detail: 'a setting with which the editor runs a program',
  },
  {
    path: /(?:^|\/)[tj]sconfig[^/]*\.json$/,
    line: /"(?:plugins|transform|transformers)"\s{0,9}:/,
    code: 'editor-task',
    detail: 'a plug-in that editors, or the compiler, load',
  },
  {
    path: /(?:^|\/)dockerfile$|(?:^|\/)[^/]*\.sh$/,
    line: /\b(?:GOPROXY|GONOSUMDB|GONOSUMCHECK|GOFLAGS|GOINSECURE|PIP_INDEX_URL|PIP_EXTRA_INDEX_URL|UV_INDEX_URL|npm_config_registry|NPM_CONFIG_REGISTRY|BUNDLE_MIRROR)\b\s{0,9}=/,
    code: 'registry',
    detail: 'decides where packages come from',
  },
];

const SETTINGS = /(?:^|\/)(?:\.vscode\/(?:settings|extensions)\.json|[^/]*\.code-workspace|\.idea\/.*|\.editorconfig)$/;

function byLine(file: InspectedFile): Flag[] {
  const rules = LINES.filter(({ path }) => path.test(file.key));
  const isSettings = SETTINGS.test(file.key);
  if (rules.length === 0 && !isSettings) return [];
  const old = new Set(file.removed.map(({ text }) => text.trim()));
  const fresh = file.added.filter(({ text }) => text.length < 10_000 && !old.has(text.trim()));
  const flags = rules.flatMap(({ line, code, detail }) => {
    const found = fresh.filter(({ text }) => line.test(text));
    return flagOfLines(file, code, found, `${quoted(found[0]?.text ?? '')}: ${detail}`);
  });
  if (flags.length > 0 || !isSettings || runsByPath(file.key)) return flags;
  return [flagOf(file, 'editor-settings', 'settings of an editor')];
}

function objectOf(text: string | null): Json | null {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text.replace(/^\ufeff/, ''));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : null;
  } catch {
    return null;
  }
}

function recordOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function differs(a: unknown, b: unknown): boolean {
  try {
    return JSON.stringify(a) !== JSON.stringify(b);
  } catch (error) {
    // Nested deeper than anybody writes by hand.
    if (error instanceof RangeError) return true;
    throw error;
  }
}

function changedKeys(before: unknown, after: unknown): string[] {
  const [was, is] = [recordOf(before), recordOf(after)];
  return [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((key) => differs(was[key], is[key]));
}

function someNames(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => name.slice(0, 60));
  return `${shown.join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;
}
