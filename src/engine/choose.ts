/** Which engine does the thinking where nobody named one. Pure. */

import type { KeyName, Keys } from '../config/env-file.ts';
import { environmentError } from '../errors.ts';

export const MODEL_ENGINES = ['api', 'claude', 'codex'] as const;
export type ModelEngine = (typeof MODEL_ENGINES)[number];

/** Any of these keys makes an engine usable, the one that is used first in front. */
export const KEYS_OF: Readonly<Record<ModelEngine, readonly KeyName[]>> = {
  api: ['ANTHROPIC_API_KEY'],
  claude: ['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN'],
  codex: ['OPENAI_API_KEY'],
};

/**
 * The engine that USE_API_MODE names (`true`: api, `false`: claude), else the first that there is a key for.
 * Environment error NO_ENGINE where there is none: the demo never runs unasked.
 */
export function chooseEngine(found: Keys['found']): ModelEngine {
  const mode = found.USE_API_MODE?.value.toLowerCase();
  if (mode === 'true' || mode === '1') return 'api';
  if (mode === 'false' || mode === '0') return 'claude';
  const usable = MODEL_ENGINES.find((engine) => KEYS_OF[engine].some((name) => found[name] !== undefined));
  if (usable !== undefined) return usable;
  throw environmentError('NO_ENGINE', 'no engine was chosen and there is no key for one', {
    hint:
      'set ANTHROPIC_API_KEY or OPENAI_API_KEY (environment, or ~/.config/orchestrate/.env), ' +
      "or name one: --engine-command '<command>' runs any program as the agent, --engine demo the scripted one",
  });
}
