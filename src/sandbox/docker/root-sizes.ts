/** What agents wrote into the root file systems of their containers. */

import type Docker from 'dockerode';
import type { AttemptId } from '../../types.ts';
import { ATTEMPT_LABEL, KIND_LABEL, LABEL, RUN_LABEL } from './names.ts';

/** Bytes by attempt, checks of the run `run` among them. Costs the engine a walk over what was written. */
export async function rootSizes(
  docker: Docker,
  { installation, run }: { readonly installation: string; readonly run: string },
): Promise<Map<AttemptId, number>> {
  const sizes = new Map<AttemptId, number>();
  const filters = { label: [`${LABEL}=${installation}`] };
  // The typings lack the answer's field.
  const containers: { Labels: Record<string, string>; SizeRw?: number }[] = await docker.listContainers({
    size: true,
    filters,
  });
  for (const { Labels: found, SizeRw: size } of containers) {
    const kind = found[KIND_LABEL];
    // Agents may be another run's that were taken over; what is a check's name here may be another's elsewhere.
    if (kind === 'agent' || (kind === 'check' && found[RUN_LABEL] === run))
      sizes.set((found[ATTEMPT_LABEL] ?? '') as AttemptId, size ?? 0);
  }
  return sizes;
}
