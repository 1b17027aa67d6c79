/** Settings of test runners that leave tests out, or let a run without tests pass. */

import type { Flag } from '../../types.ts';
import { flagOfLines, type InspectedFile, quoted } from './inspected-file.ts';

const JS =
  /(?:^|\/)(?:(?:vite|vitest|jest|playwright|cypress|karma|ava|wdio)[^/]*\.[a-z]+|\.mocharc[^/]*|package\.json)$/;
const PYTHON = /(?:^|\/)(?:conftest\.py|pytest\.ini|tox\.ini|setup\.cfg|pyproject\.toml)$/;

const JS_LEAVES_OUT =
  /\b(?:testPathIgnorePatterns|testIgnore|excludeSpecPattern|grepInvert|testNamePattern)\b["']?\s{0,9}[:=]|\bpassWithNoTests["']?\s{0,9}:\s{0,9}true|\bdangerouslyIgnoreUnhandledErrors["']?\s{0,9}:\s{0,9}true/;
const EXCLUDES = /\bexclude["']?\s{0,9}:/;
const ONE_TEST = /["'`][^"'`*]{1,200}\.(?:test|spec)\.[a-z]{1,5}["'`]/;
const PYTHON_LEAVES_OUT =
  /^\s{0,99}(?:collect_ignore(?:_glob)?\s{0,9}[+=]|(?:async\s+)?def\s+pytest_(?:collection_modifyitems|ignore_collect|collect_file|sessionfinish|runtest_makereport|runtest_protocol|pyfunc_call)\b)|(?:^|[\s"'=])(?:--ignore(?:-glob)?|--deselect|-k|-p)[\s=]/;

/** Code `test-skipped`. */
export function testSelection(file: InspectedFile): Flag[] {
  if (file.kind === 'delete') return [];
  const leavesOut = ruleOf(file.key);
  if (leavesOut === null) return [];
  const old = new Set(file.removed.map(({ text }) => text.trim()));
  const found = file.added.filter(
    ({ text }) =>
      text.length < 10_000 && !/^\s{0,200}(?:#|\/\/)/.test(text) && leavesOut(text) && !old.has(text.trim()),
  );
  return flagOfLines(file, 'test-skipped', found, `${quoted(found[0]?.text ?? '')} decides which tests run, or count`);
}

function ruleOf(key: string): ((text: string) => boolean) | null {
  if (PYTHON.test(key)) return (text) => PYTHON_LEAVES_OUT.test(text);
  if (!JS.test(key)) return null;
  return (text) => JS_LEAVES_OUT.test(text) || (EXCLUDES.test(text) && ONE_TEST.test(text));
}
