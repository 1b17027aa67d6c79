/** Plans as models give them, and what they are asked for. */

import type { RepositoryMap } from '../../src/plan/map.ts';
import type { Ground } from '../../src/plan/planner.ts';
import { ROLES } from '../../src/roles/catalogue.ts';
import { type ModelRequest, saidTo, type Turn } from './model-server/script.ts';

export interface AnsweredTask {
  readonly key: string;
  readonly title: string;
  readonly description: string;
  readonly acceptance: readonly string[];
  readonly role: string;
  readonly priority: string;
  readonly dependsOn: readonly string[];
  readonly files: readonly string[];
  readonly size: string;
}

/** A task of an answer; whatever is given may be as wrong as a test wants it. */
export function answered(key: string, more: Readonly<Record<string, unknown>> = {}): AnsweredTask {
  return {
    key,
    title: `Do ${key}`,
    description: `What ${key} is about.`,
    acceptance: [`The tests of ${key} pass.`],
    role: 'backend-systems-engineer',
    priority: 'normal',
    dependsOn: [],
    files: [`src/${key}.ts`],
    size: 'small',
    ...more,
  };
}

export function planJson(tasks: readonly unknown[], approach = 'Step by step.'): string {
  return JSON.stringify({ approach, tasks });
}

const MAP: RepositoryMap = {
  languages: [{ name: 'TypeScript', files: 12 }],
  fileCount: 14,
  tree: ['README.md', 'src/ (12 files)'],
  readme: '# Sample',
  guidance: null,
  history: ['start'],
};

export function groundOf(goal: string, map: Partial<RepositoryMap> = {}): Ground {
  const roles = ROLES.map((name) => ({ name, description: `Does what a ${name} does` }));
  return { goal, map: { ...MAP, ...map }, roles };
}

/** Key, role, what it depends on, files. */
type Row = readonly [key: string, role: string, dependsOn: readonly string[], ...files: readonly string[]];

/** The goals that the product was ordered with, and a plan for each. */
export const SEED_PLANS: Readonly<Record<string, readonly Row[]>> = {
  'Build a task management app with React frontend and FastAPI backend': [
    ['schema', 'data-architect-governance', [], 'backend/models.py', 'backend/migrations/'],
    ['api', 'backend-systems-engineer', ['schema'], 'backend/routes/', 'backend/main.py'],
    ['task-list', 'frontend-ui-engineer', [], 'frontend/src/list/'],
    ['task-form', 'frontend-ui-engineer', [], 'frontend/src/form/'],
    ['join-up', 'frontend-ui-engineer', ['api', 'task-list', 'task-form'], 'frontend/src/app.tsx'],
    ['tests', 'test-engineer', ['join-up'], 'tests/'],
    ['docs', 'documentation-writer', ['join-up'], 'README.md'],
  ],
  'Create an ETL pipeline to process daily sales data from S3 to Snowflake': [
    ['data-model', 'data-architect-governance', [], 'pipelines/model.sql'],
    ['transform', 'data-pipeline-engineer', ['data-model'], 'pipelines/transform.py'],
    ['triggers', 'aws-cloud-architect', [], 'infrastructure/'],
    ['schedule', 'data-pipeline-engineer', ['transform'], 'pipelines/dag.py'],
    ['quality', 'data-science-analyst', ['data-model'], 'pipelines/quality.py'],
  ],
  'Build a customer churn prediction system': [
    ['features', 'ml-systems-architect', [], 'churn/features.py'],
    ['analysis', 'data-science-analyst', [], 'analysis/churn.ipynb'],
    ['training', 'ml-systems-architect', ['features'], 'churn/train.py'],
    ['serving', 'backend-systems-engineer', ['training'], 'churn/serve.py'],
  ],
  'Convert monolithic app to microservices with user, order, and payment services': [
    ['interfaces', 'specifications-engineer', [], 'docs/services.md'],
    ['users', 'backend-systems-engineer', ['interfaces'], 'services/users/'],
    ['orders', 'backend-systems-engineer', ['interfaces'], 'services/orders/'],
    ['payments', 'backend-systems-engineer', ['interfaces'], 'services/payments/'],
    ['gateway', 'backend-systems-engineer', ['users', 'orders', 'payments'], 'services/gateway/'],
    ['tests', 'test-engineer', ['gateway'], 'tests/services/'],
  ],
  'Add OAuth2 authentication to existing Flask app': [
    ['oauth2', 'security-engineer', [], 'app/auth.py', 'tests/test_auth.py'],
  ],
  'Implement complete admin dashboard with user management, analytics, and reporting': [
    ['user-api', 'backend-systems-engineer', [], 'server/users/'],
    ['analytics-api', 'backend-systems-engineer', [], 'server/analytics/'],
    ['user-pages', 'frontend-ui-engineer', ['user-api'], 'web/users/'],
    ['charts', 'frontend-ui-engineer', ['analytics-api'], 'web/charts/'],
    ['reports', 'backend-systems-engineer', ['analytics-api'], 'server/reports/'],
  ],
};

/** A model that plans: it knows the goals above. */
export function planningModel(request: ModelRequest): Turn {
  const goal = /<goal>\n([\s\S]*?)\n<\/goal>/.exec(saidTo(request))?.[1] ?? '';
  const rows = SEED_PLANS[goal];
  if (rows === undefined) throw new Error(`the model does not know the goal ${goal}`);
  return { text: planJson(rows.map(([key, role, dependsOn, ...files]) => answered(key, { role, dependsOn, files }))) };
}
