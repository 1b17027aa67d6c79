// Patches that must be refused, each for its own reason. Where git lets one through, the table is stricter than git.
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { OrchestrateError } from '../../src/errors.ts';
import { objectId, quotePath } from '../../src/git/bytes.ts';
import { parsePatch } from '../../src/patch/parse.ts';
import { OUTSIDE_PATCH, type PatchLimits } from '../../src/patch/parsed.ts';
import { base85Lines } from '../support/patches.ts';

const ZERO = '0'.repeat(40);
const ONE = '1'.repeat(40);
const TWO = '2'.repeat(40);
const idOf = (content: string | Buffer) => objectId('sha1', 'blob', Buffer.from(content as string, 'latin1'));

/** The name as git writes it in a patch. */
const quoted = (name: string) => {
  const bytes = Buffer.from(name);
  return /^[ !#-[\]-~]*$/.test(name) ? name : quotePath(bytes);
};
const added = (name: string, content = 'text', mode = '100644') => {
  const tab = name.includes(' ') ? '\t' : '';
  return `diff --git ${quoted(`a/${name}`)} ${quoted(`b/${name}`)}\nnew file mode ${mode}\nindex ${ZERO}..${idOf(content)}\n--- /dev/null\n+++ ${quoted(`b/${name}`)}${tab}\n@@ -0,0 +1 @@\n+${content}\n\\ No newline at end of file\n`;
};
const deleted = (name: string, content = 'text', mode = '100644') =>
  `diff --git ${quoted(`a/${name}`)} ${quoted(`b/${name}`)}\ndeleted file mode ${mode}\nindex ${idOf(content)}..${ZERO}\n--- ${quoted(`a/${name}`)}\n+++ /dev/null\n@@ -1 +0,0 @@\n-${content}\n\\ No newline at end of file\n`;
const hunk = '@@ -1 +1 @@\n-one\n+two\n';
const HEAD = `diff --git a/f b/f\nindex ${ONE}..${TWO} 100644\n`;
const changed = (hunks = hunk) => `${HEAD}--- a/f\n+++ b/f\n${hunks}`;
const chmod = (from: string, to: string, name = 'f') =>
  `diff --git a/${name} b/${name}\nold mode ${from}\nnew mode ${to}\n`;
const renamed = (from: string, to: string) =>
  `diff --git a/${from} b/${to}\nsimilarity index 100%\nrename from ${from}\nrename to ${to}\n`;
const copied = (from: string, to: string) => renamed(from, to).replaceAll('rename', 'copy');

const literal = (content: Buffer, size = content.length, packed = deflateSync(content)) =>
  `literal ${size}\n${base85Lines(packed)}\n`;
const delta = (bytes: readonly number[]) => `delta ${bytes.length}\n${base85Lines(deflateSync(Buffer.from(bytes)))}\n`;
const BINARY = Buffer.from([0, 1, 2, 3, 4]);
const NOTHING = literal(Buffer.alloc(0));
const binary = (forward: string, reverse = NOTHING, id = idOf(BINARY)) =>
  `diff --git a/bin b/bin\nnew file mode 100644\nindex ${ZERO}..${id}\nGIT binary patch\n${forward}${reverse}`;
const binaryChange = (forward: string, reverse: string) =>
  `diff --git a/bin b/bin\nindex ${ONE}..${idOf(BINARY)} 100644\nGIT binary patch\n${forward}${reverse}`;

type Case = readonly [title: string, patch: string | Buffer, reason: RegExp, limits?: Partial<PatchLimits>];

const NAMES: readonly Case[] = [
  ['.. as a component', added('../f'), /no checkout may have a file called "..\/f"/],
  ['.. within', added('a/../f'), /no checkout/],
  ['. as a component', added('./f'), /no checkout/],
  ['an absolute path', added('/etc/passwd'), /no checkout/],
  ['an empty component', added('a//f'), /no checkout/],
  ['a folder as a file', added('a/'), /no checkout/],
  ['no name', added(''), /no checkout/],
  ['.git', added('.git/config'), /no checkout/],
  ['.git in capitals', added('a/.GiT/hooks/pre-commit'), /no checkout/],
  ['.git for HFS+', added('.g\u200cit/config'), /no checkout/],
  ['.git for HFS+, byte order mark', added('.git\ufeff/config'), /no checkout/],
  ['.git for NTFS, trailing dots', added('.git. ./config'), /no checkout/],
  ['.git for NTFS, short name', added('GIT~1/config'), /no checkout/],
  ['.git for NTFS, a stream', added('.git::$INDEX_ALLOCATION/config'), /no checkout/],
  ['.git behind a backslash', added('a\\.git\\config'), /no checkout/],
  ['.git, deleted', deleted('.git/index'), /no checkout/],
  ['.git, renamed to', renamed('f', '.git/config'), /no checkout/],
  ['.git, renamed from', renamed('.git/config', 'f'), /no checkout/],
  ['.gitmodules as a link', added('.gitmodules', 'f', '120000'), /no checkout/],
  ['.gitmodules for NTFS as a link', added('GITMOD~1', 'f', '120000'), /no checkout/],
  ['.gitmodules renamed from what may be a link', renamed('link', '.gitmodules'), /no checkout/],
  ['a backslash path', added('a\\b'), /a backslash in its name/],
  ['a name with an escape sequence', added('a\x1b[2Jb'), /a\\x1b\[2Jb: control characters/],
  ['a name with a newline', added('a\nb'), /control characters/],
  ['a name that turns the direction of text', added('a\u202etxt.exe'), /turn the direction/],
  ['a name with an isolate', added('a\u2066b'), /turn the direction/],
  ['a name with an invisible character', added('a\u200bb'), /invisible characters/],
  ['a name with an odd space', added('a\u00a0b'), /odd spaces/],
  ['a name that is no UTF-8', added('x').replaceAll(/([ab])\/x/g, '"$1/\\377"'), /not UTF-8/],
  ['a name cut at NUL', added('x').replaceAll(/([ab])\/x/g, '"$1/x\\000.txt"'), /no checkout/],
  ['a raw control character', added('x').replaceAll(/([ab])\/x/g, '$1/x\x07'), /not the two names/],
  ['a raw quotation mark', added('x').replaceAll(/([ab])\/x/g, '$1/x"'), /not the two names/],
  ['an unknown escape', added('x').replaceAll(/([ab])\/x/g, '"$1/x\\e"'), /not the two names/],
  ['an octal escape above a byte', added('x').replaceAll(/([ab])\/x/g, '"$1/x\\400"'), /not the two names/],
  ['an open quotation', added('x').replaceAll(/([ab])\/x/g, '"$1/x'), /not the two names/],
  ['text after a quotation', added('x').replace('+++ b/x', '+++ "b/x"x'), /not the name in the header/],
  ['a path that is too long', added('d/'.repeat(2048)), /no checkout|too long/],
  ['a name that is too long', added('n'.repeat(256)), /too long/],
  ['names that differ in case', added('Makefile') + added('makefile'), /makefile: differs from Makefile only in case/],
  ['folders that differ in case', added('Src/a') + added('b') + added('src/z'), /differs from Src\/a only in case/],
  ['names that differ in composition', added('\u00e9') + added('e\u0301'), /only in case/],
  ['a file below a link of another case', added('A', 'x', '120000') + added('a/f'), /only in case/],
];

const LINKS: readonly Case[] = [
  ['an absolute link', added('l', '/etc/passwd', '120000'), /a symbolic link that leads to \/etc\/passwd/],
  ['a link out of the tree', added('a/l', '../../x', '120000'), /out of the tree/],
  ['a link out of the tree and in again', added('a/l', 'b/../../../x', '120000'), /out of the tree/],
  ['a link with backslashes', added('l', '..\\..\\x', '120000'), /out of the tree/],
  ['a link to a drive', added('l', 'C:\\x', '120000'), /leads to C:/],
  ['a link into .git', added('l', 'a/../.git/hooks', '120000'), /into \.git/],
  ['a link with NUL', added('l', 'a\0b', '120000'), /no symbolic link can have this target/],
  ['a link that is too long', added('l', 'x'.repeat(4096), '120000'), /no symbolic link/],
  [
    'an empty link',
    `diff --git a/l b/l\nnew file mode 120000\nindex ${ZERO}..${idOf('')}\n`,
    /a link or submodule is empty/,
  ],
  ['a link that is binary', binary(literal(BINARY)).replace('100644', '120000'), /a symbolic link is binary/],
  [
    'a link whose target is not shown',
    `diff --git a/l b/l\nindex ${ONE}..${TWO} 120000\n--- a/l\n+++ b/l\n@@ -2 +2 @@\n-x\n+y\n\\ No newline at end of file\n`,
    /target the patch does not show/,
  ],
  ['a file below a link of the patch', added('l', 'x', '120000') + added('l/f'), /below a file or symbolic link/],
  ['a file below an old link', deleted('l', 'x', '120000') + deleted('l/f'), /below a file or symbolic link/],
  ['a rename below a file of the patch', added('d') + renamed('x', 'd/e/f'), /below a file or symbolic link/],
];

const MODES: readonly Case[] = [
  ['a submodule', added('sub', `x`, '160000'), /a submodule is not told as git does it/],
  ['a folder', added('f', 'x', '040000'), /"040000" is not a mode/],
  ['setuid', added('f', 'x', '104755'), /"104755" is not a mode/],
  ['a group-writable file', added('f', 'x', '100664'), /"100664" is not a mode/],
  ['a FIFO', chmod('100644', '010644'), /"010644" is not a mode/],
  ['a mode with a word after it', chmod('100644', '100755 x'), /is not a mode/],
  ['a short mode', chmod('644', '755'), /"644" is not a mode/],
  ['a file that becomes a link in place', chmod('100644', '120000'), /changes what the file is/],
  ['a mode that stays', chmod('100644', '100644'), /the mode is not changed/],
  ['half a change of mode', chmod('100644', '100755').replace(/new mode.*\n/, ''), /"new mode" is missing/],
  ['two modes for a new file', added('f').replace(/^(index.*)$/m, '$1 100644'), /the mode is told twice/],
  ['a change without a mode', changed().replace(' 100644\n', '\n'), /told twice or not at all/],
  [
    'a change of mode beside a mode',
    changed().replace('index', 'old mode 100644\nnew mode 100755\nindex'),
    /told twice or not at all/,
  ],
];

const HEADERS: readonly Case[] = [
  ['text before the patch', `hello\n${changed()}`, /line 1: a file begins with "diff --git"/],
  ['a mail', `From ${ONE} Mon Sep 17 00:00:00 2001\n${changed()}`, /begins with "diff --git"/],
  ['text after the patch', `${changed()}-- \n2.39.5\n`, /line 8: this is no part of a patch/],
  ['text between files', `${changed()}\n${added('x')}`, /line 8: this is no part/],
  ['no newline at the end', changed().slice(0, -1), /its last line does not end/],
  ['a patch that is no git patch', '--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n', /begins with "diff --git"/],
  ['a combined diff', changed().replace('diff --git a/f b/f', 'diff --cc f'), /begins with "diff --git"/],
  ['other prefixes', changed().replaceAll(/\b([ab])\/f/g, 'x/f'), /not the two names/],
  ['no prefixes', changed().replaceAll(/\b([ab])\/f/g, 'f'), /not the two names/],
  ['two names without a rename', changed().replace('b/f', 'b/g'), /not the two names/],
  ['another old name', changed().replace('--- a/f', '--- a/g'), /line 3: "a\/g" is not the name/],
  ['another new name', changed().replace('+++ b/f', '+++ b/.git/f'), /line 4: "b\/.git\/f" is not the name/],
  ['/dev/null for a file that stays', changed().replace('+++ b/f', '+++ /dev/null'), /is not the name/],
  ['a timestamp behind a name', changed().replace('+++ b/f', '+++ b/f\t1970-01-01 00:00:00'), /is not the name/],
  ['a space without its tab', added('a b').replace('\t', ''), /is not the name/],
  ['CRLF in a header', changed().replace('+++ b/f\n', '+++ b/f\r\n'), /is not the name/],
  ['a header line twice', changed().replace('---', `index ${ONE}..${TWO} 100644\n---`), /out of place/],
  [
    'header lines in another order',
    changed().replace(/(index.*\n)/, '$1old mode 100644\nnew mode 100755\n'),
    /out of place/,
  ],
  ['an unknown header line', changed().replace('index', 'mode whatever\nindex'), /out of place/],
  ['added and deleted', added('f').replace('index', 'deleted file mode 100644\nindex'), /"index" line is missing/],
  [
    'added and renamed',
    added('f').replace('index', 'similarity index 100%\nrename from a\nrename to f\nindex'),
    /"index"/,
  ],
  ['a header without a change', 'diff --git a/f b/f\n', /the file is not changed/],
  ['a header line without end', `diff --git a/${'f'.repeat(70_000)} b/f\n`, /a header line is too long/],
  ['a rename of other names', renamed('x', 'y').replace('b/y', 'b/z'), /not the two names/],
  ['a rename that ends as a copy', renamed('x', 'y').replace('rename to', 'copy to'), /"rename to" is missing/],
  ['a rename to itself', renamed('x', 'x'), /both names are the same/],
  ['a rename without similarity', renamed('x', 'y').replace(/similarity.*\n/, ''), /not the two names|not changed/],
  ['101% similarity', renamed('x', 'y').replace('100%', '101%'), /"101%" is not a percentage/],
  ['similar content that is not there', renamed('x', 'y').replace('100%', '90%'), /"index" line is missing/],
  ['a path twice', changed() + changed(), /line 8: a path is changed twice/],
  ['changed and deleted', changed() + deleted('f'), /changed twice/],
  ['added and deleted, two files', added('f') + deleted('f'), /changed twice/],
  ['deleted and added with the same type', deleted('f') + added('f', 'other'), /changed twice/],
  ['deleted, another file, added', deleted('f') + added('x') + added('f', 'y', '120000'), /changed twice/],
  ['renamed twice', renamed('x', 'y') + renamed('x', 'z'), /changed twice/],
  ['two renames to one name', renamed('x', 'z') + renamed('y', 'z'), /changed twice/],
  ['a copy of a new file', added('x') + copied('x', 'y'), /the source of a copy is a new file/],
];

const IDS: readonly Case[] = [
  ['a new file with an old id', added('f').replace(ZERO, ONE), /do not fit a file that is added/],
  ['a deleted file with a new id', deleted('f').replace(ZERO, ONE), /do not fit a file that is added or deleted/],
  ['a changed file with a zero id', changed().replace(ONE, ZERO), /an object id is zero/],
  ['the same id twice', changed().replace(ONE, TWO), /both object ids are the same/],
  ['an id that is no hexadecimal number', changed().replace(ONE, 'g'.repeat(40)), /are not two object ids/],
  ['an id in capitals', changed().replace(ONE, 'A'.repeat(40)), /are not two object ids/],
  ['ids of two formats', changed().replace(ONE, '1'.repeat(64)), /are not two object ids/],
  ['a full id and a short one', changed().replace(ONE, '1111111'), /are not two object ids/],
  ['a missing index line', added('f').replace(/index.*\n/, ''), /the "index" line is missing/],
  [
    'a content without index line',
    changed().replace(/index.*\n/, 'old mode 100644\nnew mode 100755\n'),
    /"index" line/,
  ],
  ['a content that is not its id', added('f').replace(idOf('text'), ONE), /not what its object id names/],
  ['a deleted content that is not its id', deleted('f').replace(idOf('text'), ONE), /not what its object id names/],
  ['an index line without content', HEAD, /content that the "index" line announces is missing/],
  ['a new file without content', added('f').replace(/---[\s\S]*/, ''), /the content of the file is missing/],
];

const HUNKS: readonly Case[] = [
  ['no hunk', changed(''), /a hunk is missing/],
  ['too few lines', changed('@@ -1,2 +1,2 @@\n-one\n+two\n'), /line 8: the hunk ends too early/],
  ['too many old lines', changed('@@ -1 +1,2 @@\n-one\n-two\n+x\n+y\n'), /line 7: the hunk has more old lines/],
  ['too many new lines', changed('@@ -1 +1 @@\n+one\n+two\n-x\n'), /line 7: the hunk has more new lines/],
  ['a line after the hunk', changed(`${hunk}+three\n`), /line 8: this is no part/],
  ['a hunk cut by the next file', changed('@@ -1,3 +1,3 @@\n-one\n+two\n') + added('x'), /begins with none of/],
  ['a hunk without a change', changed('@@ -1 +1 @@\n same\n'), /the hunk changes nothing/],
  ['a hunk of nothing', changed('@@ -1,0 +1,0 @@\n'), /the hunk is empty/],
  ['line 0', changed('@@ -0,1 +0,1 @@\n-a\n+b\n'), /counted from 1/],
  ['a huge number', changed('@@ -9999999999 +9999999999 @@\n-a\n+b\n'), /too large/],
  ['a number of 30 digits', changed(`@@ -${'9'.repeat(30)} +1 @@\n-a\n+b\n`), /no hunk header/],
  ['a count that wraps around', changed('@@ -1,4294967297 +1,4294967297 @@\n-a\n+b\n'), /too large/],
  ['a negative number', changed('@@ --1 +1 @@\n-a\n+b\n'), /no hunk header/],
  ['a leading zero', changed('@@ -01 +1 @@\n-a\n+b\n'), /no hunk header/],
  ['a broken header', changed('@@ -1 +1\n-a\n+b\n'), /no hunk header/],
  ['hunks that overlap', changed('@@ -1,2 +1,2 @@\n-a\n+b\n c\n@@ -2 +2 @@\n-a\n+b\n'), /overlaps/],
  [
    'hunks in reverse',
    changed('@@ -9 +9 @@\n-a\n+b\n@@ -1 +1 @@\n-a\n+b\n'),
    /overlaps the one before it or comes too late/,
  ],
  ['line numbers that do not fit', changed('@@ -1 +5 @@\n-a\n+b\n'), /do not fit the hunks before/],
  ['line numbers that do not fit later', changed(`@@ -1 +1,2 @@\n-a\n+b\n+c\n@@ -5 +5 @@\n-a\n+b\n`), /do not fit/],
  ['a marker before any line', changed('@@ -1 +1 @@\n\\ No newline at end of file\n-a\n+b\n'), /follows no line/],
  ['a marker twice', changed(`${hunk}${'\\ No newline at end of file\n'.repeat(2)}`), /follows no line/],
  ['a marker in another language', changed(`${hunk}\\ Kein Zeilenumbruch am Dateiende\n`), /is not the marker/],
  ['a marker with a hidden tail', changed(`${hunk}\\ No newline at end of file\r\n`), /is not the marker/],
  [
    'an old line after the old end',
    changed('@@ -1,2 +1 @@\n-a\n\\ No newline at end of file\n-b\n+c\n'),
    /more old lines/,
  ],
  [
    'a new line after the new end',
    changed('@@ -1 +1,2 @@\n-a\n+b\n\\ No newline at end of file\n+c\n'),
    /more new lines/,
  ],
  ['context after the end', changed('@@ -1,2 +1,2 @@\n-a\n\\ No newline at end of file\n+b\n c\n'), /more old lines/],
  [
    'a hunk after the end',
    changed(`${hunk}\\ No newline at end of file\n@@ -5 +5 @@\n-a\n+b\n`),
    /follows the end of the file/,
  ],
  [
    'a new file with old lines',
    added('f').replace('@@ -0,0 +1 @@', '@@ -1 +1 @@').replace('+text', '-x\n+text'),
    /a new file has old lines/,
  ],
  [
    'a new file in two hunks',
    added('f').replace(/@@[\s\S]*/, '@@ -0,0 +1 @@\n+a\n@@ -0,0 +2 @@\n+b\n'),
    /new file has old lines|too late/,
  ],
  [
    'a deleted file that keeps lines',
    deleted('f').replace('@@ -1 +0,0 @@', '@@ -1,2 +1 @@').replace('-text', ' x\n-text'),
    /a deleted file has new lines/,
  ],
];

const BINARIES: readonly Case[] = [
  ['binary content left out', `${HEAD}Binary files a/f and b/f differ\n`, /binary content is missing/],
  ['short ids', binary(literal(BINARY)).replaceAll(/([0-9a-f]{7})[0-9a-f]{33}/g, '$1'), /needs full object ids/],
  ['a size that is too small', binary(literal(BINARY, 4)), /longer than announced/],
  ['a size that is too large', binary(literal(BINARY, 6)), /not as long as announced/],
  ['a size that is no number', binary(literal(BINARY).replace('5', '0x5')), /begins with "literal" or "delta"/],
  ['an unknown method', binary(literal(BINARY).replace('literal', 'lateral')), /begins with "literal" or "delta"/],
  ['another content than its id', binary(literal(Buffer.from([9]))), /not what its object id names/],
  ['no way back', binary(literal(BINARY), ''), /begins with "literal" or "delta"|ends too early/],
  ['a way back to something', binary(literal(BINARY), literal(BINARY)), /a file that is not there has binary content/],
  ['no empty line at the end', binary(literal(BINARY)).slice(0, -1), /the empty line after binary content is missing/],
  ['a character that is not of base 85', binary(literal(BINARY).replace(/\n(.)./, '\n$1"')), /not of base 85/],
  ['a group above 32 bits', binary(literal(BINARY).replace(/\n(.).{5}/, '\n$1~~~~~')), /stands for no bytes/],
  ['bits in the filler', binary(`literal 5\nA00001\n\n`), /stands for no bytes/],
  ['a length that does not fit', binary(`literal 5\nZ00000\n\n`), /wrong length/],
  ['a length that is no letter', binary(`literal 5\n500000\n\n`), /does not begin with its length/],
  [
    'a short line in the middle',
    binary(`literal 5\n${base85Lines(Buffer.alloc(4)).repeat(2)}\n`),
    /is not its last one/,
  ],
  ['rubbish instead of zlib', binary(`literal 5\n${base85Lines(Buffer.from('rubbish!'))}\n`), /cannot be unpacked/],
  ['zlib cut short', binary(literal(BINARY, 5, deflateSync(BINARY).subarray(0, 8))), /cannot be unpacked/],
  [
    'something behind zlib',
    binary(literal(BINARY, 5, Buffer.concat([deflateSync(BINARY), Buffer.from('hidden')]))),
    /something follows/,
  ],
  ['a zlib dictionary', binary(literal(BINARY, 5, deflateSync(BINARY, { dictionary: BINARY }))), /cannot be unpacked/],
  ['a zlib bomb that lies about its size', binary(literal(Buffer.alloc(50_000_000), 5)), /longer than announced/],
  [
    'a zlib bomb that tells its size',
    binary(literal(Buffer.alloc(50_000_000))),
    /too large when it is unpacked/,
    { maxUnpackedBytes: 10_000_000 },
  ],
  [
    'many bombs',
    ['a', 'b', 'c']
      .map((name) =>
        binary(literal(Buffer.alloc(400)), NOTHING, idOf(Buffer.alloc(400).toString('latin1'))).replaceAll(
          '/bin',
          `/${name}`,
        ),
      )
      .join(''),
    /line 25: its binary content is too large/,
    { maxUnpackedBytes: 1000 },
  ],
  [
    'a delta bomb',
    // Copies 16 MiB of its source 60 times in 60 bytes.
    binaryChange(
      delta([0x80, 0x80, 0x80, 0x10, ...[0x80, 0x80, 0x80, 0xe0, 0x03], ...Array<number>(60).fill(0x80)]),
      NOTHING,
    ),
    /too large|another size/,
    { maxUnpackedBytes: 1_000_000 },
  ],
  ['a delta from beyond its source', binaryChange(delta([5, 5, 0x91, 1, 5]), literal(BINARY)), /beyond its source/],
  ['a delta of another size', binaryChange(delta([5, 6, 0x90, 5]), literal(BINARY)), /makes another size/],
  [
    'a delta with the reserved instruction',
    binaryChange(delta([5, 5, 0, 0x90, 5]), literal(BINARY)),
    /a delta is broken/,
  ],
  ['a delta that ends within an insertion', binaryChange(delta([5, 5, 5, 1, 2]), literal(BINARY)), /a delta is broken/],
  ['a delta without its sizes', binaryChange(delta([0x85]), literal(BINARY)), /a size in a delta is broken/],
  [
    'a delta with an endless size',
    binaryChange(delta(Array<number>(40).fill(0xff)), literal(BINARY)),
    /a size in a delta/,
  ],
  ['a delta against another size', binaryChange(delta([7, 5, 0x90, 5]), literal(BINARY)), /of another size/],
  ['a new file as a delta', binary(delta([0, 1, 1, 65])), /nothing to be against/],
  ['a binary submodule', binary(literal(BINARY)).replace('100644', '160000'), /a submodule is binary/],
];

const LIMITS: readonly Case[] = [
  ['1023 MiB', Buffer.alloc(1023 * 1024 * 1024), /line 1: it is larger than/],
  ['too many files', added('a') + added('b'), /line 9: it changes too many files/, { maxFiles: 1 }],
  ['too many hunks', changed(`${hunk}@@ -5 +5 @@\n-a\n+b\n`), /line 8: it has too many hunks/, { maxHunks: 1 }],
  ['too many hunks in two files', changed() + added('b'), /too many hunks/, { maxHunks: 1 }],
];

function refusal(patch: string | Buffer, limits: Partial<PatchLimits> = {}): unknown {
  try {
    parsePatch(typeof patch === 'string' ? Buffer.from(patch) : patch, { ...OUTSIDE_PATCH, ...limits });
    return 'accepted';
  } catch (error) {
    return error;
  }
}

const GROUPS: Readonly<Record<string, readonly Case[]>> = {
  names: NAMES,
  links: LINKS,
  modes: MODES,
  headers: HEADERS,
  'object ids': IDS,
  hunks: HUNKS,
  'binary content': BINARIES,
  size: LIMITS,
};

for (const [group, cases] of Object.entries(GROUPS)) {
  describe(`a patch is refused for its ${group}:`, () => {
    for (const [title, patch, reason, limits] of cases) {
      it(title, () => {
        const error = refusal(patch, limits);
        expect(error).toBeInstanceOf(OrchestrateError);
        expect(error).toMatchObject({ kind: 'usage', code: 'BAD_PATCH' });
        expect((error as Error).message).toMatch(/^The patch is refused at line \d+: \P{C}*\.$/u);
        expect((error as Error).message).toMatch(reason);
      });
    }
  });
}

describe('what the hostile patches are made from', () => {
  it.each([
    ['an empty patch', ''],
    ['a new file', added('a b')],
    ['a deleted file', deleted('x/y')],
    ['a change', changed()],
    ['a change of mode', chmod('100644', '100755')],
    ['a rename', renamed('x', 'y z')],
    ['a copy', copied('x', 'y')],
    ['a copy and a rename of one file', copied('x', 'y') + renamed('x', 'z')],
    ['a file that becomes a link', deleted('f') + added('f', 'x', '120000')],
    ['a file that becomes a folder', deleted('f') + added('f/g')],
    ['a link that stays inside', added('a/b/l', '../../c/./d', '120000')],
    ['letters beyond ASCII', added('\u00e9/\u65e5\u672c')],
    ['a new binary file', binary(literal(BINARY))],
    [
      'a binary change',
      binaryChange(delta([5, 5, 0x90, 5]), literal(BINARY).replace(/./, 'l'))
        .replace(ONE, idOf(BINARY))
        .replace(/\.\.[0-9a-f]{40}/, `..${TWO}`),
    ],
    ['a new binary file with a name that git refuses nowhere', added('git~2/.gitignore')],
  ])('%s is accepted', (_title, patch) => {
    expect(refusal(patch)).toBe('accepted');
  });
});
