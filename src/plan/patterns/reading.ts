/** What the words of a goal give away: what it is about, and what it lists. Pure; the cost is linear. */

export interface Reading {
  /** The goal's first sentence without its verb and its additions, at most 60 characters. */
  readonly subject: string;
  /** Things listed in a sentence: `user, order, and payment services` → user, order, payment. */
  readonly items: readonly string[];
  /** Entries of a goal that is a list of things to do; empty: it is no list. */
  readonly list: readonly string[];
  /** Names for the texts of patterns. */
  readonly names: Readonly<Record<string, string>>;
}

/** Of what is longer, the beginning says what kind of work it is. */
const READ = 2_000;
const LONGEST_SUBJECT = 60;
const LONGEST_WHOLE = 80;
const LONGEST_ITEM_WORDS = 6;

const BULLET = /^\s*(?:[-*•‣–]|\d{1,3}[.)]|\[[ x]\]|[a-z]\))\s+(?=\S)/;
const LIST_HEAD =
  /^[^:\n]{0,80}\b(?:sprint|goals?|todos?|to-?do|tasks|milestone|roadmap|backlog|objectives)\b[^:\n]{0,40}:\s*/i;
const VERB =
  /^(?:please\s+)?(?:urgent|hotfix|emergency|bug|feature)?[:!\s]*(?:build|create|make|implement|add|develop|write|set up|design|convert|migrate|refactor|fix|document|introduce|support|enable|clean up|restructure|simplify|upgrade)\s+(?:(?:a|an|the|our|complete|new)\s+)*/i;
const ADDITION = /\s+(?:with|using|based on|including|so that|because|via)\s+|[.;:!?](?:\s|$)|,\s/;
const HEAD_NOUN = /\s+(?:(?:micro)?services|modules|pages|endpoints|components|apis|teams|areas)$/i;

const TECHNOLOGIES: Readonly<Record<string, readonly string[]>> = {
  frontend: ['React', 'Vue', 'Angular', 'Svelte', 'Next.js', 'SolidJS', 'HTMX'],
  backend: [
    'FastAPI',
    'Flask',
    'Django',
    'Express',
    'NestJS',
    'Rails',
    'Laravel',
    'Spring',
    'GraphQL',
    'Go',
    'Node.js',
  ],
  database: ['PostgreSQL', 'Postgres', 'MySQL', 'MariaDB', 'SQLite', 'MongoDB', 'Redis', 'DynamoDB'],
  engine: ['Apache Spark', 'Spark', 'dbt', 'Flink', 'Beam', 'Pandas', 'Polars'],
  scheduler: ['Airflow', 'Dagster', 'Prefect', 'Step Functions', 'cron'],
};
const UNNAMED: Readonly<Record<string, string>> = {
  frontend: 'frontend',
  backend: 'backend',
  database: 'database',
  engine: 'batch',
  scheduler: 'workflow',
};

export function readGoal(goal: string): Reading {
  const beginning = goal.slice(0, READ).trim();
  const items = itemsOf(beginning);
  const subject = subjectOf(beginning);
  const route = /\bfrom\s+(\S{1,40}(?:\s(?!to\b)\S{1,40}){0,2})\s+(?:in)?to\s+(\S{1,40})/i.exec(beginning);
  const technologies = Object.fromEntries(
    Object.entries(TECHNOLOGIES).map(([kind, names]) => {
      const found = names.find((name) => hasWord(beginning, name));
      return [kind, found ?? UNNAMED[kind] ?? kind];
    }),
  );
  return {
    subject,
    items,
    list: listOf(goal),
    names: {
      ...technologies,
      subject,
      whole: wholeOf(beginning) || subject,
      source: shortened(route?.[1] ?? 'the source'),
      target: shortened((route?.[2] ?? 'the target').replace(/[.,;:!?]+$/, '')),
    },
  };
}

function hasWord(text: string, name: string): boolean {
  const escaped = name.replace(/[.]/g, '\\.');
  // `Go` and `Express` are words of the language too, unless they are written as names.
  return new RegExp(`(?<![\\p{L}\\p{N}])${escaped}(?![\\p{L}\\p{N}])`, name.length < 8 ? 'u' : 'iu').test(text);
}

/** The first line that says something, without its verb. */
function wholeOf(text: string): string {
  return shortened(
    firstLine(text)
      .replace(VERB, '')
      .replace(/^from\s+(?=.*\sto\s)/i, ''),
    LONGEST_WHOLE,
  );
}

function firstLine(text: string): string {
  const lines = text.split('\n');
  const line = lines.find((each) => /[\p{L}\p{N}]/u.test(each)) ?? lines[0] ?? '';
  return line.replace(BULLET, '').replace(/\s+/g, ' ').trim();
}

function subjectOf(text: string): string {
  const plain = firstLine(text);
  const bare = plain.replace(VERB, '').replace(/^from\s+(?=.*\sto\s)/i, '');
  const start = bare.split(ADDITION)[0]?.trim() ?? '';
  const purpose =
    /^.{0,60}?\bpipelines?\s+(?:to|that|which|for)\s+(?:process(?:es)?|load(?:s)?|transform(?:s)?)?\s*(.+?)(?:\s+from\s.*)?$/i.exec(
      start,
    );
  return shortened(purpose?.[1] ?? start.replace(/\s+from\s+\S+\s+to\s+\S+.*$/i, '')) || shortened(plain) || 'the goal';
}

/** Cut between words where that leaves enough. */
export function shortened(text: string, length = LONGEST_SUBJECT): string {
  const line = text.replace(/\s+/g, ' ').trim();
  if (line.length <= length) return line;
  const end = line.lastIndexOf(' ', length);
  return (end > length / 2 ? line.slice(0, end) : line.slice(0, length).replace(/[\uD800-\uDBFF]$/, '')).trim();
}

function itemsOf(text: string): string[] {
  const sentence = (text.split('\n')[0] ?? '').slice(0, 500);
  const comma = sentence.indexOf(',');
  const before = comma < 0 ? sentence : sentence.slice(0, comma);
  const from = Math.max(...[' with ', ' for ', ' including ', ': '].map((word) => before.lastIndexOf(word)));
  const start = from < 0 ? sentence : sentence.slice(from).replace(/^(?:\s\S+\s|:\s)/, '');
  const pieces = split(start.split(/[.;!?](?:\s|$)/)[0] ?? '');
  if (pieces.length < 2) return [];
  const bare = pieces.map((piece) => piece.replace(HEAD_NOUN, ''));
  return [...new Set(bare.filter((piece) => piece !== ''))];
}

/** The pieces of `a, b and c`; empty where one is no name but half a sentence. */
export function split(text: string): string[] {
  const pieces = text.split(/\s*,\s*(?:and\s+|or\s+)?|\s+and\s+|\s+&\s+/).map((piece) => piece.trim());
  const isNames = pieces.every((piece) => piece !== '' && piece.split(/\s+/).length <= LONGEST_ITEM_WORDS);
  return isNames && pieces.length > 1 ? pieces : [];
}

function listOf(goal: string): string[] {
  const bullets = bulletsOf(goal);
  if (bullets.length > 1) return bullets;
  const head = LIST_HEAD.exec(goal.slice(0, READ));
  if (head !== null) {
    const told = split(goal.slice(head[0].length, READ).replace(/[.\s]+$/, ''));
    if (told.length > 1 && goal.length <= READ) return told;
  }
  const parts = goal.split(/;\s+|;$/).map((part) => part.trim());
  const said = parts.filter((part) => part !== '');
  return said.length > 1 && said.every((part) => part.split(/\s+/).length > 1) ? said : [];
}

/** The entries at the outer level of a bullet or numbered list, deeper lines with the entry above. */
export function bulletsOf(text: string): string[] {
  const entries: string[] = [];
  let outer: number | null = null;
  for (const line of text.split('\n')) {
    const indent = line.length - line.trimStart().length;
    if (BULLET.test(line) && (outer === null || indent <= outer)) {
      outer ??= indent;
      entries.push(line.replace(BULLET, '').trim());
    } else if (entries.length > 0 && line.trim() !== '') {
      entries[entries.length - 1] = `${entries.at(-1)}\n${line.trim()}`;
    }
  }
  return entries;
}
