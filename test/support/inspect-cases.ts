/** Patches that a person should see flagged, and ordinary ones beside them: files before and after, and the codes to expect. */

export interface CaseFile {
  readonly content: string | Buffer;
  readonly mode?: '100644' | '100755' | '120000' | '160000';
}
/** By path, one character for each byte of it beyond ASCII excepted: names are UTF-8. */
export type CaseFiles = Readonly<Record<string, string | Buffer | CaseFile>>;

export interface InspectCase {
  readonly title: string;
  readonly before?: CaseFiles;
  readonly after: CaseFiles;
  /** Exactly these codes, sorted; empty for what needs no flag. */
  readonly codes: readonly string[];
}

const one = (codes: string, path: string, content: string | Buffer | CaseFile = 'x\n'): InspectCase => ({
  title: `${path}${codes === '' ? ' is ordinary' : ''}`,
  after: { [path]: content },
  codes: codes === '' ? [] : codes.split(' ').sort(),
});
const change = (
  title: string,
  codes: string,
  path: string,
  [before, after]: readonly [string, string],
): InspectCase => ({
  title,
  before: { [path]: before },
  after: { [path]: after },
  codes: codes === '' ? [] : codes.split(' ').sort(),
});
const link = (target: string): CaseFile => ({ content: target, mode: '120000' });
const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
const text = (...lines: readonly string[]): string => `${lines.join('\n')}\n`;

export const PATHS: readonly InspectCase[] = [
  one('git-hook', '.husky/pre-commit'),
  one('git-hook', '.githooks/post-checkout'),
  one('git-hook', 'tools/hooks/pre-push.sh'),
  one('git-hook', 'scripts/post-merge'),
  one('git-hook', '.pre-commit-config.yaml'),
  one('git-hook', 'lefthook.yml'),
  one('git-hook', '.husky', link('scripts')),
  one('git-hook', 'setup.mjs', "run('git config core.hooksPath tools')\n"),
  one('', 'src/hooks/use-update.ts', 'export const x = 1;\n'),
  one('ci', '.github/workflows/ci.yml'),
  one('ci', '.GitHub/Workflows/ci.yml'),
  one('ci', '.github/actions/setup/action.yml'),
  one('ci', '.github/CODEOWNERS'),
  one('ci', '.gitlab-ci.yml'),
  one('ci', '.circleci/config.yml'),
  one('ci', 'deploy/Jenkinsfile'),
  one('ci', 'azure-pipelines.yml'),
  one('ci', '.buildkite/pipeline.yml'),
  one('ci', '.drone.yml'),
  one('ci', '.woodpecker/test.yaml'),
  one('ci', '.forgejo/workflows/a.yaml'),
  one('ci', 'GITHUB~1/workflows/a.yml'),
  one('ci', '.github./workflows/a.yml'),
  { title: 'a workflow that goes away', before: { '.travis.yml': 'a\n' }, after: {}, codes: ['ci'] },
  {
    title: 'a file that moves among the workflows',
    before: { 'docs/ci.yml': text(...'abcdefghij') },
    after: { '.github/workflows/ci.yml': text(...'abcdefghij') },
    codes: ['ci'],
  },
  one('', '.github/ISSUE_TEMPLATE/bug.md'),
  one('editor-task', '.vscode/tasks.json'),
  one('editor-task', 'packages/a/.vscode/launch.json'),
  one('editor-task', '.vscode/settings.json', '{\n  "python.defaultInterpreterPath": "./x"\n}\n'),
  one('editor-settings', '.vscode/settings.json', '{\n  "editor.tabSize": 2\n}\n'),
  one('editor-task', '.idea/runConfigurations/all.xml'),
  one('editor-settings', '.idea/misc.xml'),
  one('editor-task', '.devcontainer/devcontainer.json'),
  one('editor-task', '.zed/tasks.json'),
  one('editor-task', '.exrc'),
  one('agent-instructions', 'AGENTS.md'),
  one('agent-instructions', 'packages/web/CLAUDE.md'),
  one('agent-instructions', '.claude/settings.json'),
  one('agent-instructions', '.codex/config.toml'),
  one('agent-instructions', '.cursor/rules/a.mdc'),
  one('agent-instructions', '.cursorrules'),
  one('agent-instructions', '.github/copilot-instructions.md'),
  one('agent-instructions', '.mcp.json'),
  one('agent-instructions', 'GEMINI.md'),
  one('agent-instructions', '.claude', link('docs')),
  one('', 'docs/agents-overview.md'),
  one('orchestrate-settings', 'orchestrate.yaml'),
  one('shell-environment', '.envrc'),
  one('shell-environment', 'mise.toml'),
  one('shell-environment', '.tool-versions'),
  one('shell-environment', '.env'),
  one('', '.env.example'),
  one('python-startup', 'src/sitecustomize.py'),
  one('python-startup', 'src/a.pth'),
  one('tool-config', 'tests/conftest.py'),
  one('tool-config', 'vite.config.ts'),
  one('registry', '.npmrc'),
  one('registry', '.yarnrc.yml'),
  one('registry', 'pip.conf'),
  one('registry', '.cargo/config.toml'),
  one('registry', 'NuGet.Config'),
  one('package-script', '.yarn/releases/yarn-4.0.0.cjs'),
  one('package-script', 'pnpm-workspace.yaml'),
  one('build-script', 'Makefile'),
  one('build-script', 'docker/Dockerfile.release'),
  one('build-script', 'docker-compose.override.yml'),
  one('build-script', 'crates/a/build.rs'),
  one('build-script', 'gradlew'),
  one('build-script', 'gradle/wrapper/gradle-wrapper.properties'),
  one('build-script', 'binding.gyp'),
  one('build-script', 'setup.py'),
  one('build-script', 'CMakeLists.txt', 'execute_process(COMMAND sh x)\n'),
  one('build-config', 'CMakeLists.txt', 'add_executable(a a.c)\n'),
  one('', 'src/makefile-parser.ts'),
  one('build-script', 'BSDmakefile'),
  one('build-script', 'scripts/run-tests.sh'),
  one('', 'src/check-names.sh'),
  one('build-script', 'magefile.go'),
  one('ci', '.gitlab', link('other')),
  one('dependency-source', 'node_modules/a/index.js'),
  one('dependency-source', 'packages/b/node_modules', link('c')),
  one('', 'test/fixtures/node_modules/a/index.js'),
  one('editor-task', 'packages/a/tsconfig.build.json', '{"compilerOptions": {"plugins": [{"name": "x"}]}}\n'),
  one('', 'tsconfig.json', '{"compilerOptions": {"strict": true}}\n'),
];

const lock = (entry: Readonly<Record<string, unknown>>): string =>
  json({ lockfileVersion: 3, packages: { 'node_modules/a': { version: '1.0.0', ...entry } } });
const RESOLVED = 'https://registry.npmjs.org/a/-/a-1.0.0.tgz';
const npm = (before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>) =>
  ['package-lock.json', [lock(before), lock(after)]] as const;
const yarn = (version: string, resolved: string, integrity: string): string =>
  text('a@^1.0.0:', `  version "${version}"`, `  resolved "${resolved}"`, `  integrity ${integrity}`);
const cargo = (source: string, checksum: string): string =>
  text('[[package]]', 'name = "a"', 'version = "1.0.0"', `source = "${source}"`, `checksum = "${checksum}"`);
const CRATES = 'registry+https://github.com/rust-lang/crates.io-index';
const toml = (host: string, hash: string): string =>
  text(
    '[[package]]',
    'name = "a"',
    'version = "1.0"',
    `sdist = { url = "https://${host}/a-1.0.tgz", hash = "${hash}" }`,
  );
const pypi = 'files.pythonhosted.org/packages';

const manifest = json({ name: 'a', version: '1.0.0', license: 'MIT', scripts: { test: 'x' } });

export const PACKAGES: readonly InspectCase[] = [
  change('a script in package.json', 'package-script', 'package.json', [
    json({ name: 'a' }),
    json({ name: 'a', scripts: { postinstall: 'node x' } }),
  ]),
  change('another version of a package', '', 'package.json', [
    json({ dependencies: { a: '^1.0.0' } }),
    json({ dependencies: { a: '^1.1.0' } }),
  ]),
  change('a package that was not there', 'new-dependency', 'package.json', [
    json({ dependencies: {} }),
    json({ dependencies: { left: '^1.1.0' } }),
  ]),
  change('a package from a repository', 'dependency-source', 'package.json', [
    json({ dependencies: { a: '^1.0.0' } }),
    json({ dependencies: { a: 'someone/a#main' } }),
  ]),
  change('overrides', 'dependency-source', 'package.json', [json({}), json({ overrides: { a: 'npm:b@1' } })]),
  change('hooks in package.json', 'package-script', 'package.json', [
    json({}),
    json({ 'simple-git-hooks': { a: 'b' } }),
  ]),
  change('a script behind an escape', 'package-script', 'package.json', [
    json({}),
    '{"\\u0073cripts": {"\\u0070ostinstall": "x"}}\n',
  ]),
  change('a manifest that is no JSON', 'package-script', 'package.json', [json({}), '{ scripts: {} }\n']),
  change('a manifest nested very deeply', 'package-script', 'package.json', [
    json({}),
    `{"scripts":{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}}\n`,
  ]),
  change('scripts of composer', 'package-script', 'composer.json', [json({}), json({ scripts: { a: 'b' } })]),
  change('repositories of composer', 'dependency-source', 'composer.json', [json({}), json({ repositories: [1] })]),
  change('another build back end', 'package-script', 'pyproject.toml', [
    '[build-system]\nrequires = ["hatchling"]\n',
    '[build-system]\nrequires = ["own"]\nbackend-path = ["."]\n',
  ]),
  change('another description', '', 'pyproject.toml', ['[project]\nname = "a"\n', '[project]\nname = "b"\n']),
  change('another index', 'registry', 'pyproject.toml', ['[project]\n', '[[tool.uv.index]]\nurl = "https://x.test"\n']),
  ...[
    ['another build back end, dotted', 'package-script', 'build-system.build-backend = "x"\n'],
    ['another build back end, in a line', 'package-script', 'build-system = { build-backend = "x" }\n'],
    ['another build back end, escaped', 'package-script', '["build\\u002dsystem"]\nbuild-backend = "x"\n'],
    ['another index of uv', 'registry', '[tool.uv]\nextra-index-url = ["https://x.test"]\n'],
    ['another index of uv, dotted', 'registry', '[tool]\nuv.index-url = "https://x.test"\n'],
    ['a plug-in of pytest', 'package-script', '[project.entry-points.pytest11]\na = "b"\n'],
    ['a program called pytest', 'package-script', '[project.scripts]\npytest = "a:b"\n'],
    ['a program of its own', '', '[project.scripts]\nmine = "a:b"\n'],
    ['a build tool among the dependencies', '', '[tool.poetry.dependencies]\nscikit-build = "^1"\n'],
    ['pytest leaves out tests', 'test-skipped', '[tool.pytest.ini_options]\naddopts = "--deselect tests/a.py"\n'],
  ].map(([title = '', codes = '', content = '']) => change(title, codes, 'pyproject.toml', ['', content])),
  change('a program of a package', 'package-script', 'package.json', [json({}), json({ bin: { tsc: './x' } })]),
  change('workspaces', 'package-script', 'package.json', [json({}), json({ workspaces: ['x/*'] })]),
  change('settings of a test runner', 'tool-config', 'package.json', [json({}), json({ jest: { verbose: true } })]),
  change('tests that a manifest leaves out', 'test-skipped tool-config', 'package.json', [
    json({}),
    json({ jest: { testPathIgnorePatterns: ['a'] } }),
  ]),
  one('dependency-source', 'requirements-dev.txt', '--extra-index-url https://x.test\n'),
  change('a module that is replaced', 'dependency-source', 'go.mod', ['module a\n', 'module a\nreplace b => ../b\n']),
  change('a crate from a repository', 'dependency-source', 'Cargo.toml', [
    '[package]\n',
    '[package]\na = { git = "x" }\n',
  ]),
  change('a gem from elsewhere', 'build-config dependency-source', 'Gemfile', ['', "gem 'a', git: 'https://x.test'\n"]),
  {
    title: 'a manifest whose mode changes',
    before: { 'package.json': manifest },
    after: { 'package.json': { content: manifest, mode: '100755' } },
    codes: ['executable'],
  },
  {
    title: 'a manifest that moves',
    before: { 'a/package.json': manifest },
    after: { 'b/package.json': manifest },
    codes: [],
  },
  {
    title: 'a file that becomes a manifest',
    before: { 'a.json': manifest },
    after: { 'package.json': manifest },
    codes: ['package-script'],
  },
  change('npm: another host', 'lock-source', ...npm({ resolved: RESOLVED }, { resolved: 'https://x.test/a.tgz' })),
  change('npm: no TLS', 'lock-source', ...npm({ resolved: RESOLVED }, { resolved: RESOLVED.replace('https', 'http') })),
  change(
    'npm: a repository',
    'lock-source',
    ...npm({ resolved: RESOLVED }, { resolved: 'git+ssh://git@x.test/a.git' }),
  ),
  change('npm: another checksum', 'lock-integrity', ...npm({ integrity: 'sha512-a' }, { integrity: 'sha512-b' })),
  change('npm: no checksum', 'lock-integrity', ...npm({ integrity: 'sha512-a' }, {})),
  change('npm: an install script', 'lock-install-script', ...npm({}, { version: '1.0.1', hasInstallScript: true })),
  change(
    'npm: another version',
    '',
    ...npm(
      { resolved: RESOLVED, integrity: 'sha512-a' },
      { version: '1.0.1', resolved: RESOLVED.replace('1.0.0', '1.0.1'), integrity: 'sha512-b' },
    ),
  ),
  one('lock-source', 'package-lock.json', 'not json\n'),
  change('yarn: another host', 'lock-source', 'yarn.lock', [
    yarn('1.0.0', 'https://registry.yarnpkg.com/a.tgz#1', 'sha512-a'),
    yarn('1.0.0', 'https://x.test/a.tgz#1', 'sha512-a'),
  ]),
  change('yarn: another checksum', 'lock-integrity', 'yarn.lock', [
    yarn('1.0.0', 'https://registry.yarnpkg.com/a.tgz', 'sha512-a'),
    yarn('1.0.0', 'https://registry.yarnpkg.com/a.tgz', 'sha512-b'),
  ]),
  change('yarn: another version', '', 'yarn.lock', [
    yarn('1.0.0', 'https://registry.yarnpkg.com/a-1.tgz', 'sha512-a'),
    yarn('1.0.1', 'https://registry.yarnpkg.com/a-2.tgz', 'sha512-b'),
  ]),
  change('pnpm: an archive', 'lock-source', 'pnpm-lock.yaml', [
    'packages:\n\n  a@1.0.0:\n    resolution: {integrity: sha512-a}\n',
    'packages:\n\n  a@1.0.0:\n    resolution: {integrity: sha512-a, tarball: https://x.test/a.tgz}\n',
  ]),
  change('pnpm: another checksum', 'lock-integrity', 'pnpm-lock.yaml', [
    'packages:\n\n  a@1.0.0:\n    resolution: {integrity: sha512-a}\n',
    'packages:\n\n  a@1.0.0:\n    resolution: {integrity: sha512-b}\n',
  ]),
  change('Cargo: another registry', 'lock-source', 'Cargo.lock', [
    cargo(CRATES, 'a'),
    cargo('registry+https://x.test/i', 'a'),
  ]),
  change('Cargo: another checksum', 'lock-integrity', 'Cargo.lock', [cargo(CRATES, 'a'), cargo(CRATES, 'b')]),
  change('uv: another host', 'lock-source', 'uv.lock', [toml(pypi, 'sha256:a'), toml('x.test', 'sha256:a')]),
  change('uv: another checksum', 'lock-integrity', 'uv.lock', [toml(pypi, 'sha256:a'), toml(pypi, 'sha256:b')]),
  change('go.sum: another checksum', 'lock-integrity', 'go.sum', ['a v1.0.0 h1:a\n', 'a v1.0.0 h1:b\n']),
  change('go.sum: another version', '', 'go.sum', ['a v1.0.0 h1:a\n', 'a v1.0.1 h1:b\n']),
  change('gems from elsewhere', 'lock-source', 'Gemfile.lock', [
    'GEM\n  remote: https://rubygems.org/\n',
    'GEM\n  remote: https://x.test/\n',
  ]),
];

const ELF = Buffer.from('7f454c4602010100000000000000000003003e00', 'hex');
const trojan = (path: string, line: string): InspectCase => one('bidi-text', path, `${line}\n`);

export const HIDDEN: readonly InspectCase[] = [
  trojan('a.c', '/*\u202e } \u2066if (is_admin)\u2069 \u2066 begin admins only */'),
  trojan('a.js', "if (level != 'user\u202e \u2066// only admins\u2069 \u2066') {"),
  trojan('a.py', "''' subtract funds \u2067''' ;return"),
  trojan('a.rs', '/*\u202e } \u2066if is_admin\u2069 */'),
  trojan('a.go', 'var level = "user\u202e \u2066// only\u2069 \u2066"'),
  trojan('A.java', '/*\u202d admins only */'),
  trojan('a.sh', 'echo "\u202b# x\u202c"'),
  trojan('README.md', 'run \u202etfel ot thgir\u202c'),
  one('invisible-text', 'a.ts', 'const a\u200bdmin = true;\n'),
  one('invisible-text', 'a.ts', 'const { timeout,\u3164} = query;\n'),
  one('invisible-text', 'b.md', `Hello${'\u{e0049}\u{e0067}\u{e006e}'}\n`),
  one('invisible-text', 'c.md', `Hello \ufe00\ufe01\u{e0101}\n`),
  one('invisible-text', 'd.py', 'a\u2060 = 1\n'),
  one('invisible-text', 'e.py', 'a = 1\ufeff\n'),
  one('invisible-text', 'f.py', `a()${' '.repeat(400)}; b()\n`),
  one('', 'g.py', `a()${' '.repeat(400)}\n`),
  one('confusable-text', 'a.ts', 'const isAdm\u0456n = true;\n'),
  one('confusable-text', 'a.py', 'def p\u0430yment():\n'),
  one('confusable-text', 'a.go', 'func (s *S) Val\u0456date() {}\n'),
  one('confusable-text', 'a.rs', 'fn \u0441\u043e\u0440\u0435() {}\n'),
  one('confusable-text', 'b.js', 'if (environment\u01c3=ENV_PROD) {\n'),
  one('confusable-text', 'c.js', 'call()\u037e\n'),
  one('control-text', 'a.txt', 'a\x1b[2Jb\n'),
  one('control-text', 'a.sh', 'rm -rf x\rls\n'),
  one('control-text', 'b.txt', 'a\x08b\n'),
  one('control-text', 'c.txt', 'a\x9b31m\n'),
  one('', 'crlf.txt', 'a\r\nb\r\n'),
  one('', 'emoji.md', 'fine \u2764\ufe0f \u{1f469}\u200d\u{1f4bb} ok\n'),
  one('', 'persian.md', '\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645\n'),
  one('', 'bom.cs', '\ufeffusing System;\n'),
  one('', 'russian.py', '# \u043f\u0440\u043e\u0432\u0435\u0440\u043a\u0430 \u0441\u0442\u0440\u043e\u043a\u0438\n'),
  one('', 'science.py', '\u0394x = \u03bb * \u03c3_max\n'),
  one('hidden-text', 'a.js', 'a()\n\0'),
  one('hidden-text', 'b.py', Buffer.from('\xff\xfea\0b\0', 'latin1')),
  one('', 'picture.png', Buffer.from('89504e470d0a1a0a00', 'hex')),
  one('attributes', '.gitattributes', '*.ts -diff\n'),
  one('attributes', '.gitattributes', 'src/** linguist-generated\n'),
  one('attributes', '.gitattributes', 'src/** binary\n'),
  one('attributes', '.gitattributes', '/src export-ignore\n'),
  one('attributes', '.gitattributes', '*.c ident\n'),
  one('attributes', '.gitattributes', '*.c merge=ours\n'),
  one('attributes', '.gitattributes', '*.c working-tree-encoding=UTF-16\n'),
  one('attributes', 'src/.gitattributes', '[attr]x -diff\n'),
  {
    ...one('attributes filtered', '.gitattributes', '*.z filter=x\n'),
    before: { 'a.z': '1\n' },
    after: { '.gitattributes': '*.z filter=x\n', 'a.z': '2\n' },
  },
  one('', '.gitattributes', '* text=auto eol=lf\n*.png binary\n*.sh text\n'),
  one('executable', 'bin/run', { content: '#!/bin/sh\n', mode: '100755' }),
  {
    title: 'a file that can be executed now',
    before: { 'run.sh': 'x\n' },
    after: { 'run.sh': { content: 'x\n', mode: '100755' } },
    codes: ['executable'],
  },
  one('binary-program executable', 'tool', { content: ELF, mode: '100755' }),
  one('binary-program', 'tool.dat', ELF),
  one('binary-program', 'a.bin', Buffer.from('4d5a90000300', 'hex')),
  one('binary-program', 'b.bin', Buffer.from('cffaedfe0700', 'hex')),
  one('binary-program', 'lib/a.jar', Buffer.from('504b030400', 'hex')),
  one('symlink-outside', 'a', link('/etc/passwd')),
  one('symlink-outside', 'a', link('../x')),
  one('symlink-outside', 'a', link('.git/hooks')),
  one('submodule', '.gitmodules', '[submodule "a"]\n'),
  one('submodule', 'vendor/a', { content: '', mode: '160000' }),
  one('backslash-path', 'a\\b'),
  one('control-characters', 'a\x1b[31mb'),
  one('control-characters', 'a\nb'),
  one('bidi-characters', 'exe\u202etxt'),
  one('invisible-characters', 'zero\u200bwidth'),
  one('invisible-characters', 'no\u00a0break'),
  { title: 'names that differ in case', after: { Read: 'x\n', READ: 'x\n' }, codes: ['case-twin'] },
  one('large-file', 'data.txt', `${'x'.repeat(60)}\n`.repeat(20_000)),
  one('generated-file', 'dist.js', `${'a=1;'.repeat(2000)}\n`),
  one('generated-file', 'a.pb.go'),
];

const passing = text("it('adds', () => {", '  expect(add(1, 1)).toBe(2);', '});');

export const TESTS: readonly InspectCase[] = [
  {
    title: 'a test that is deleted',
    before: { 'test/a.test.ts': passing },
    after: {},
    codes: ['test-deleted', 'test-weakened'],
  },
  {
    title: 'a test that is renamed so that it does not run',
    before: { 'test/a.test.ts': passing },
    after: { 'docs/a.ts': passing },
    codes: ['test-deleted'],
  },
  change('it.skip', 'test-skipped', 'test/a.test.ts', [passing, passing.replace('it(', 'it.skip(')]),
  change('xit', 'test-skipped', 'test/a.test.ts', [passing, passing.replace('it(', 'xit(')]),
  change('it.only', 'test-skipped', 'test/a.test.ts', [passing, `${passing}${passing.replace('it(', 'it.only(')}`]),
  change('pytest', 'test-skipped', 'tests/test_a.py', [
    'def test_a():\n    assert a\n',
    '@pytest.mark.skip\ndef test_a():\n    assert a\n',
  ]),
  change('Go', 'test-skipped', 'a_test.go', [
    'func TestA(t *testing.T) {\n}\n',
    'func TestA(t *testing.T) {\n\tt.Skip("x")\n}\n',
  ]),
  change('Rust', 'test-skipped', 'tests/a.rs', ['#[test]\nfn a() {}\n', '#[test]\n#[ignore]\nfn a() {}\n']),
  change('JUnit', 'test-skipped', 'src/test/ATest.java', ['@Test\nvoid a() {}\n', '@Test\n@Disabled\nvoid a() {}\n']),
  change('NUnit', 'test-skipped', 'ATests.cs', [
    '[Test]\npublic void A() {}\n',
    '[Test]\n[Ignore("x")]\npublic void A() {}\n',
  ]),
  change('a test that becomes a comment', 'test-skipped test-weakened', 'test/a.test.ts', [
    passing,
    passing.replace('  expect', '  // expect'),
  ]),
  change('an assertion that is gone', 'test-weakened', 'test/a.test.ts', [
    passing,
    "it('adds', () => {\n  add(1, 1);\n});\n",
  ]),
  change('an assertion that says nothing', 'test-weakened', 'test/a.test.ts', [
    passing,
    passing.replace('add(1, 1)).toBe(2)', 'true).toBe(true)'),
  ]),
  change('one assertion for another', '', 'test/a.test.ts', [passing, passing.replace('toBe(2)', 'toEqual(2)')]),
  change('a new test that is skipped', '', 'test/a.test.ts', [passing, `${passing}it.skip('later', () => {});\n`]),
  {
    title: 'a test that moves',
    before: { 'test/a.test.ts': passing },
    after: { 'test/more/b.test.ts': passing },
    codes: [],
  },
  {
    title: 'a test under a name that no runner looks for',
    before: { 'test/a.test.ts': passing },
    after: { 'test/a.ts': passing },
    codes: ['test-deleted'],
  },
  ...[
    ['if (false)', `if (false) ${passing}`],
    ['skipIf(true)', passing.replace('it(', 'it.skipIf(true)(')],
    ['it["skip"]', passing.replace('it(', "it['skip'](")],
    ['a return before the first assertion', passing.replace('  expect', '  return;\n  expect')],
    ['a comment around it', `/*\n${passing}*/\n`],
    ['an exit before it', `process.exit(0);\n${passing}`],
  ].map(([title = '', after = '']) => change(title, 'test-skipped', 'test/a.test.ts', [passing, after])),
  change('a return in what a test calls', '', 'test/a.test.ts', [
    passing,
    passing.replace('  expect', '  const f = () => {\n    return;\n  };\n  expect'),
  ]),
  change('a string around Python', 'test-skipped', 'tests/test_a.py', [
    'def test_a():\n    assert a\n',
    '"""\ndef test_a():\n    assert a\n"""\n',
  ]),
  change('a function that is no test any more', 'test-skipped', 'tests/test_a.py', [
    'def test_addition():\n    assert a\n',
    'def no_test_addition():\n    assert a\n',
  ]),
  change('another name of a test', '', 'tests/test_a.py', [
    'def test_addition():\n    assert a\n',
    'def test_sum():\n    assert a\n',
  ]),
  change('#if 0', 'test-skipped', 'tests/a_test.cc', ['TEST(A, B) {}\n', '#if 0\nTEST(A, B) {}\n#endif\n']),
  change('or True', 'test-weakened', 'tests/test_a.py', [
    'def test_a():\n    assert f() == 1\n',
    'def test_a():\n    assert f() == 1 or True\n',
  ]),
  change('a number that is itself', 'test-weakened', 'test/a.test.ts', [passing, passing.replace('add(1, 1)', '2')]),
  change('a helper that asserts nothing', 'test-weakened', 'test/support/same.ts', [
    'export function same(a, b) {\n  expect(a).toBe(b);\n}\n',
    'export function same(a, b) {\n}\n',
  ]),
  {
    title: 'assertions that go where perhaps nobody calls them',
    before: { 'test/a.test.ts': passing },
    after: { 'test/a.test.ts': "it('adds', () => {});\n", 'test/helpers/a.ts': 'expect(a).toBe(b);\n' },
    codes: ['test-weakened'],
  },
  change('collect_ignore', 'test-skipped tool-config', 'tests/conftest.py', ['', 'collect_ignore = ["test_a.py"]\n']),
  change('tests that pass whatever happens', 'test-skipped tool-config', 'conftest.py', [
    '',
    'def pytest_sessionfinish(session):\n    session.exitstatus = 0\n',
  ]),
  change('a fixture', 'tool-config', 'conftest.py', ['', '@pytest.fixture\ndef client():\n    return a\n']),
  change('a test that vitest leaves out', 'test-skipped tool-config', 'vitest.config.ts', [
    '',
    "exclude: ['test/a.test.ts'],\n",
  ]),
  change('coverage without tests', 'tool-config', 'vitest.config.ts', ['', "exclude: ['**/*.test.ts'],\n"]),
  change('a lower threshold', 'coverage-lowered tool-config', 'vitest.config.ts', ['lines: 90,\n', 'lines: 70,\n']),
  change('a higher threshold', 'tool-config', 'vitest.config.ts', ['lines: 90,\n', 'lines: 95,\n']),
  change('fail_under that is gone', 'coverage-lowered tool-config', '.coveragerc', ['fail_under = 90\n', 'x = 1\n']),
  change('|| true', 'build-script failure-ignored', 'scripts/check.sh', ['npm test\n', 'npm test || true\n']),
  change('continue-on-error', 'ci failure-ignored', '.github/workflows/a.yml', ['a: 1\n', 'continue-on-error: true\n']),
  change('many suppressions', 'checks-suppressed', 'src/a.ts', ['a\n', '// @ts-ignore\n'.repeat(4)]),
  change('one suppression', '', 'src/a.ts', ['a\n', '// @ts-ignore\n']),
];

/** Not written as a whole, so that nobody who looks for keys finds these here. */
const key = (...parts: readonly string[]): string => `const key = '${parts.join('')}';\n`;
const random = 'q7Zp2LmX9vRt4KcW8nYb3HsJ6dGf1TaV5uEo0iQx';

export const SECRETS: readonly InspectCase[] = [
  one('secret', 'a.ts', key('AKIA', 'Q3EGRZ7XJ2NVKLPM')),
  one('secret', 'a.ts', key('ghp', '_', random.slice(0, 36))),
  one('secret', 'a.ts', key('xox', 'b-', '739184620517-', random.slice(0, 24))),
  one('secret', 'a.ts', key('sk_', 'live_', random.slice(0, 24))),
  one('secret', 'a.ts', key('sk-', 'ant-', 'api03-', random, random.slice(5))),
  one('secret', 'a.ts', key('sk-', 'proj-', random, random.slice(7))),
  one('secret', 'a.pem', `${'-----BEGIN PRIVATE '}${'KEY-----'}\n${random}${random}\n${random}${random}\n`),
  one('secret', 'a.ts', key('eyJ', random, '.eyJ', random, '.', random)),
  one('secret', 'config.py', `password = "${random.slice(0, 28)}"\n`),
  one('secret', 'db.ts', `connect('postgres://${'app:'}${random.slice(0, 20)}@db.internal.net/x');\n`),
  one('secret', 'a.ts', `const key =\n  'ghp' +\n  '_${random.slice(0, 12)}' +\n  '${random.slice(12, 36)}';\n`),
  one('', 'a.ts', key('sk-', 'test-', random, random)),
  one('', 'a.ts', key('AKIA', 'IOSFODNN7EXAMPLE')),
  one('', 'a.ts', key('ghp', '_', 'x'.repeat(36))),
  one('', 'a.ts', 'const token = process.env.SERVICE_TOKEN_FOR_PRODUCTION_1;\n'),
  one('', 'a.ts', "const password = 'your-password-goes-here-2';\n"),
  one('', 'a.ts', "const tokenHash = 'a94a8fe5ccb19ba61c4c0873d391e987982fbbd3';\n"),
];
