/**
 * A role's file: Markdown below front matter, as Claude Code's sub-agents have it (code.claude.com/docs/en/sub-agents). Strict
 * where a slip would give an agent more than was meant; what only that program knows is left out and said.
 */

import { isMap, isNode, LineCounter, parseDocument, type YAMLMap } from 'yaml';
import { z } from 'zod';
import { sanitise, sanitiseLine } from '../sanitise.ts';
import type { Role, RoleSource, RoleWarning } from './role.ts';

/** Bytes of one file. */
export const LARGEST_ROLE = 64 * 1024;

/** What a role has where its file only says what it has not (`disallowedTools`). */
const USUAL_TOOLS = [
  ...['Agent', 'Bash', 'Edit', 'Glob', 'Grep', 'NotebookEdit', 'Read', 'Skill', 'TaskCreate', 'TaskGet', 'TaskList'],
  ...['TaskUpdate', 'TodoWrite', 'ToolSearch', 'Write'],
];

export interface RoleFile {
  readonly source: RoleSource;
  /** For people, and for what the file is called where its front matter cannot be read. */
  readonly file: string;
  readonly content: Uint8Array;
}

export type ParsedRole =
  | { readonly role: Role; readonly warnings: readonly RoleWarning[] }
  /** `name`: the role that it was probably to be, null where not even that can be told. */
  | { readonly role: null; readonly name: string | null; readonly reason: string };

const NAME = /^[a-z0-9-]{1,64}$/;
const MODEL = /^[A-Za-z0-9][\w.:/@[\]-]{0,99}$/;
const TOOL = /^[A-Za-z][\w-]{0,127}$/;
const MAX_TOOLS = 200;
const MAX_DESCRIPTION = 10_000;

const toolList = z
  .union([z.string(), z.array(z.string()).max(MAX_TOOLS)], 'expected names of tools')
  .transform(toolsOf);

const frontMatter = z.looseObject({
  name: z.string('expected a name').regex(NAME, 'expected lower case letters, digits and -, at most 64'),
  description: z.string('expected text').trim().min(1, 'is empty').max(MAX_DESCRIPTION, 'is too long'),
  tools: toolList.optional(),
  disallowedTools: toolList.optional(),
  model: z.string('expected the name of a model').regex(MODEL, 'is not the name of a model').optional(),
});
const KEYS: readonly string[] = Object.keys(frontMatter.shape);

/** Never throws for what is in the file. */
export function parseRole({ source, file, content }: RoleFile): ParsedRole {
  const text = textOf(content);
  if ('problem' in text) return refused(file, 1, text.problem);
  const parts = /^---[ \t]*\n([\s\S]*?)^---[ \t]*(?:\n|$)/m.exec(text.text);
  if (parts === null || parts.index !== 0) {
    return refused(file, 1, 'there is no front matter between two lines of ---');
  }
  const read = readYaml(parts[1] ?? '');
  if ('problem' in read) return refused(file, read.line, read.problem);
  const parsed = frontMatter.safeParse(read.value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const key = String(issue?.path[0] ?? '');
    const missing = !Object.hasOwn(read.value, key);
    const what = missing ? 'is missing' : (issue?.message ?? 'is wrong');
    return refused(file, read.lineOf(key), `${key}: ${what}`, nameIn(read.value));
  }
  const { data } = parsed;
  const body = text.text.slice(parts[0].length).trim();
  const prompt = sanitise(body);
  if (prompt === '') return refused(file, 1, 'there is no prompt below the front matter', data.name);
  const warnings: RoleWarning[] = [];
  const warn = (key: string | null, message: string, minor = false): void => {
    const at = key === null ? file : `${file}:${read.lineOf(key)}`;
    warnings.push({ message: `${at}: ${message}`, minor });
  };
  const ignored = Object.keys(data).filter((key) => !KEYS.includes(key));
  if (ignored.length > 0) warn(ignored[0] ?? null, `${ignored.slice(0, 20).join(', ')}: no effect here`, true);
  if (prompt !== body) warn(null, 'characters that cannot be seen were taken out of the prompt');
  const limited = [...(data.tools?.limited ?? [])];
  if (limited.length > 0) {
    warn('tools', `${limited.join(', ')}: left out, tools can be given as a whole only`);
  }
  return {
    role: {
      name: data.name,
      // In generated files line breaks of a description stand as the two characters `\n`.
      description: sanitiseLine(data.description.replaceAll('\\n', ' ').replace(/\s+/g, ' ')),
      tools: allowed(data.tools ?? null, data.disallowedTools ?? null),
      model: data.model === undefined || data.model === 'inherit' ? null : data.model,
      prompt,
      source,
      file,
    },
    warnings,
  };
}

function refused(file: string, line: number, reason: string, name: string | null = null): ParsedRole {
  const called = /([^/\\]+)\.md$/i.exec(file)?.[1] ?? '';
  const meant = name ?? (NAME.test(called) ? called : null);
  return { role: null, name: meant, reason: `${file}:${line}: ${reason}` };
}

function nameIn({ name }: Readonly<Record<string, unknown>>): string | null {
  return typeof name === 'string' && NAME.test(name) ? name : null;
}

function textOf(content: Uint8Array): { readonly text: string } | { readonly problem: string } {
  if (content.length > LARGEST_ROLE) return { problem: `is larger than ${LARGEST_ROLE / 1024} KiB` };
  try {
    // The decoder takes a byte order mark away.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(content);
    return text.includes('\0') ? { problem: 'is not text' } : { text: text.replaceAll('\r\n', '\n') };
  } catch {
    return { problem: 'is not UTF-8 text' };
  }
}

type Read =
  | { readonly value: Readonly<Record<string, unknown>>; lineOf(key: string): number }
  | { readonly problem: string; readonly line: number };

function readYaml(written: string): Read {
  const lines = new LineCounter();
  const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: true, logLevel: 'silent' } as const;
  const document = parseDocument(withPlainDescription(written), options);
  // One line above belongs to the fence.
  const lineAt = (offset: number): number => lines.linePos(offset).line + 1;
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined) return { problem: error.message, line: lineAt(error.pos[0]) };
  const { contents } = document;
  if (!isMap(contents)) return { problem: 'expected `name: value` lines between the two lines of ---', line: 2 };
  try {
    const value: unknown = document.toJS({ maxAliasCount: 0 });
    return { value: Object.fromEntries(Object.entries(value ?? {})), lineOf: (key) => lineAt(offsetOf(contents, key)) };
  } catch {
    return { problem: 'aliases are not taken', line: 2 };
  }
}

/**
 * Generated files have whole dialogues in one line, `description: Use it when… user: "…"`, which is no YAML. Claude Code
 * takes such a line for text to its end, and so do we; where it is quoted or a block it is left alone.
 */
function withPlainDescription(yaml: string): string {
  return yaml.replace(/^description:[ \t]+([^\s"'|>&*!%@`[{#].*)$(?!\n[ \t])/m, (_, text: string) => {
    return `description: ${JSON.stringify(text.trim())}`;
  });
}

function offsetOf(map: YAMLMap, key: string): number {
  const pair = map.items.find((item) => isNode(item.key) && String(item.key) === key);
  return isNode(pair?.key) ? (pair.key.range?.[0] ?? 0) : 0;
}

interface WrittenTools {
  /** Whole tools, null: all of them. */
  readonly names: readonly string[] | null;
  /** Such as `Bash(git *)`: a part of a tool, which no engine but one could hold to. */
  readonly limited: readonly string[];
}

function toolsOf(written: string | readonly string[], context: z.RefinementCtx): WrittenTools {
  const each = typeof written === 'string' ? written.split(/,(?![^()]*\))/) : written;
  const words = each.map((word) => word.trim()).filter((word, _, all) => word !== '' || all.length === 1);
  if (words.includes('*')) return { names: null, limited: [] };
  const limited = words.filter((word) => /^[A-Za-z][\w-]*\(.*\)$/s.test(word));
  const names = words.filter((word) => !limited.includes(word));
  const wrong = names.find((word) => !TOOL.test(word));
  if (wrong !== undefined || words.length > MAX_TOOLS) {
    const message =
      wrong === '' ? 'is empty: leave the line out for all tools' : `"${wrong}" is not the name of a tool`;
    context.addIssue({ code: 'custom', message: words.length > MAX_TOOLS ? 'are too many' : message });
    return z.NEVER;
  }
  return { names: [...new Set(names)].sort(), limited };
}

function allowed(given: WrittenTools | null, taken: WrittenTools | null): readonly string[] | null {
  const names = given?.names ?? null;
  if (taken === null) return names;
  if (taken.names === null) return [];
  // A part of a tool cannot be taken away alone.
  const away = [...taken.names, ...taken.limited.map((word) => word.replace(/\(.*$/s, ''))];
  return (names ?? USUAL_TOOLS).filter((name) => !away.includes(name));
}
