/** Which engine does the thinking where nobody named one. Pure. */

import type { KeyName, Keys } from '../config/env-file.ts';
import { environmentError } from '../errors.ts';
import type { ModelApi } from '../types.ts';

export const MODEL_ENGINES = ['api', 'claude', 'codex'] as const;
export type ModelEngine = (typeof MODEL_ENGINES)[number];

/** Any of these keys makes an engine usable, the one that is used first in front. */
const KEYS_OF: Readonly<Record<ModelEngine, readonly KeyName[]>> = {
  // A subscription's token is for the vendor's own program alone.
  api: ['ANTHROPIC_API_KEY'],
  claude: ['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN'],
  codex: ['OPENAI_API_KEY'],
};

/** The keys by which an engine may ask a service: a command of the settings may be the vendor's program. */
export function keysFor(engine: string, api: ModelApi): readonly KeyName[] {
  if (api === 'openai') return KEYS_OF.codex;
  return engine === 'api' ? KEYS_OF.api : KEYS_OF.claude;
}

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
