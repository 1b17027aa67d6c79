/** Files that a build, a bundler or a test runner reads: those that hold commands, and those that mostly declare. */

import type { Flag } from '../../types.ts';
import type { FlagCode } from './codes.ts';
import { flagOf, flagOfLines, type InspectedFile } from './inspected-file.ts';

const SCRIPTS =
  /(?:^|\/)(?:(?:gnu|bsd)?makefile(?:\.[a-z]+)?|[^/]*\.(?:mk|mak|bzl|gyp|gypi|cake|cmd|bat)|\.?justfile|taskfile\.ya?ml|[^/]*\.?(?:dockerfile|containerfile)(?:\.[^/]*)?|(?:docker-)?compose[^/]*\.ya?ml|build\.(?:rs|zig|xml|sh|ps1|py|cake)|gradlew|mvnw|gradle\/wrapper\/.*|\.mvn\/.*|init\.gradle(?:\.kts)?|setup\.py|extconf\.rb|rakefile|[^/]*\.rake|gruntfile\.[a-z]+|gulpfile\.[a-z]+|sconstruct|sconscript|wscript|configure(?:\.ac|\.in)?|autogen\.sh|bootstrap\.sh|vagrantfile|procfile|tiltfile|skaffold\.yaml|fastfile|brewfile|jakefile|cakefile|earthfile|snakefile|magefile\.go|dodo\.py|fabfile\.py|docker-bake\.(?:hcl|json)|build\.ninja|(?:run[-_])?(?:tests?|checks?|lint|verify|ci)(?:[-_]all)?\.(?:sh|bash|ps1)|(?:flake|shell|default)\.nix|workspace(?:\.bazel)?|build(?:\.bazel)?|module\.bazel|\.bazelrc|install\.sh)$/;

interface Declaration {
  readonly path: RegExp;
  /** A line that starts a program, fetches code or widens what is trusted. */
  readonly runs: RegExp;
}

const RUBY_RUNS =
  /`|%x|\b(?:system|exec|spawn|popen|eval|instance_eval|open-uri|Open3|Kernel|load|fork|post_install)\b/;

const DECLARATIONS: readonly Declaration[] = [
  {
    path: /(?:^|\/)(?:cmakelists\.txt|[^/]*\.cmake(?:\.in)?|cmakepresets\.json)$/,
    runs: /\b(?:execute_process|exec_program|add_custom_command|add_custom_target|externalproject_add|fetchcontent_declare|try_run|install\s{0,9}\(\s{0,9}(?:code|script)|download|cmake_[a-z_]{0,30}launcher)\b/i,
  },
  {
    path: /(?:^|\/)(?:[^/]*\.gradle(?:\.kts)?|gradle\.properties)$/,
    runs: /\b(?:exec|commandLine|ProcessBuilder|execute|doFirst|doLast|apply\s{0,9}\(?\s{0,9}from|maven\s{0,9}[({]|mavenLocal|repositories|url|jvmargs|init|eval|GroovyShell|URLClassLoader|JavaExec|systemProp)\b/i,
  },
  {
    path: /(?:^|\/)(?:pom\.xml|ivy\.xml|[^/]*\.(?:csproj|fsproj|vbproj|vcxproj|proj|targets|props))$/,
    runs: /<(?:plugin|exec|executions?|target|task|usingtask|import|repository|pluginRepository|prebuildevent|postbuildevent|restoresources|repositories|extension)\b/i,
  },
  { path: /(?:^|\/)(?:gemfile|[^/]*\.gemspec|podfile|[^/]*\.podspec)$/, runs: RUBY_RUNS },
  {
    path: /(?:^|\/)(?:meson\.build|[^/]*\.sbt|package\.swift|mix\.exs|rebar\.config|project\.clj|xmake\.lua|premake[45]\.lua|dub\.(?:json|sdl))$/,
    runs: /\b(?:run_command|run_target|custom_target|find_program|process|System\.cmd|os\.execute|io\.popen|sys\.process|Process|commands|hooks|plugin|addSbtPlugin|resolvers|before_build|on_install)\b/,
  },
  {
    path: /(?:^|\/)(?:tox\.ini|noxfile\.py|setup\.cfg|hatch\.toml|hatch_build\.py)$/,
    runs: /\b(?:commands|allowlist_externals|install_command|session\.(?:run|install)|cmdclass|setup_requires)\b/,
  },
];

const TOOLS =
  /(?:^|\/)(?:(?:vite|vitest|webpack|rollup|rolldown|jest|eslint|babel|postcss|tailwind|next|nuxt|svelte|astro|playwright|cypress|karma|metro|esbuild|tsup|tsdown|prettier|stylelint|commitlint|vue|remix|ava|wdio|protractor|unocss|quasar|nodemon)(?:\.[a-z-]+)?\.(?:conf|config|setup|workspace)\.[a-z]+|\.(?:mocharc|babelrc|eslintrc|prettierrc|stylelintrc|swcrc|nycrc|c8rc|taprc|rspec)[^/]*|conftest\.py|pytest\.ini|phpunit\.xml(?:\.dist)?|\.coveragerc|turbo\.json|nx\.json|lerna\.json|deno\.jsonc?|nodemon\.json)$/;

/** Codes `build-script`, `build-config` and `tool-config`. */
export function buildFiles(file: InspectedFile): Flag[] {
  if (file.kind === 'delete') return [];
  const one = (code: FlagCode, detail: string): Flag[] => [flagOf(file, code, detail)];
  if (SCRIPTS.test(file.key)) return one('build-script', 'its commands run with the next build');
  const declaration = DECLARATIONS.find(({ path }) => path.test(file.key));
  if (declaration !== undefined) {
    const found = file.added.filter(({ text }) => declaration.runs.test(text));
    if (found.length > 0) {
      return flagOfLines(
        file,
        'build-script',
        found,
        'starts a program, or takes code from elsewhere, when it is built',
      );
    }
    return one('build-config', 'decides what is built');
  }
  return TOOLS.test(file.key) ? one('tool-config', 'a bundler, linter or test runner reads it') : [];
}
