/** Checks that pass when they should not: thresholds, ignored failures, switched-off warnings. */

import type { Flag } from '../../types.ts';
import { flagOf, flagOfLines, type InspectedFile, type Line, quoted } from './inspected-file.ts';

/** Commands whose failure is the point of running them. */
const CHECK =
  'pytest|tox|nox|jest|vitest|mocha|ava|tsc|eslint|biome|ruff|mypy|pyright|flake8|pylint|phpunit|phpstan|rspec|rubocop|clippy|golangci-lint|(?:npm|pnpm|yarn|bun|cargo|go|dotnet|mvn|gradle|\\./gradlew|make|mix|deno|swift|ctest|composer)(?:\\s+(?:run|exec|--?[a-z-]+))?\\s+(?:test|check|lint|vet|verify|typecheck)[a-z:_-]*|ctest';
const IGNORED = new RegExp(
  `(?:^|[\\s"'\`;&|@(-])(?:${CHECK})\\b[^|;]{0,300}(?:\\|\\|\\s{0,9}(?:true|:|exit\\s+0|echo)\\b|\\|\\|\\s{0,9}:|;\\s{0,9}(?:true|exit\\s+0))`,
);
const CONTINUES =
  /^\s{0,99}-?\s{0,9}(?:continue-on-error\s{0,9}:\s{0,9}true|allow_failure\s{0,9}:\s{0,9}true|ignore_errors\s{0,9}:\s{0,9}(?:true|yes)|failFast\s{0,9}:\s{0,9}false)|--(?:passWithNoTests|pass-with-no-tests|exit-zero|allow-failure)\b|<testFailureIgnore>\s{0,9}true|ignoreFailures\s{0,9}=?\s{0,9}true/;
const CONFIGURES =
  /\.(?:ya?ml|toml|json|cfg|ini|xml|gradle|kts|sh|bash|mk|[cm]?[jt]s|rb|py|cmake)$|(?:^|\/)(?:makefile|justfile|jenkinsfile|dockerfile|rakefile)[^/]*$|(?:^|\/)\.[a-z]+rc$/;

const THRESHOLD =
  /(?:^|[\s"',{(-])(fail[_-]under|cov-fail-under|coverageThreshold|check-coverage|branches|functions|lines|statements|minimum_coverage|minimum|threshold|target|min_coverage)["']?\s{0,9}[:=\s]\s{0,9}["']?([0-9]{1,3}(?:\.[0-9]{1,9})?)\s{0,2}%?/g;
const COVERAGE_FILE =
  /(?:^|\/)(?:\.?codecov\.ya?ml|\.coveragerc|\.nycrc[^/]*|\.c8rc[^/]*|(?:jest|vitest|vite|karma)[^/]*\.[a-z]+|package\.json|pyproject\.toml|setup\.cfg|tox\.ini|pytest\.ini|\.simplecov|[^/]*\.gradle(?:\.kts)?|pom\.xml|makefile|phpunit\.xml[^/]*|\.github\/workflows\/[^/]*|noxfile\.py|[^/]*_helper\.rb)$/;

const SUPPRESSES =
  /eslint-disable|biome-ignore|@ts-(?:ignore|nocheck|expect-error)|#\s{0,4}(?:type:\s{0,4}ignore|noqa|nosec|pylint:\s{0,4}disable|pyright:\s{0,4}ignore)|\/\/\s{0,4}(?:nolint|NOLINT|nosemgrep|nosec)|#!?\[allow\(|@SuppressWarnings|#pragma\s+(?:warning\s+disable|(?:GCC|clang)\s+diagnostic\s+ignored)|rubocop:disable|phpcs:(?:ignore|disable)|@phpstan-ignore|swiftlint:disable|istanbul ignore|v8 ignore|c8 ignore|pragma:\s{0,4}no cover|LCOV_EXCL|shellcheck\s+disable/;
/** One here and there is ordinary. */
const MANY_SUPPRESSED = 3;

/** Codes `failure-ignored`, `coverage-lowered` and `checks-suppressed`. */
export function checks(file: InspectedFile): Flag[] {
  if (file.kind === 'delete') return [];
  const old = new Set(file.removed.map(({ text }) => text.trim()));
  const fresh = file.added.filter(({ text }) => text.length < 10_000 && !old.has(text.trim()));
  const flags: Flag[] = [];
  if (CONFIGURES.test(file.key)) {
    const ignored = fresh.filter(({ text }) => !/^\s{0,200}(?:#|\/\/)/.test(text) && ignores(text));
    flags.push(
      ...flagOfLines(file, 'failure-ignored', ignored, `${quoted(ignored[0]?.text ?? '')} passes when it fails`),
    );
  }
  if (COVERAGE_FILE.test(file.key)) flags.push(...loweredCoverage(file));
  const suppressing = (lines: readonly Line[]): Line[] =>
    lines.filter(({ text }) => SUPPRESSES.test(text.slice(0, 1000)));
  const suppressed = suppressing(fresh);
  if (suppressed.length - suppressing(file.removed).length >= MANY_SUPPRESSED) {
    flags.push(...flagOfLines(file, 'checks-suppressed', suppressed, 'warnings are switched off'));
  }
  return flags;
}

function ignores(text: string): boolean {
  return CONTINUES.test(text) || IGNORED.test(text);
}

/** Pairs thresholds by name, in their order. */
function loweredCoverage(file: InspectedFile): Flag[] {
  const before = thresholds(file.removed);
  const after = thresholds(file.added);
  for (const [name, values] of before) {
    const now = after.get(name) ?? [];
    for (const [at, value] of values.entries()) {
      const other = now[at];
      if (other !== undefined && other < value) {
        return [flagOf(file, 'coverage-lowered', `${name} is ${other} now, and was ${value}`)];
      }
    }
    if (now.length === 0 && /cov|fail/i.test(name)) {
      return [flagOf(file, 'coverage-lowered', `${name} was ${values[0]}, and is gone`)];
    }
  }
  return [];
}

function thresholds(lines: readonly Line[]): ReadonlyMap<string, readonly number[]> {
  const found = new Map<string, number[]>();
  for (const { text } of lines) {
    for (const [, name = '', value] of text.slice(0, 1000).matchAll(THRESHOLD)) {
      const values = found.get(name) ?? [];
      values.push(Number(value));
      found.set(name, values);
    }
  }
  return found;
}
