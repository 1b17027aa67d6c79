/** Whether a Swarm can ever take an attempt, with the nodes that it has. Pure. */

import { environmentError, type OrchestrateError } from '../../errors.ts';
import type { SwarmNode } from './reading.ts';
import type { Need } from './service.ts';

/**
 * Environment SWARM_NO_NODE where none of the nodes would do, now or when others have ended; null where it is worth waiting.
 * @param nodes all of the Swarm, those that are away included: they may come back
 * @param avoided why nodes are not to be used, by their id
 */
export function noRoom(
  nodes: readonly SwarmNode[],
  need: Need,
  avoided: ReadonlyMap<string, string>,
): OrchestrateError | null {
  const { cpus, memoryBytes, labels } = need;
  const labelled = nodes.filter((node) => labels.every((label) => node.labels.includes(label)));
  if (labelled.length === 0) {
    const all = labels.length === 1 ? `the label ${labels[0]}` : `all of the labels ${labels.join(', ')}`;
    return noNode(`no node of the Swarm has ${all}`, {
      hint: `give it to one: docker node update --label-add ${labels[0]}${labels[0]?.includes('=') ? '' : '=true'} NODE`,
    });
  }
  const large = labelled.filter((node) => node.cpus >= cpus && node.memoryBytes >= memoryBytes);
  if (large.length === 0) {
    const gibibytes = Math.round((memoryBytes / 1024 ** 3) * 10) / 10;
    return noNode(`no node of the Swarm has ${cpus} CPUs and ${gibibytes} GiB of memory for one agent`, {
      hint: 'ask for less with --cpus and --memory',
    });
  }
  if (large.some(({ node }) => !avoided.has(node))) return null;
  const why = large.map(({ node, name }) => `${name} (${avoided.get(node)})`).join(', ');
  return noNode(`no node of the Swarm can be used: ${why}`, { hint: 'orchestrate doctor' });
}

function noNode(message: string, options: { readonly hint: string }): OrchestrateError {
  return environmentError('SWARM_NO_NODE', message, options);
}
