/** What a planner gets to know of the repository: bounded, and from the base commit alone. */

import { commitOf } from '../git/base.ts';
import { printablePath } from '../git/bytes.ts';
import { git, gitStream } from '../git/git.ts';
import { guidanceOf } from '../git/guidance.ts';
import { type Repository, userGit } from '../git/repository.ts';
import { revealLine, sanitise, sanitiseLine } from '../sanitise.ts';
import { languageOf } from './languages.ts';
import { TreeOutline } from './outline.ts';

export interface RepositoryMap {
  /** Languages and formats by number of files, most first, at most 12. */
  readonly languages: readonly { readonly name: string; readonly files: number }[];
  readonly fileCount: number;
  /** Paths, `dir/ (n files)` where a folder is not listed further; at most a few hundred lines. */
  readonly tree: readonly string[];
  /** The beginning of README and of AGENTS.md or CLAUDE.md; null where there is none. */
  readonly readme: string | null;
  readonly guidance: string | null;
  /** Subjects of the latest commits, newest first, at most 20. */
  readonly history: readonly string[];
}

const MAX_TREE = { lines: 300, bytes: 12_000 } as const;
const MAX_TEXT_BYTES = 4_000;
const MAX_LANGUAGES = 12;
const MAX_COMMITS = 20;
const MAX_SUBJECT = 160;

/**
 * Reads the map from the objects of a commit; the work tree is not looked at. What its memory holds grows with the number of
 * folders up to a bound, not with the number of files.
 * @param revision what names a commit
 * @throws OrchestrateError usage UNKNOWN_REF, and as `git` does
 */
export async function readMap(repository: Repository, revision: string): Promise<RepositoryMap> {
  const commit = await commitOf(repository, revision);
  const [{ outline, languages, readmes }, guidance, history] = await Promise.all([
    readTree(repository, commit),
    guidanceOf(repository, commit),
    readHistory(repository, commit),
  ]);
  const readme = readmes.toSorted((a, b) => rankOf(a) - rankOf(b))[0];
  return {
    languages: [...languages]
      .map(([name, files]) => ({ name, files }))
      .toSorted((a, b) => b.files - a.files || (a.name < b.name ? -1 : 1))
      .slice(0, MAX_LANGUAGES),
    fileCount: outline.fileCount,
    tree: outline.lines(MAX_TREE),
    readme: readme === undefined ? null : await beginningOf(repository, `${commit}:${readme}`),
    guidance: guidance === null ? null : cut(sanitise(guidance)),
    history,
  };
}

/** The map as a part of a prompt. */
export function mapText(map: RepositoryMap): string {
  const languages = map.languages.map(({ name, files }) => `${name} ${files}`).join(', ');
  const parts = [
    `Files: ${map.fileCount}${languages === '' ? '' : ` (${languages})`}`,
    section('Tree', map.tree.join('\n')),
    section('Latest commits, newest first', map.history.map((subject) => `- ${subject}`).join('\n')),
    section('Guidance for agents, its beginning', map.guidance),
    section('README, its beginning', map.readme),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function section(title: string, text: string | null): string {
  return text === null || text === '' ? '' : `## ${title}\n${text}`;
}

const README = /^readme(?:\.(md|markdown|rst|adoc|txt))?$/i;

function rankOf(readme: string): number {
  return ['.md', '.markdown', '.rst', '.adoc', '.txt', ''].findIndex((end) => readme.toLowerCase().endsWith(end));
}

interface TreeRead {
  readonly outline: TreeOutline;
  readonly languages: ReadonlyMap<string, number>;
  /** Names at the top that are a README's. */
  readonly readmes: readonly string[];
}

async function readTree(repository: Repository, commit: string): Promise<TreeRead> {
  const outline = new TreeOutline((name) => revealLine(printablePath(Buffer.from(name, 'latin1'))));
  const languages = new Map<string, number>();
  const readmes: string[] = [];
  const listing = gitStream(async () => ({
    where: userGit(repository, 'read'),
    args: ['ls-tree', '-r', '-z', '--name-only', '--full-tree', commit],
    input: '',
  }));
  let rest = '';
  for await (const chunk of listing as AsyncIterable<Buffer>) {
    // One character a byte: names need not be UTF-8, and none is torn between chunks.
    const paths = (rest + chunk.toString('latin1')).split('\0');
    rest = paths.pop() ?? '';
    for (const path of paths) {
      outline.add(path);
      const language = languageOf(path);
      if (language !== null) languages.set(language, (languages.get(language) ?? 0) + 1);
      if (README.test(path)) readmes.push(path);
    }
  }
  return { outline, languages, readmes };
}

async function readHistory(repository: Repository, commit: string): Promise<string[]> {
  const { stdout } = await git(userGit(repository, 'read'), [
    ...['rev-list', `--max-count=${MAX_COMMITS}`, '--no-commit-header', '--encoding=UTF-8', '--format=%s', commit],
  ]);
  const subjects = stdout.toString('utf8').split('\n').map(sanitiseLine);
  return subjects.filter((subject) => subject !== '').map((subject) => subject.slice(0, MAX_SUBJECT));
}

/** Null where the object is not there: a partial clone may lack it. */
async function beginningOf(repository: Repository, object: string): Promise<string | null> {
  const where = userGit(repository, 'read');
  const { exitCode } = await git(where, ['cat-file', '-e', object], { accept: [1, 128] });
  if (exitCode !== 0) return null;
  const content = gitStream(async () => ({ where, args: ['cat-file', 'blob', object], input: '' }));
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of content as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_TEXT_BYTES) break;
  }
  return cut(sanitise(Buffer.concat(chunks).toString('utf8'))) || null;
}

/** At most as many bytes, up to the last whole line if that keeps most of it. */
function cut(text: string): string {
  const bytes = Buffer.from(text.trim());
  if (bytes.length <= MAX_TEXT_BYTES) return text.trim();
  const kept = bytes.toString('utf8', 0, MAX_TEXT_BYTES).replace(/\ufffd+$/, '');
  const end = kept.lastIndexOf('\n');
  return (end > kept.length / 2 ? kept.slice(0, end) : kept).trimEnd();
}
