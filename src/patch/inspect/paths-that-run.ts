/** Paths at which a file runs by itself, decides where code comes from, or steers those who work in the repository. */

import type { Flag } from '../../types.ts';
import type { FlagCode } from './codes.ts';
import { flagOf, type InspectedFile } from './inspected-file.ts';

interface PathRule {
  readonly code: FlagCode;
  /** For comparable paths: lower case. A folder's own name matches too, because a symbolic link may stand there. */
  readonly path: RegExp;
  readonly detail: string;
}

const HOOK =
  'applypatch-msg|pre-applypatch|post-applypatch|pre-commit|pre-merge-commit|prepare-commit-msg|commit-msg|post-commit|pre-rebase|post-checkout|post-merge|pre-push|pre-receive|proc-receive|post-receive|post-update|reference-transaction|push-to-checkout|pre-auto-gc|post-rewrite|sendemail-validate|fsmonitor-watchman|post-index-change';

/** The first that matches tells. Roots of other projects may lie deeper, so most match in any folder. */
const RULES: readonly PathRule[] = [
  {
    code: 'git-hook',
    path: /(?:^|\/)(?:\.husky|\.?git[-_]?hooks|\.lefthook(?:-local)?)(?:\/|$)/,
    detail: 'a folder of git hooks',
  },
  {
    code: 'git-hook',
    path: new RegExp(`(?:^|/)(?:hooks/(?:update|(?:${HOOK})(?:\\.[a-z0-9]{1,5})?)|${HOOK})$`),
    detail: 'has the name of a git hook',
  },
  {
    code: 'git-hook',
    path: /(?:^|\/)(?:\.pre-commit-(?:config|hooks)\.ya?ml|\.?lefthook(?:-local)?\.(?:ya?ml|toml|json)|\.overcommit\.yml|\.lintstagedrc[^/]*|lint-staged\.config\.[a-z]+|\.?simple-git-hooks\.[a-z]+|\.huskyrc[^/]*|husky\.config\.[a-z]+|captainhook\.json|grumphp\.ya?ml|prek\.toml|\.gitconfig)$/,
    detail: 'settings from which git hooks are installed or run',
  },
  {
    code: 'agent-instructions',
    path: /(?:^|\/)(?:agents?(?:\.override|\.local)?|claude(?:\.local)?|gemini|qwen|warp|skill)\.md$/,
    detail: 'instructions that coding agents read',
  },
  {
    code: 'agent-instructions',
    path: /(?:^|\/)(?:\.(?:claude|codex|cursor|windsurf|gemini|qwen|agents?|opencode|amp|junie|kiro|trae|augment|goose|openhands|factory|roo|continue|clinerules|aider)|\.github\/(?:copilot-instructions\.md|instructions|prompts|agents|chatmodes|skills|copilot))(?:\/|$)/,
    detail: 'instructions, tools or permissions of coding agents',
  },
  {
    code: 'agent-instructions',
    path: /(?:^|\/)(?:\.cursorrules|\.cursorignore|\.windsurfrules|\.roorules[^/]*|\.roomodes|\.continuerules|\.goosehints|\.rules|\.?mcp\.json|\.aider[^/]*|opencode\.jsonc?|airules\.md|copilot-setup-steps\.ya?ml)$/,
    detail: 'instructions, tools or permissions of coding agents',
  },
  {
    code: 'orchestrate-settings',
    path: /(?:^|\/)(?:orchestrate\.ya?ml$|\.orchestrate(?:\/|$))/,
    detail: 'settings of orchestrate: network, checks and approvals of the next run',
  },
  {
    code: 'ci',
    path: /^(?:\.github(?:\/(?:workflows|actions|scripts)(?:\/|$)|$)|\.(?:gitea|forgejo)(?:\/workflows(?:\/|$)|$)|\.gitlab(?:-ci)?(?:\/|$)|\.(?:circleci|buildkite|semaphore|teamcity|tekton|azure-pipelines|azuredevops|woodpecker|builds)(?:\/|$)|\.?ci\/)/,
    detail: 'runs in continuous integration',
  },
  {
    code: 'ci',
    path: /(?:^|\/)(?:[^/]*\.gitlab-ci\.ya?ml|jenkinsfile[^/]*|[^/]*\.jenkinsfile|azure-pipelines?[^/]*\.ya?ml|\.(?:drone|woodpecker|travis|cirrus|appveyor|semaphore|build|circleci|buildkite|wercker)\.(?:ya?ml|star|jsonnet|json)|(?:appveyor|bitbucket-pipelines|cloudbuild|buildspec|codefresh|wercker|screwdriver|circle|shippable|pipeline)\.ya?ml|action\.ya?ml)$/,
    detail: 'runs in continuous integration',
  },
  {
    code: 'ci',
    path: /(?:^|\/)(?:\.readthedocs\.ya?ml|\.?goreleaser\.ya?ml|netlify\.toml|vercel\.json|fly\.toml|render\.yaml|app\.yaml|\.releaserc[^/]*|release\.config\.[a-z]+)$/,
    detail: 'what is built, released or deployed, and how',
  },
  {
    code: 'ci',
    path: /^(?:\.github\/|\.gitlab\/|docs\/)?(?:codeowners|dependabot\.ya?ml|renovate\.json5?|\.?mergify\.ya?ml|settings\.ya?ml|\.renovaterc[^/]*)$/,
    detail: 'decides who reviews, or lets a bot change the repository',
  },
  {
    code: 'editor-task',
    path: /(?:^|\/)(?:\.vscode\/(?:tasks|launch|mcp)\.json|\.vscode|\.idea|\.idea\/(?:runconfigurations\/.*|[^/]*(?:watchertasks|workspace|externaltools|tools|startup|externaldependencies)[^/]*\.xml|tools\/.*)|\.run\/.*|[^/]*\.run\.xml|\.zed\/(?:tasks|settings|debug)\.json|\.zed|\.fleet\/.*|\.vs\/.*|\.theia\/.*|\.helix\/.*)$/,
    detail: 'tasks or programs that an editor starts',
  },
  {
    code: 'editor-task',
    path: /(?:^|\/)(?:\.devcontainer(?:\/|\.json$|$)|\.gitpod\.(?:ya?ml|dockerfile)$|\.idx(?:\/|$))/,
    detail: 'what a development container runs',
  },
  {
    code: 'editor-task',
    path: /(?:^|\/)(?:\.nvim\.lua|\.nvimrc|\.exrc|\.?_?l?vimrc|\.dir-locals(?:-2)?\.el|[^/]*\.sublime-project|\.ycm_extra_conf\.py|\.projectile|\.gdbinit|\.lldbinit)$/,
    detail: 'an editor or debugger runs it when it opens the folder',
  },
  {
    code: 'python-startup',
    path: /(?:^|\/)(?:(?:site|user)customize\.py|[^/]*\.pth)$/,
    detail: 'Python runs it whenever it starts beside it',
  },
  {
    code: 'shell-environment',
    path: /(?:^|\/)(?:\.envrc[^/]*|\.env(?:\.(?!example|sample|template|dist|defaults?$)[^/]*)?|\.?mise(?:\.[a-z.]+)?\.toml|\.tool-versions|\.autoenv[^/]*|\.(?:bashrc|bash_profile|profile|zshrc|zshenv|zprofile|kshrc|cshrc|inputrc|direnvrc|asdfrc)|rust-toolchain(?:\.toml)?|devbox\.json|devenv\.(?:nix|yaml))$/,
    detail: 'a shell, a version manager or a start-up script loads it by itself',
  },
  {
    code: 'shell-environment',
    path: /(?:^|\/)(?:\.direnv|\.?mise)\//,
    detail: 'a shell, a version manager or a start-up script loads it by itself',
  },
  {
    code: 'registry',
    path: /(?:^|\/)(?:\.npmrc|\.yarnrc(?:\.ya?ml)?|bunfig\.toml|pip\.(?:conf|ini)|\.pypirc|uv\.toml|\.?cargo\/config(?:\.toml)?|\.cargo\/credentials(?:\.toml)?|nuget\.config|\.bundle\/config|\.gemrc|\.netrc|_netrc|\.condarc|\.lfsconfig|go\.env|auth\.json|\.curlrc|\.wgetrc)$/,
    detail: 'decides where packages come from, and how',
  },
  {
    code: 'package-script',
    path: /(?:^|\/)(?:\.?pnpmfile\.(?:c|m)?js|pnpm-workspace\.ya?ml|\.yarn\/(?:releases|plugins)\/.*|yarn\.config\.c?js)$/,
    detail: 'a package manager runs it, or takes from it what may run',
  },
  {
    code: 'dependency-source',
    path: /^(?!(?:.*\/)?(?:tests?|__tests__|specs?|e2e|[^/]*fixtures?|playgrounds?|examples?|benchmarks?)\/)(?:.*\/)?(?:node_modules|\.venv|site-packages|__pypackages__)(?:\/|$)/,
    detail: 'an installed package, in the place of what the registry has',
  },
  {
    code: 'submodule',
    path: /(?:^|\/)\.gitmodules$/,
    detail: 'addresses of submodules',
  },
];

/** Taking these away changes what runs, too. */
const MISSED: ReadonlySet<FlagCode> = new Set([
  'git-hook',
  'ci',
  'registry',
  'agent-instructions',
  'orchestrate-settings',
  'submodule',
]);

/** Codes `git-hook`, `ci`, `editor-task`, `agent-instructions` and so on, by path alone. */
export function pathsThatRun(file: InspectedFile): Flag[] {
  const now = file.kind === 'delete' ? undefined : ruleOf(file.key);
  if (now !== undefined) return [flagOf(file, now.code, now.detail)];
  const gone = file.kind === 'delete' ? file.key : file.oldKey;
  const before = gone === null ? undefined : ruleOf(gone);
  if (before === undefined || !MISSED.has(before.code)) return [];
  const what = file.kind === 'delete' ? 'is deleted' : `was ${gone}`;
  return [flagOf(file, before.code, `${what}: ${before.detail}`)];
}

/** Whether a file at this (comparable) path has such a code whatever it holds. */
export function runsByPath(key: string): boolean {
  return ruleOf(key) !== undefined;
}

function ruleOf(key: string): PathRule | undefined {
  return RULES.find(({ path }) => path.test(key));
}
