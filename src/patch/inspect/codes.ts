/** Every code that a flag may have: what it means in a line, and whether a person has to look before anything is merged. */

interface CodeMeaning {
  readonly meaning: string;
  /** Waits for a person whatever the policy says; the others are only told. */
  readonly sensitive: boolean;
}

const sensitive = (meaning: string): CodeMeaning => ({ meaning, sensitive: true });
const notice = (meaning: string): CodeMeaning => ({ meaning, sensitive: false });

const CODES = {
  // What runs by itself later, or tells others what to run.
  'git-hook': sensitive('a git hook, or the settings of a tool that installs hooks'),
  ci: sensitive('continuous integration, or what decides about reviews and releases'),
  'editor-task': sensitive('what an editor or a development container runs by itself'),
  'package-script': sensitive('what a package manager runs'),
  'python-startup': sensitive('a file that Python runs whenever it starts'),
  'shell-environment': sensitive('what a shell or a version manager loads on entering the folder'),
  'build-script': sensitive('commands that a build runs'),
  'agent-instructions': sensitive('instructions, tools or permissions of coding agents'),
  'orchestrate-settings': sensitive('settings of orchestrate itself'),
  executable: sensitive('a file became executable'),
  'binary-program': sensitive('a compiled program or library'),
  setuid: sensitive('a file was setuid or setgid'),
  // Where code comes from.
  registry: sensitive('where packages are fetched from, or with which account'),
  'dependency-source': sensitive('a dependency from an address, a repository or a folder instead of the registry'),
  'lock-source': sensitive('a lock file fetches a package from another place'),
  'lock-integrity': sensitive('a lock file changed or lost the checksum of a version that stays'),
  'lock-install-script': sensitive('a package in a lock file runs a script when it is installed'),
  submodule: sensitive('a submodule is added, moved or removed'),
  'nested-repository': sensitive('a repository inside the workspace, taken as ordinary files'),
  'symlink-outside': sensitive('a symbolic link that leads out of the tree or into .git'),
  // What hides from whoever reads the patch.
  attributes: sensitive('git attributes that hide a file from reviewers or rewrite it'),
  filtered: sensitive('a file under a filter such as Git LFS: the patch has what the agent left'),
  'hidden-text': sensitive('text that git takes for binary: its lines are not shown'),
  'bidi-text': sensitive('characters that turn the direction of text (CVE-2021-42574)'),
  'invisible-text': sensitive('invisible characters in text'),
  'confusable-text': sensitive('letters that look like others (CVE-2021-42694)'),
  'control-text': sensitive('terminal control characters in text'),
  'control-characters': sensitive('control characters in a name'),
  'bidi-characters': sensitive('characters in a name that turn the direction of text'),
  'invisible-characters': sensitive('invisible characters or odd spaces in a name'),
  'not-utf8': sensitive('a name that is not UTF-8'),
  'backslash-path': sensitive('a backslash in a name, which is a folder on other systems'),
  'case-twin': sensitive('names that differ only in case or in how letters are composed'),
  // What makes checks pass that should not.
  'test-deleted': sensitive('a test file is gone'),
  'test-skipped': sensitive('a test is skipped, commented out or singled out'),
  'test-weakened': sensitive('tests assert less than before, or nothing'),
  'coverage-lowered': sensitive('a threshold of test coverage is lower than before'),
  'failure-ignored': sensitive('a check that passes even when it fails'),
  secret: sensitive('what looks like a real key or password'),
  // What was not read, or is not in the patch.
  'not-inspected': sensitive('a patch or file that is too large to be inspected'),
  'more-flags': sensitive('more was found than is listed'),
  'conflict-markers': sensitive('a conflict that is not resolved'),
  'strict-refusal': sensitive('a patch that the strict parser refuses'),
  'too-large': sensitive('a file that is too large for a patch was left out'),
  'unsupported-path': sensitive('a path that git refuses was left out'),
  'special-file': notice('a device, socket or pipe was left out'),
  'set-up': notice('a file that the set-up made was changed, and left out'),
  'ignore-rules': notice('ignore rules that are too large were not applied'),
  // Good to know.
  'build-config': notice('a declaration of a build, without commands'),
  'tool-config': notice('settings of a bundler, linter or test runner'),
  'editor-settings': notice('settings of an editor that run nothing'),
  'new-dependency': notice('a package that was not used before'),
  'checks-suppressed': notice('warnings of a compiler or linter are switched off'),
  'large-file': notice('a very large file or change'),
  'generated-file': notice('a file that a program seems to have written'),
} as const satisfies Record<string, CodeMeaning>;

export type FlagCode = keyof typeof CODES;

/** All codes with their meaning, in the order in which a person should look at them. */
export const FLAG_CODES: ReadonlyMap<string, CodeMeaning> = new Map(Object.entries(CODES));

/** Whether a flag of this code has to wait for a person. A code that nobody knows does. */
export function isSensitive(code: string): boolean {
  return FLAG_CODES.get(code)?.sensitive ?? true;
}
