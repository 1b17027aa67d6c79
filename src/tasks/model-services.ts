/** The services that models are asked at, as people know them, and what is said of a key that one refuses. */

import { environmentError, type OrchestrateError } from '../errors.ts';
import type { ModelApi } from '../types.ts';

export const SERVICE_NAMES: Readonly<Record<ModelApi, string>> = { anthropic: 'Anthropic', openai: 'OpenAI' };

/** One message for a key that a service does not take. */
export function keyRefused(api: ModelApi, status: number, said: string): OrchestrateError {
  return environmentError('KEY_REFUSED', `${SERVICE_NAMES[api]} refuses the key (${status}): ${said}`, {
    hint: 'check the key in the environment or in ~/.config/orchestrate/.env',
  });
}
