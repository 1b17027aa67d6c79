/** Which files speak for which role. */

import type { RoleName } from './catalogue.ts';

/**
 * The first row that fits a path decides. A star is any run of characters but `/`, two stars are any run at all, `**` with a
 * slash also nothing. Paths are compared in lower case.
 */
const ROWS: readonly (readonly [RoleName, string])[] = [
  ['test-engineer', '**/test/** **/tests/** **/__tests__/** **/e2e/** **/testdata/** **/fixtures/** spec/**'],
  ['test-engineer', '**/*.test.* **/*.spec.* **/*_test.* **/test_*.py **/*_spec.rb **/conftest.py'],
  ['specifications-engineer', '**/openapi*.* **/swagger*.* **/asyncapi*.* **/*.proto **/rfcs/** **/specs/** **/adr/**'],
  ['aws-cloud-architect', '**/*.tf **/*.tfvars **/dockerfile* **/*.dockerfile **/docker-compose*.* **/compose.yaml'],
  [
    'aws-cloud-architect',
    '.github/workflows/** .gitlab-ci.yml **/jenkinsfile .circleci/** .ci/** **/cdk.json **/helm/**',
  ],
  ['aws-cloud-architect', '**/charts/** **/k8s/** **/terraform/** infra/** **/kustomization.yaml'],
  ['data-pipeline-engineer', '**/dags/** **/dbt_project.yml **/dbt/** **/models/**.sql **/etl/** **/pipelines/**'],
  ['data-science-analyst', '**/*.ipynb **/notebooks/** **/*.rmd **/expectations/**'],
  [
    'ml-systems-architect',
    '**/training/** **/inference/** **/train.py **/train_*.py **/*.onnx **/*.safetensors **/*.cu',
  ],
  ['data-architect-governance', '**/*.avsc **/catalog/** **/glossary*.* **/lineage/** **/governance/**'],
  ['frontend-ui-engineer', '**/*.tsx **/*.jsx **/*.vue **/*.svelte **/*.css **/*.scss **/*.sass **/*.less **/*.html'],
  ['frontend-ui-engineer', '**/components/** **/frontend/** ui/**'],
  ['documentation-writer', '**/docs/** doc/** **/*.md **/*.mdx **/*.rst **/*.adoc **/changelog*'],
  ['backend-systems-engineer', '**/migrations/** **/*.sql server/** backend/** api/** **/routes/** **/controllers/**'],
];
/** Their files accompany other work: they speak only where no others are touched. */
const ACCOMPANYING: readonly string[] = ['test-engineer', 'documentation-writer'];

const MOST_FILES = 200;
const LONGEST_PATH = 300;

const PATTERNS = ROWS.flatMap(([role, globs]) =>
  globs.split(' ').map((glob) => ({ role, glob: glob.replace(/^\*\*\//, ''), regExp: regExpOf(glob) })),
);

/** That so much of what is touched belongs to a role. */
export interface FileVote {
  readonly role: RoleName;
  /** Of all files, above 0 to 1. */
  readonly share: number;
  /** One of the patterns that fitted. */
  readonly glob: string;
}

/** What the paths (or globs) of a task speak for. Cost is linear; of very many only the first count. */
export function fileVotes(paths: readonly string[]): FileVote[] {
  const fits = paths.slice(0, MOST_FILES).map((path) => {
    const folded = path
      .slice(0, LONGEST_PATH)
      .toLowerCase()
      .replace(/^\.?\//, '');
    return PATTERNS.find(({ regExp }) => regExp.test(folded));
  });
  const main = fits.filter((fit) => fit === undefined || !ACCOMPANYING.includes(fit.role));
  const counted = main.length > 0 ? main : fits;
  return [...new Set(counted.map((fit) => fit?.role))].flatMap((role) => {
    const its = counted.filter((fit) => fit?.role === role);
    const [first] = its;
    return first === undefined ? [] : [{ role: first.role, share: its.length / counted.length, glob: first.glob }];
  });
}

/** The paths that a text names: words with a dot or a slash inside, at most 200. */
export function pathsIn(text: string): string[] {
  const words = text
    .split(/[\s`'"()<>,;]+/)
    .filter((word) => /^[\w@.][\w@./*-]*$/.test(word) && word.length < LONGEST_PATH);
  return words.filter((word) => /\w\.\w|\w\/[\w.]/.test(word)).slice(0, MOST_FILES);
}

function regExpOf(glob: string): RegExp {
  const source = glob.replace(/\*\*\/|\*\*|\*|[.]/g, (found) => {
    if (found === '**/') return '(?:.*/)?';
    if (found === '**') return '.*';
    return found === '*' ? '[^/]*' : '\\.';
  });
  return new RegExp(`^${source}$`, 's');
}
