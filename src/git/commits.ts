/** Commit objects: made without porcelain, with an identity that is given or is the user's own. */

import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { environmentError } from '../errors.ts';
import type { ObjectId } from '../types.ts';
import { objectId } from './bytes.ts';
import { git, gitError } from './git.ts';
import { privateGit } from './private-dir.ts';
import { type Repository, userGit } from './repository.ts';

export interface Identity {
  readonly name: string;
  readonly email: string;
}

export interface NewCommit {
  readonly tree: ObjectId;
  readonly parents: readonly ObjectId[];
  /** UTF-8; ends with one newline in the object. */
  readonly message: string;
  readonly author?: Identity;
  /** Not given: the author. */
  readonly committer?: Identity;
  /** ISO 8601 with its zone; not given: now, in the local zone. */
  readonly date?: string;
}

const OURSELVES: Identity = { name: 'orchestrate', email: 'orchestrate@localhost' };
const EPOCH = '1970-01-01T00:00:00Z';

/** Writes a commit object into the user's object store (flushed to the disk) and returns its id. No ref moves. */
export async function commitTree(repo: Repository, commit: NewCommit): Promise<ObjectId> {
  const written = await git(await privateGit(repo), ['hash-object', '-t', 'commit', '-w', '--stdin'], {
    input: commitText(commit),
    config: ['core.fsync=committed'],
  });
  return written.stdout.toString('latin1').trim() as ObjectId;
}

/** The next commit of a chain: its tree and message. */
export interface LinkedCommit {
  readonly tree: ObjectId;
  readonly message: string;
}

/**
 * Writes commits, each the parent of the next, on top of `parent`: one process and one flush for all of them. Returns their
 * ids in order. No ref moves.
 */
export async function commitChain(
  repo: Repository,
  parent: ObjectId,
  chain: { readonly commits: readonly LinkedCommit[] } & Pick<NewCommit, 'author' | 'committer'>,
): Promise<ObjectId[]> {
  const { commits, ...people } = chain;
  if (commits.length === 0) return [];
  const ids: ObjectId[] = [];
  const texts: Buffer[] = [];
  for (const { tree, message } of commits) {
    const text = commitText({ tree, message, parents: [ids.at(-1) ?? parent], ...people });
    texts.push(text);
    ids.push(objectId(repo.objectFormat, 'commit', text));
  }
  // Kept as the pack that it is: one file to flush, where a hundred loose ones take twenty times as long.
  await git(await privateGit(repo), ['index-pack', '--strict', '--stdin'], {
    input: packOfCommits(repo, texts),
    config: ['core.fsync=committed'],
  });
  return ids;
}

/** Pack format version 2 (gitformat-pack): header, whole objects, and the hash of it all. */
function packOfCommits(repo: Repository, texts: readonly Buffer[]): Buffer {
  const header = Buffer.from('PACK\0\0\0\x02\0\0\0\0', 'latin1');
  header.writeUInt32BE(texts.length, 8);
  const objects = texts.flatMap((text) => [commitHeader(text.length), deflateSync(text, { level: 1 })]);
  const pack = Buffer.concat([header, ...objects]);
  return Buffer.concat([pack, createHash(repo.objectFormat).update(pack).digest()]);
}

/** The type (1: commit) and the size: 4 bits of it, then 7 in each byte, each but the last with its highest bit set. */
function commitHeader(size: number): Buffer {
  const bytes = [(1 << 4) | (size & 15)];
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 128)) {
    bytes.push((bytes.pop() ?? 0) | 0x80, rest & 127);
  }
  return Buffer.from(bytes);
}

/** A synthetic commit of a tree; the same tree and parents always give the same commit. */
export function syntheticCommitText(tree: ObjectId, parents: readonly ObjectId[]): Buffer {
  return commitText({ tree, parents, message: 'base', author: OURSELVES, date: EPOCH });
}

/** Writes the synthetic root commit of a tree (see `packOfTree`); the same tree always gives the same id. */
export async function rootCommit(repo: Repository, tree: ObjectId): Promise<ObjectId> {
  return commitTree(repo, { tree, parents: [], message: 'base', author: OURSELVES, date: EPOCH });
}

/** The tree of a commit. */
export async function treeOf(repo: Repository, commit: ObjectId): Promise<ObjectId> {
  return lookUp(repo, `${commit}^{tree}`);
}

/** The first parent of a commit that has one. */
export async function parentOf(repo: Repository, commit: ObjectId): Promise<ObjectId> {
  return lookUp(repo, `${commit}^1`);
}

async function lookUp(repo: Repository, revision: string): Promise<ObjectId> {
  const answer = await git(await privateGit(repo), ['rev-parse', '--verify', revision]);
  return answer.stdout.toString('latin1').trim() as ObjectId;
}

function commitText(commit: NewCommit): Buffer {
  const author = commit.author ?? OURSELVES;
  const when = stamp(commit.date);
  return Buffer.from(
    [
      `tree ${commit.tree}`,
      ...commit.parents.map((parent) => `parent ${parent}`),
      `author ${person(author)} ${when}`,
      `committer ${person(commit.committer ?? author)} ${when}`,
      '',
      `${commit.message.replaceAll('\0', '').replace(/\n*$/, '')}\n`,
    ].join('\n'),
  );
}

/** Name and address as ident.c writes them: nothing that could end the field early. */
function person(identity: Identity): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: git drops newlines and NUL here too
  const clean = (text: string) => text.replace(/[\u0000-\u001f<>]/g, '').trim();
  return `${clean(identity.name)} <${clean(identity.email)}>`;
}

function stamp(date: string | undefined): string {
  const at = date === undefined ? new Date() : new Date(date);
  const zone = date === undefined ? -at.getTimezoneOffset() : zoneOf(date);
  const size = Math.abs(zone);
  const digits = (value: number) => String(Math.trunc(value)).padStart(2, '0');
  return `${Math.floor(at.getTime() / 1000)} ${zone < 0 ? '-' : '+'}${digits(size / 60)}${digits(size % 60)}`;
}

function zoneOf(date: string): number {
  const [, sign, hours, minutes] = /([+-])(\d\d):?(\d\d)$/.exec(date) ?? [];
  return sign === undefined ? 0 : (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}

/**
 * The user's identity as git knows it (environment and configuration, never guessed from the machine's name).
 * Environment error NO_IDENTITY with the commands that set one.
 */
export async function userIdentity(repo: Repository): Promise<{ author: Identity; committer: Identity }> {
  const [author, committer] = await Promise.all([identity(repo, 'AUTHOR'), identity(repo, 'COMMITTER')]);
  return { author, committer };
}

async function identity(repo: Repository, role: 'AUTHOR' | 'COMMITTER'): Promise<Identity> {
  const args = ['var', `GIT_${role}_IDENT`];
  const answer = await git(userGit(repo, 'read'), args, { config: ['user.useConfigOnly=true'], accept: [128] });
  const [, name, email] = /^(.*) <(.*)> \d+ [+-]\d{4}$/.exec(answer.stdout.toString('utf8').trim()) ?? [];
  if (name !== undefined && email !== undefined) return { name, email };
  if (!/tell me who you are|ident name|auto-detection|no (?:email|name) was given/i.test(answer.stderr)) {
    throw gitError(args, answer);
  }
  throw environmentError('NO_IDENTITY', 'git does not know who you are, so no commit can be made in your name.', {
    hint: 'git config --global user.name "Your Name" && git config --global user.email you@example.com',
  });
}
