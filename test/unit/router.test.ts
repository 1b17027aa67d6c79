import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_ROLE, ROLES } from '../../src/roles/catalogue.ts';
import { chooseRole, routeTask } from '../../src/roles/router.ts';
import { cpuWatch } from '../support/cpu-time.ts';

describe('routeTask', () => {
  it.each([
    ['Add OAuth2 authentication to existing Flask app', 'backend-systems-engineer'],
    ['Build React components for task list and forms', 'frontend-ui-engineer'],
    ['Design data model and governance policies', 'data-architect-governance'],
    ['Build Apache Spark job for transformation', 'data-pipeline-engineer'],
    ['Set up S3 events and Lambda triggers', 'aws-cloud-architect'],
    ['Create Airflow DAG for orchestration', 'data-pipeline-engineer'],
    ['Build data quality validation checks', 'data-science-analyst'],
    ['Set up PostgreSQL database with user and task tables', 'backend-systems-engineer'],
    ['URGENT: Fix memory leak in payment processing service', 'backend-systems-engineer'],
    ['Designing feature engineering pipeline', 'ml-systems-architect'],
    ['Performing EDA and statistical analysis', 'data-science-analyst'],
    ['Building model serving API', 'backend-systems-engineer'],
  ])('sends "%s" to %s', (title, role) => {
    expect(routeTask({ title }).role).toBe(role);
  });

  it.each([
    ['Add tests for the React login form', 'test-engineer'],
    ['Document the Terraform modules', 'documentation-writer'],
    ['Refactor the database layer of the API', 'refactoring-specialist'],
    ['Fix SQL injection in the search endpoint', 'security-engineer'],
  ])('puts the kind of work before the field: "%s"', (title, role) => {
    expect(routeTask({ title }).role).toBe(role);
  });

  it.each([
    ['src/ui/login.tsx', 'frontend-ui-engineer', '*.tsx'],
    ['site/main.css', 'frontend-ui-engineer', '*.css'],
    ['infra/main.tf', 'aws-cloud-architect', '*.tf'],
    ['Dockerfile', 'aws-cloud-architect', 'dockerfile*'],
    ['.github/workflows/ci.yml', 'aws-cloud-architect', '.github/workflows/**'],
    ['dags/nightly.py', 'data-pipeline-engineer', 'dags/**'],
    ['dbt/models/orders.sql', 'data-pipeline-engineer', 'dbt/**'],
    ['explore/churn.ipynb', 'data-science-analyst', '*.ipynb'],
    ['docs/intro.html.md', 'documentation-writer', 'docs/**'],
    ['docs/', 'documentation-writer', 'docs/**'],
    ['NOTES.md', 'documentation-writer', '*.md'],
    ['test/unit/a.ts', 'test-engineer', 'test/**'],
    ['pkg/store_test.go', 'test-engineer', '*_test.*'],
    ['src/App.spec.ts', 'test-engineer', '*.spec.*'],
    ['api/openapi.yaml', 'specifications-engineer', 'openapi*.*'],
    ['api/user.proto', 'specifications-engineer', '*.proto'],
    ['db/migrations/0001.py', 'backend-systems-engineer', 'migrations/**'],
    ['**/*.vue', 'frontend-ui-engineer', '*.vue'],
  ])('goes by the file %s', (file, role, glob) => {
    expect(routeTask({ title: 'Make it right', files: [file] })).toMatchObject({ role, reason: `files: ${glob}` });
  });

  it('goes by most of the files, those that accompany others aside', () => {
    const title = 'Make it right';
    expect(routeTask({ title, files: ['a.tsx', 'a.spec.tsx', 'README.md'] }).role).toBe('frontend-ui-engineer');
    expect(routeTask({ title, files: ['a.ts', 'a.test.ts'] }).reason).toBe('nothing else fits');
    expect(routeTask({ title, files: ['a.test.ts', 'b.test.ts'] }).role).toBe('test-engineer');
    expect(routeTask({ title, files: ['main.tf', 'vpc.tf', 'a.tsx'] }).role).toBe('aws-cloud-architect');
  });

  it('takes the files that the text names where no others are known', () => {
    expect(routeTask({ title: 'Make it right', description: 'It is in `web/login.tsx`.' }).reason).toMatch(
      /files: \*\.tsx$/,
    );
    const files = ['infra/main.tf'];
    expect(routeTask({ title: 'Make it right', description: 'See web/App.tsx', files }).reason).toBe('files: *.tf');
  });

  it('says why with the words as they were written', () => {
    expect(routeTask({ title: 'Add a login endpoint to the API' }).reason).toBe('words: login, endpoint, API');
    expect(routeTask({ title: 'Make it faster' })).toEqual({
      ...{ role: DEFAULT_ROLE, reason: 'nothing else fits', scores: {} },
    });
  });

  it('counts the title for more than the description', () => {
    const task = { title: 'Style the React button', description: 'Terraform.' };
    expect(routeTask(task).role).toBe('frontend-ui-engineer');
    expect(routeTask({ title: task.description, description: task.title }).role).toBe('aws-cloud-architect');
    expect(routeTask({ title: 'Make it right', description: 'The Terraform state is locked.' }).role).toBe(
      'aws-cloud-architect',
    );
  });

  it('counts what the description repeats once', () => {
    const title = 'Style the React button';
    expect(routeTask({ title, description: title })).toEqual(routeTask({ title }));
  });

  it('is not won by saying one thing often', () => {
    const title = 'Fix the XSS';
    expect(routeTask({ title, description: 'React CSS. '.repeat(1000) }).role).toBe('security-engineer');
  });

  it('gives equal points to the kind of work, then to the narrower field', () => {
    const { scores, role } = routeTask({ title: 'kafka terraform' });
    expect(scores['data-pipeline-engineer']).toBe(scores['aws-cloud-architect']);
    expect(role).toBe('data-pipeline-engineer');
  });
});

describe('roles besides the built-in ones', () => {
  const billing = { name: 'billing-specialist', description: 'Invoices, Stripe subscriptions and tax rules.' };

  it.each([
    ['Fix the billing webhook', 'words: billing'],
    ['Round the tax on Stripe invoices', 'words: invoices, Stripe, tax'],
  ])('win with words of their own: "%s"', (title, reason) => {
    expect(routeTask({ title }, [billing])).toMatchObject({ role: 'billing-specialist', reason });
  });

  it.each(['Fix the webhook', 'Add tests for the tax page', 'Make it faster', 'Ask a specialist and fix the rules'])(
    'do not win without: "%s"',
    (title) => {
      expect(routeTask({ title }, [billing]).role).not.toBe('billing-specialist');
    },
  );

  it('do not change what a built-in role of that name takes', () => {
    const own = { name: 'test-engineer', description: 'Kubernetes clusters, Helm charts and ingress.' };
    expect(routeTask({ title: 'Ingress for Helm charts of Kubernetes clusters' }, [own]).role).toBe(
      'aws-cloud-architect',
    );
  });
});

describe('chooseRole', () => {
  const task = { title: 'Build React components' };

  it.each([
    ['you', { explicit: 'test-engineer', planned: 'security-engineer' }, 'test-engineer', 'chosen by you'],
    ['the planner', { explicit: null, planned: 'security-engineer' }, 'security-engineer', 'chosen by the planner'],
    ['the words', { explicit: null, planned: null }, 'frontend-ui-engineer', 'words: React, components'],
  ])('asks you, then the planner, then the words: %s', (_, said, role, reason) => {
    expect(chooseRole({ ...said, task })).toEqual({ role, reason });
  });
});

describe('whatever the text', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc
      .array(
        fc.constantFrom(
          '\u0000',
          '\u001b[31m',
          '\n',
          'API',
          'DataTable',
          'test/',
          '**/',
          '../',
          '^',
          'constructor',
          '__proto__',
          '日本',
          '\ud800',
        ),
        {
          maxLength: 40,
        },
      )
      .map((parts) => parts.join(' ')),
  );
  const own = fc.array(
    fc.record({ name: fc.oneof(fc.constantFrom('__proto__', 'constructor'), text), description: text }),
    {
      maxLength: 3,
    },
  );

  it('gives a known role and one plain line, the same each time', () => {
    fc.assert(
      fc.property(text, text, fc.array(text, { maxLength: 5 }), own, (title, description, files, candidates) => {
        const given = routeTask({ title, description, files }, candidates);
        expect([...ROLES, ...candidates.map(({ name }) => name)]).toContain(given.role);
        expect(given.reason).toMatch(/^(nothing else fits|(words|files): [\p{L}\p{N} ,;:.*/_-]+)$/u);
        expect(routeTask({ title, description, files }, candidates)).toEqual(given);
      }),
    );
  });

  it.each([
    ['one word', (size: number) => 'a'.repeat(size)],
    ['words', (size: number) => 'unit test '.repeat(size / 10)],
    ['capitals', (size: number) => 'aB'.repeat(size / 2)],
    ['stars', (size: number) => '*/'.repeat(size / 2)],
    ['paths', (size: number) => 'a/b.tsx '.repeat(size / 8)],
    ['slashes', (size: number) => `a${'/a'.repeat(size / 2)}`],
    ['blanks', (size: number) => ' '.repeat(size)],
  ])('costs no more than its length: %s', { timeout: 60_000 }, (_, make) => {
    const cost = (size: number) => {
      const text = make(size);
      const times = Array.from({ length: 5 }, () => {
        const used = cpuWatch();
        for (let i = 0; i < 10; i += 1) routeTask({ title: text, description: text, files: [text] });
        return used();
      });
      return Math.min(...times);
    };
    // Quadratic would be a hundred times. Of more only the beginning is read.
    expect(cost(20_000) / cost(2_000)).toBeLessThan(50);
    expect(cost(1024 ** 2) / cost(20_000)).toBeLessThan(5);
  });
});
