/** Kinds of work on what is there, and the one for everything else. */

import type { Pattern, Step } from './pattern.ts';

export const BUG: Pattern = {
  name: 'bug',
  words: [
    [/\b(?:fix|fixes|bug|bugs|bugfix|hotfix|defect|regression|crash(?:es|ing)?)\b/, 6],
    [/\b(?:urgent|emergency|outage|production|broken|leak|race condition|deadlock|incident)\b/, 4],
    [/\b(?:error|fails|failing|failure|slow|wrong|hangs?)\b/, 1],
  ],
  priority: 'high',
  approach:
    'The fault is first shown by a test that fails, then repaired at its cause, then looked for elsewhere and noted.',
  steps: [
    {
      id: 'reproduce',
      title: 'Reproduce by a failing test: {whole}',
      role: 'test-engineer',
      text: 'Find the smallest case that shows the fault and write a test that fails because of it, marked as expected to fail. Do not fix it.',
      handOn: 'the name of the test, how to run it, and what you know of the cause',
      acceptance: [
        'A test fails because of the fault and for no other reason.',
        'The note says where the cause seems to be.',
      ],
      files: ['{tests}'],
      size: 'small',
    },
    {
      id: 'fix',
      title: 'Fix at its cause: {whole}',
      role: 'backend-systems-engineer',
      text: 'Repair the cause, not the symptom, with the smallest change that does it; take the expected-to-fail mark off the test.',
      handOn: 'the cause, the change, and who else might have the same fault',
      acceptance: [
        'The test that showed the fault passes.',
        'All other tests pass.',
        'The change touches nothing else.',
      ],
      files: ['{named}'],
      size: 'medium',
      after: ['reproduce'],
    },
    {
      id: 'note',
      title: 'Note cause and effect for the release: {whole}',
      role: 'documentation-writer',
      text: 'Add an entry to the changelog, or the file that the repository has for it: what was wrong, who was affected, what to do.',
      acceptance: ['The entry says what was wrong in words of its users.'],
      files: ['CHANGELOG.md'],
      size: 'small',
      after: ['fix'],
    },
  ],
};

const FEATURE_STEPS: readonly Step[] = [
  {
    id: 'build',
    title: 'Implement {whole}',
    role: 'backend-systems-engineer',
    text: 'Read how the present code does such things, then build it the same way, with unit tests beside it. Decide what the goal leaves open and say why.',
    handOn: 'public names, settings and errors, each with an example',
    acceptance: ['It does what the goal says, shown by unit tests.', 'All tests of before pass.'],
    files: ['{named}', '{src}'],
    size: 'medium',
  },
  {
    id: 'tests',
    title: 'Test {whole} with its error cases',
    role: 'test-engineer',
    text: 'Write integration tests from the point of view of a user: the usual way, wrong input, limits. Report faults; fix only what is trivial.',
    acceptance: ['Usual way, wrong input and limits have a test each.', 'All tests pass.'],
    files: ['{tests}'],
    size: 'medium',
    after: ['build'],
  },
  {
    id: 'docs',
    title: 'Document {whole} with an example that was tried',
    role: 'documentation-writer',
    text: 'Describe what it does, its settings and an example that was tried.',
    acceptance: ['The example was run as written.'],
    files: ['{readme}', '{docs}'],
    size: 'small',
    after: ['build'],
  },
];

export const FEATURE: Pattern = {
  name: 'feature',
  words: [
    [/^\s*(?:please )?(?:add|implement|support|enable|introduce|allow)\b/, 5],
    [/\b(?:feature|existing)\b/, 3],
  ],
  approach: 'The feature is built first; tests and documentation follow at the same time.',
  steps: FEATURE_STEPS,
};

export const SECURE_FEATURE: Pattern = {
  name: 'feature with security',
  words: [
    [/^\s*(?:please )?(?:add|implement|support|enable|introduce|allow)\b/, 4],
    [
      /\b(?:oauth2?|auth|authentication|authorization|login|sign[- ]?in|sso|2fa|mfa|passwords?|encryption|permissions?)\b/,
      3,
    ],
    [/\b(?:feature|existing)\b/, 3],
  ],
  approach: 'The feature is built first; a security review, tests and documentation follow at the same time.',
  steps: [
    ...FEATURE_STEPS,
    {
      id: 'review',
      title: 'Review the security of {whole}',
      role: 'security-engineer',
      text: 'Look for ways around it: missing checks, secrets in code or logs, replay, redirects, time of checks. Write down each finding with how to show it, and what the fix would be.',
      acceptance: ['Each way around that was tried is written down with its result.'],
      files: ['SECURITY-REVIEW.md'],
      size: 'small',
      after: ['build'],
    },
  ],
};

export const DOCS: Pattern = {
  name: 'documentation',
  words: [
    [/^\s*(?:please )?(?:document|write (?:\w+ ){0,3}(?:docs|documentation|guide|tutorial|readme|manual))\b/, 7],
    [/\b(?:documentation|docs|readme|tutorial|user guide|manual|docstrings)\b/, 3],
  ],
  approach:
    'First it is settled who reads what; then guide and reference are written at the same time, and both are tried.',
  steps: [
    {
      id: 'outline',
      title: 'Outline who reads what: {whole}',
      role: 'specifications-engineer',
      text: 'Say who the readers are, what they want to do, which pages that takes, and what is there already. No page is written yet.',
      handOn: 'the list of pages with a sentence for each',
      acceptance: ['Each page has a reader and a purpose.'],
      files: ['{docs}outline.md'],
      size: 'small',
    },
    {
      id: 'guide',
      title: 'Write the guide, each step tried: {whole}',
      role: 'documentation-writer',
      text: 'Lead a newcomer from nothing to a result, each step tried before it is written down.',
      acceptance: ['Each command was run as written.'],
      files: ['{docs}guide/'],
      size: 'medium',
      after: ['outline'],
    },
    {
      id: 'reference',
      title: 'Write the reference of all public names: {whole}',
      role: 'documentation-writer',
      text: 'Describe each public name, option and error from the code itself, with an example each.',
      acceptance: ['Nothing public is missing.', 'Each entry agrees with the code.'],
      files: ['{docs}reference/'],
      size: 'medium',
      after: ['outline'],
    },
    {
      id: 'check',
      title: 'Try examples and links: {whole}',
      role: 'test-engineer',
      text: 'Run every example, follow every link, and add a check that does so again where the repository has tests.',
      acceptance: ['Every example works.', 'No link inside the repository is broken.'],
      files: ['{tests}'],
      size: 'small',
      after: ['guide', 'reference'],
    },
  ],
};

export const REFACTOR: Pattern = {
  name: 'refactoring',
  words: [
    [
      /\b(?:refactor(?:ing)?|clean[- ]?up|restructure|reorgani[sz]e|simplify|technical debt|modulari[sz]e|decouple)\b/,
      7,
    ],
    [/\b(?:rename|extract|deduplicate|legacy)\b/, 2],
  ],
  approach:
    'Behaviour is pinned down by tests while the new shape is drawn; then the code is moved in small steps that keep the tests passing.',
  steps: [
    {
      id: 'shape',
      title: 'Draw the new shape: {whole}',
      role: 'specifications-engineer',
      text: 'Say what is wrong with the present shape, what the new one is, and the small steps that lead there. No code.',
      handOn: 'the steps in order, and which names change',
      acceptance: ['Each step leaves the whole working.', 'Each changed public name is listed.'],
      files: ['{docs}refactoring.md'],
      size: 'small',
    },
    {
      id: 'pin',
      title: 'Pin down behaviour with tests: {whole}',
      role: 'test-engineer',
      text: 'Write tests of present behaviour where there are none, from the outside, so that they survive the change.',
      handOn: 'the command that runs them and what they do not cover',
      acceptance: ['The new tests pass on the present code.'],
      files: ['{tests}'],
      size: 'medium',
    },
    {
      id: 'change',
      title: 'Carry out in small steps: {whole}',
      role: 'refactoring-specialist',
      text: 'Take the steps one by one; behaviour stays the same and the tests pass after each.',
      handOn: 'which names and places changed',
      acceptance: ['All tests pass without being changed.', 'No public behaviour changed.'],
      files: ['{named}', '{src}'],
      size: 'large',
      after: ['shape', 'pin'],
    },
    {
      id: 'docs',
      title: 'Bring documents up to date: {whole}',
      role: 'documentation-writer',
      text: 'Correct every document and comment that names what has moved.',
      acceptance: ['No document names a place that is gone.'],
      files: ['{readme}', '{docs}'],
      size: 'small',
      after: ['change'],
    },
  ],
};

/** What fits when nothing else does. */
export const GENERAL: Pattern = {
  name: 'general',
  words: [],
  approach: 'What is to be done is written down first, then built; tests and documentation follow at the same time.',
  steps: [
    {
      id: 'specify',
      title: 'Specify interfaces and checks: {whole}',
      role: 'specifications-engineer',
      text: 'Read the present code, then write down what is to be built, its interfaces and how one sees that it works. Decide what the goal leaves open and say why. No code.',
      handOn: 'interfaces with examples, and the name of the file that has the whole',
      acceptance: ['Each requirement of the goal is there with a way to check it.'],
      files: ['{docs}design.md'],
      size: 'small',
    },
    {
      id: 'build',
      title: 'Build: {whole}',
      role: 'backend-systems-engineer',
      text: 'Build what is specified, the way the present code does such things, with unit tests.',
      handOn: 'how it is used, and every difference from the specification',
      acceptance: ['Each specified requirement is met, shown by a test.', 'All tests of before pass.'],
      files: ['{named}', '{src}'],
      size: 'large',
      after: ['specify'],
    },
    {
      id: 'tests',
      title: 'Test with error cases: {whole}',
      role: 'test-engineer',
      text: 'Write tests from the point of view of a user: the usual way, wrong input, limits. Report faults; fix only what is trivial.',
      acceptance: ['Usual way, wrong input and limits have a test each.', 'All tests pass.'],
      files: ['{tests}'],
      size: 'medium',
      after: ['build'],
    },
    {
      id: 'docs',
      title: 'Document with an example: {whole}',
      role: 'documentation-writer',
      text: 'Describe what it does and how it is used, with an example that was tried.',
      acceptance: ['The example was run as written.'],
      files: ['{readme}', '{docs}'],
      size: 'small',
      after: ['build'],
    },
  ],
};
