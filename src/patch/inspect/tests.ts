/** Tests that say less than before: gone, skipped, commented out, without assertions, with lower thresholds. */

import type { Flag } from '../../types.ts';
import { flagOf, flagOfLines, type InspectedFile, type Line, quoted } from './inspected-file.ts';

const CODE =
  /\.(?:[cm]?[jt]sx?|py|rb|php|phpt|go|rs|java|kts?|scala|swift|cs|fs|vb|c|cc|cpp|cxx|mm?|lua|pl|t|exs?|erl|hs|clj|dart|groovy|sh|bats|feature|sql|jl|r|vue|svelte)$/;
const FOLDER =
  /(?:^|\/)(?:tests?|__tests__|specs?|e2e|integration[-_]tests?|unit[-_]tests?|[^/]*\.tests?|src\/[a-z]*test)\//;
const NAME =
  /(?:^|\/)(?:test_[^/]*|[^/]*(?:[._-](?:tests?|spec|e2e|cy)|_tests?|_spec)\.[a-z]+|tests?\.[a-z]+|[^/]*tests?\.(?:java|kt|cs|fs|php|swift|scala|groovy|m))$/;
/** Support of tests, not tests. */
const SUPPORT =
  /(?:^|\/)(?:fixtures?|support|helpers?|utils?|data|mocks?|__mocks__|resources|snapshots?|__snapshots__|conftest\.py|__init__\.py|benchmarks?|playground|examples?|vendor|third[-_]?party)(?:\/|$)/;

const COMMENT = /^\s{0,200}(?:\/\/|#(?![[!])|--\s|\/\*|\*\s|<!--|;|"""|%)/;
const SKIP =
  /\b(?:it|test|describe|context|suite|specify|bench|scenario|step)\.(?:skip|todo|only|fixme|fails|failing)\b|\b(?:xit|xtest|xdescribe|xcontext|xspecify|fit|fdescribe|fcontext)\s{0,4}\(\s{0,4}["'`]|@(?:pytest\.mark\.(?:skip|skipif|xfail)|unittest\.(?:skip|skipIf|skipUnless|expectedFailure)|skip|skipIf|expectedFailure)\b|\b(?:pytest\.(?:skip|xfail)|self\.skipTest|raise\s+(?:unittest\.)?SkipTest|raise\s+SkipTest)\b|\bt\.(?:Skip|Skipf|SkipNow)\(|\bb\.Skip\(|^\s{0,200}#\[\s{0,4}ignore\b|@(?:Ignore|Disabled|DisabledOnOs|DisabledIf\w*)\b|\[(?:Ignore|Fact\(\s{0,4}Skip|Theory\(\s{0,4}Skip|Explicit)\b|\bSkip\s{0,4}=\s{0,4}"|\bmarkTest(?:Skipped|Incomplete)\(|\bGTEST_SKIP\(|\bTEST(?:_F|_P)?\(\s{0,4}\w{0,100}\s{0,4},\s{0,4}DISABLED_|\bXCTSkip|@tag\s+:?skip|\bskip:\s{0,4}true\b|^\s{0,200}(?:skip|pending)(?:\s+["'(]|\s{0,4}$)|\b(?:assume(?:True|False)|Assume\.assume\w+)\(\s{0,4}(?:false|true)\s{0,4}\)|\.(?:runIf\(\s{0,4}(?:false|0|!1)|skipIf\(\s{0,4}(?:true|1|!0))\s{0,4}\)|\b(?:it|test|describe)\[["'`](?:skip|only|todo)["'`]\]/;
/** Nothing behind or below it runs. */
const OFF =
  /^\s{0,99}(?:#\s{0,9}if\s+0\b|\/\/\s?(?:go:build\s+ignore|\+build\s+ignore)\b|if\s{0,4}\(\s{0,4}(?:false|0|!1)\s{0,4}\)|if\s+(?:False|0)\s{0,4}:)|^(?:process\.exit|os\._exit|sys\.exit|os\.Exit)\(\s{0,4}0?\s{0,4}\)/;
const RETURN = /^\s{1,99}return\s{0,9};?\s{0,9}$/;
const EMPTY =
  /\bexpect\(\s{0,4}(?:true|1|!0)\s{0,4}\)\s{0,4}\.\s{0,4}(?:to(?:Be|Equal|StrictEqual|BeTruthy|\.be)|to\b)|\bassert\s+(?:True|1)\s{0,4}(?:,|#|$)|\bassert\.?(?:True|true|ok|Ok)?\(\s{0,4}(?:this,\s{0,4})?true\s{0,4}[,)]|\bassertTrue\(\s{0,4}true|\bassertFalse\(\s{0,4}false|\bself\.assertTrue\(\s{0,4}True|\bassert!\(\s{0,4}true\s{0,4}[,)]|\bAssert\.(?:True|IsTrue)\(\s{0,4}true|\bassertEquals?\(\s{0,4}(?:1,\s{0,4}1|true,\s{0,4}true)\s{0,4}\)|\bexpect\(true\)\.to\b|\bexpect\(\s{0,4}([0-9]{1,20}|"[^"]{0,80}"|'[^']{0,80}')\s{0,4}\)\s{0,4}\.to(?:Be|Equal|StrictEqual)\(\s{0,4}\1\s{0,4}\)|\bassert\s+([0-9]{1,20}|"[^"]{0,80}"|'[^']{0,80}')\s{0,4}==\s{0,4}\2\s{0,4}(?:,|#|$)|\bassertEquals?\(\s{0,4}([0-9]{1,20}|"[^"]{0,80}"|'[^']{0,80}')\s{0,4},\s{0,4}\3\s{0,4}\)|\bassert\b[^#"']{0,300}\sor\s+(?:True|1)\s{0,4}(?:,|#|$)|\b(?:expect|assert\w{0,20})\([^"'`]{0,300}\|\|\s{0,4}true\s{0,4}[,)]/;
const ASSERTION =
  /\b(?:assert\w*|expect\w*|should|Assert|require\.\w+|refute\w*|must_\w+|XCTAssert\w*|ASSERT_\w+|EXPECT_\w+|CHECK(?:_\w+)?|REQUIRE(?:_\w+)?|verify|fail|t\.(?:Error|Errorf|Fatal|Fatalf)|toBe|toEqual)\b\s{0,4}[!.(]|\bassert\s|\.should\b|\btest_cond\(/;
const TEST_BEGINS =
  /\b(?:it|test|describe|specify|scenario)\s{0,4}\(\s{0,4}["'`]|^\s{0,200}(?:async\s+)?def\s+test|^\s{0,200}func\s+(?:Test|Benchmark|Fuzz)\w|#\[(?:\w+::)?test\]|@(?:Test|ParameterizedTest)\b|\[(?:Fact|Theory|Test|TestMethod|TestCase)\b|\bTEST(?:_F|_P|_CASE)?\(|public\s+function\s+test/;

const ONLY = /\.only\b|\b(?:fit|fdescribe|fcontext)\s{0,4}\(/;
/** `it.skip(`, `xit(` */
const SKIPS_CALL =
  /\b(?:it|test|describe|context|suite|specify|scenario)\.(?:skip|todo|fixme|fails|failing)\b|\bx(?:it|test|describe|context|specify)\b/;

/** What tests assert with. */
const HELPER =
  /(?:^|\/)(?:support|helpers?|utils?|conftest\.py)(?:\/|$)|(?:^|\/)(?:[^/]*[-_.])?(?:helpers?|utils?|assert\w*)\.[a-z]+$/;
/** How languages begin what could be a test. */
const FUNCTION = /^\s{0,200}(?:(?:export|async|public|private|static|pub)\s+){0,4}(?:def|func|fn|function|void)\s/;

function isTest(key: string): boolean {
  return CODE.test(key) && !SUPPORT.test(key) && (FOLDER.test(key) || NAME.test(key));
}

function isHelper(key: string): boolean {
  return CODE.test(key) && FOLDER.test(key) && HELPER.test(key);
}

/** Codes `test-deleted`, `test-skipped` and (for assertions that say nothing) `test-weakened`. */
export function tests(file: InspectedFile): Flag[] {
  const before = file.kind === 'delete' ? file.key : file.oldKey;
  if (file.kind === 'delete') {
    const isOne = isTest(file.key) && file.removed.some(({ text }) => ASSERTION.test(text) || TEST_BEGINS.test(text));
    return isOne ? [flagOf(file, 'test-deleted', `its ${file.removed.length} lines are gone`)] : [];
  }
  const flags: Flag[] = [];
  if (before !== null && isTest(before) && !isTest(file.key)) {
    flags.push(flagOf(file, 'test-deleted', `was the test ${before}`));
  } else if (before !== null && isTest(before) && NAME.test(before) && !NAME.test(file.key)) {
    flags.push(flagOf(file, 'test-deleted', `was ${before}: test runners do not find it by its new name`));
  }
  if (!isTest(file.key)) return flags;
  const old = new Set(file.removed.map(({ text }) => text.trim()));
  const fresh = file.added.filter(({ text }) => !old.has(text.trim()));
  const code = fresh.filter(({ text }) => !COMMENT.test(text));
  const candidates = code.filter(({ text }) => SKIP.test(head(text)));
  const skips = candidates.length === 0 ? [] : candidates.filter(isOldTest(file));
  if (file.kind !== 'add') skips.push(...switchedOff(fresh), ...enclosed(file), ...noTestsAnyMore(file, code));
  const wereSkipped = file.removed.filter(({ text }) => SKIP.test(head(text))).length;
  if (skips.length > wereSkipped) {
    flags.push(...flagOfLines(file, 'test-skipped', skips, `${quoted(skips[0]?.text ?? '')} does not run all tests`));
  } else flags.push(...commentedOut(file, fresh, old));
  const empty = code.filter(({ text }) => EMPTY.test(head(text)));
  return [...flags, ...flagOfLines(file, 'test-weakened', empty, `${quoted(empty[0]?.text ?? '')} always holds`)];
}

/** A test that nobody had before loses nothing by being skipped; one that is singled out skips all others. */
function isOldTest(file: InspectedFile): (line: Line) => boolean {
  const positions = new Map(file.added.map((line, at) => [line, at]));
  const names = new Set(file.removed.map(({ text }) => nameIn(text)));
  return (line) => {
    const text = head(line.text);
    if (ONLY.test(text)) return true;
    if (file.kind === 'add') return false;
    if (SKIPS_CALL.test(text)) return names.has(nameIn(text));
    const at = positions.get(line) ?? 0;
    return !beginsTest(file.added, at, 1) && !beginsTest(file.added, at, -1);
  };
}

/** Whether lines that were added with this one, without a gap, begin the test that it belongs to. */
function beginsTest(lines: readonly Line[], at: number, step: 1 | -1): boolean {
  const isDecorator = /^\s{0,200}[@#[]/.test(lines[at]?.text ?? '');
  if (isDecorator !== (step === 1)) return false;
  for (let n = 1; n <= 30; n += 1) {
    const [near, line] = [lines[at + step * (n - 1)], lines[at + step * n]];
    if (near === undefined || line === undefined || line.number - near.number !== step) return false;
    if (TEST_BEGINS.test(head(line.text)) || /^\s{0,200}class\s/.test(line.text)) return true;
  }
  return false;
}

/** What keeps all below it from running, or the test that it stands in. */
function switchedOff(fresh: readonly Line[]): Line[] {
  return fresh.filter((line) => {
    const text = head(line.text);
    if (OFF.test(text)) return true;
    return RETURN.test(text) && line.above !== undefined && TEST_BEGINS.test(head(line.above));
  });
}

const MARK = /^\s{0,99}(?:\/\*|\*\/|"""|''')\s{0,99}$/;

/** Where a comment or a string begins that takes in lines that stood there before: two marks, with more between them. */
function enclosed({ added }: InspectedFile): Line[] {
  const marks = [...added.entries()].filter(([, { text }]) => MARK.test(text));
  const [[at, first] = [], [end, last] = []] = marks;
  if (marks.length !== 2 || at === undefined || end === undefined || !first || !last) return [];
  const [opens, closes] = [first.text.trim(), last.text.trim()];
  const isPair = opens === '/*' ? closes === '*/' : opens === closes && opens !== '*/';
  return isPair && last.number - first.number > end - at ? [first] : [];
}

/** Functions that keep a test's name in theirs, but that no runner takes for one. */
function noTestsAnyMore(file: InspectedFile, code: readonly Line[]): Line[] {
  const begun = (lines: readonly Line[]): string[] =>
    lines.filter(({ text }) => TEST_BEGINS.test(head(text))).map(({ text }) => functionIn(text) ?? '');
  const still = new Set(begun(file.added));
  const gone = begun(file.removed).filter((name) => name.length > 4 && !still.has(name));
  if (gone.length === 0) return [];
  return code.filter(({ text }) => {
    const name = FUNCTION.test(head(text)) && !TEST_BEGINS.test(head(text)) ? functionIn(text) : null;
    return name !== null && gone.some((test) => name.toLowerCase().endsWith(test.toLowerCase()));
  });
}

function functionIn(text: string): string | null {
  return /\b(?:def|func|fn|function|void)\s{1,9}(\w{1,200})/.exec(head(text))?.[1] ?? null;
}

/** The first string, by which a test is known. */
function nameIn(text: string): string {
  return /["'`]([^"'`]{1,200})/.exec(head(text))?.[1] ?? text.trim();
}

function commentedOut(file: InspectedFile, fresh: readonly Line[], old: ReadonlySet<string>): Flag[] {
  const found = fresh.filter(({ text }) => {
    if (!COMMENT.test(text)) return false;
    const code = head(text)
      .trim()
      .replace(/^(?:\/\/|#|--|\/\*|;|<!--|%)\s{0,200}/, '')
      .trim();
    return old.has(code) && (ASSERTION.test(code) || TEST_BEGINS.test(code));
  });
  return flagOfLines(file, 'test-skipped', found, 'what was tested is a comment now');
}

/** Code far to the right is code all the same, but no test begins there. */
function head(text: string): string {
  return text.length > 1000 ? text.slice(0, 1000) : text;
}

export interface AssertionCount {
  readonly file: Pick<InspectedFile, 'path'>;
  readonly added: number;
  readonly removed: number;
}

/** How many assertions a test file wins and loses; null for what is no test. */
export function countAssertions(file: InspectedFile): AssertionCount | null {
  const key = file.kind === 'add' ? file.key : (file.oldKey ?? file.key);
  if (!isTest(key) && !isHelper(key)) return null;
  const count = (lines: readonly Line[]): number =>
    lines.filter(({ text }) => ASSERTION.test(head(text)) && !COMMENT.test(text)).length;
  const removed = count(file.removed);
  // Nobody knows whether any test calls what a helper has more.
  const added = isTest(key) ? count(file.added) : Math.min(removed, count(file.added));
  return { file, added, removed };
}

/** Code `test-weakened` for the files that lost assertions, where the whole patch has fewer than before. */
export function fewerAssertions(counts: readonly AssertionCount[]): Flag[] {
  const balance = counts.reduce((sum, { added, removed }) => sum + added - removed, 0);
  if (balance >= 0) return [];
  return counts
    .filter(({ added, removed }) => removed > added)
    .map(({ file, added, removed }) =>
      flagOf(file, 'test-weakened', `${removed} assertions are taken out, ${added} are put in`),
    );
}
