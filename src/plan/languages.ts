/** Languages and formats by the ends of file names. */

const ENDS: Readonly<Record<string, string>> = {
  TypeScript: 'ts tsx mts cts',
  JavaScript: 'js jsx mjs cjs',
  Python: 'py pyi',
  'Jupyter notebooks': 'ipynb',
  Go: 'go',
  Rust: 'rs',
  Java: 'java',
  Kotlin: 'kt kts',
  Scala: 'scala',
  Ruby: 'rb erb rake',
  PHP: 'php',
  'C#': 'cs',
  C: 'c h',
  'C++': 'cpp cc cxx hpp hh',
  Swift: 'swift',
  Dart: 'dart',
  Elixir: 'ex exs',
  Haskell: 'hs',
  R: 'r rmd',
  Lua: 'lua',
  Perl: 'pl pm',
  Shell: 'sh bash zsh',
  SQL: 'sql',
  HTML: 'html htm',
  CSS: 'css scss sass less',
  Vue: 'vue',
  Svelte: 'svelte',
  Terraform: 'tf tfvars',
  'Protocol Buffers': 'proto',
  GraphQL: 'graphql gql',
  Markdown: 'md mdx markdown',
  reStructuredText: 'rst',
  YAML: 'yaml yml',
  JSON: 'json jsonl json5',
  TOML: 'toml',
  XML: 'xml',
  CSV: 'csv tsv',
};

const BY_END: ReadonlyMap<string, string> = new Map(
  Object.entries(ENDS).flatMap(([name, ends]) => ends.split(' ').map((end): [string, string] => [end, name])),
);

/** Null where the end of the name says nothing. */
export function languageOf(path: string): string | null {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (/^(?:Dockerfile|Containerfile)\b/.test(name)) return 'Dockerfile';
  const dot = name.lastIndexOf('.');
  return dot < 0 ? null : (BY_END.get(name.slice(dot + 1).toLowerCase()) ?? null);
}
