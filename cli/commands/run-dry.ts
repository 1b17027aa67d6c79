/** `run --dry-run`: what would run, where, with which limits, what it could reach and cost. Nothing is started. */

import type { Settings } from '../../src/config/settings.ts';
import { webhookHost } from '../../src/gateway/webhook.ts';
import { type WantedHost, wantedHosts } from '../../src/sandbox/docker/hosts.ts';
import { revealLine } from '../../src/sanitise.ts';
import { CLOCK, type Deadline, deadlineOf, timeText } from '../../src/tasks/deadline.ts';
import type { Context } from '../context.ts';
import { type Thinking, thinkingOf } from '../engines.ts';
import { formatDuration, formatSize } from '../render/quantities.ts';

export interface PlannedTask {
  /** Null: it is not queued yet. */
  readonly id: string | null;
  readonly title: string;
  readonly agent: string;
  readonly priority: string;
  readonly phase: number;
}

interface Planned {
  readonly tasks: readonly PlannedTask[];
  readonly hosts: readonly WantedHost[];
}

/** `tasks`: in the order in which they would be worked. Throws what a run would throw before it starts anything. */
export async function dryRun(context: Context, settings: Settings, tasks: readonly PlannedTask[]): Promise<void> {
  const thinking = await thinkingOf(
    context,
    settings,
    tasks.map(({ agent }) => agent),
  );
  const hosts = settings.sandbox === 'swarm' ? [] : wantedHosts(settings);
  const deadline = settings.end === null ? null : deadlineOf(settings.end, null, CLOCK);
  const lines = [...linesOf(settings, thinking, { tasks, hosts }), ...(deadline === null ? [] : [endLine(deadline)])];
  if (context.json)
    context.printJson({ ...documentOf(settings, thinking, { tasks, hosts }), deadline: deadline?.at ?? null });
  else context.print(`${lines.join('\n')}\n`);
}

function documentOf(settings: Settings, thinking: Thinking, { tasks, hosts }: Planned) {
  return {
    tasks: tasks.map(({ id, title, agent, priority, phase }) => ({ id, title, agent, priority, phase })),
    engine: thinking.engine.name,
    engineChosenByKeys: settings.engine === null,
    model: settings.model,
    network: settings.network,
    reach: reachOf(settings, thinking),
    budget: { usd: settings.budget.usd, tokens: settings.budget.tokens, taskUsd: settings.taskBudgetUsd },
    maxAgents: settings.maxAgents,
    sandbox: settings.sandbox,
    host: hosts[0]?.name ?? 'local',
    hosts: hosts.map(({ name, url, slots, labels }) => ({ name, url, slots, labels })),
    image: settings.image,
    dockerfile: settings.dockerfile,
    workspace: settings.workspace,
    runtime: settings.runtime,
    setup: settings.setUp?.command ?? null,
    setupReach: setUpReach(settings),
    checks: settings.checks,
    autoApprove: settings.autoApprove,
    autoMerge: settings.autoMerge,
    maxPendingReviews: settings.maxPendingReviews,
    /** The address itself is a secret. */
    notify: settings.notify === null ? null : webhookHost(settings.notify),
    history: settings.history,
    timeoutMs: settings.timeoutMs,
    idleTimeoutMs: settings.idleTimeoutMs,
    limits: settings.limits,
  };
}

function linesOf(settings: Settings, thinking: Thinking, { tasks, hosts }: Planned): string[] {
  const { limits, setUp, timeoutMs, idleTimeoutMs } = settings;
  const times = `time-out ${formatDuration(timeoutMs)}, idle ${formatDuration(idleTimeoutMs)}`;
  const size = `memory ${formatSize(limits.memoryBytes)}, ${limits.cpus} CPUs, ${limits.pids} processes, disk ${formatSize(limits.diskBytes)}`;
  const lines = [
    `${tasks.length} ${tasks.length === 1 ? 'task' : 'tasks'}, ${settings.maxAgents} at once, ${whereText(settings, hosts)}`,
    `${engineLine(settings, thinking)}, ${imageOf(settings)}, ${times}`,
    costLine(settings, thinking),
    reachLine(reachOf(settings, thinking)),
    `per sandbox: ${size}`,
    ...(setUp === null
      ? []
      : [
          `set-up before the first agent: ${setUp.command}`,
          `  which reaches ${setUpReach(settings).join(', ') || 'nothing'}`,
        ]),
    ...reviewLines(settings),
    ...(settings.notify === null ? [] : [`${webhookHost(settings.notify)} is told when it ends or needs you`]),
    ...tasks.map(({ id, title, phase, priority }) => `  phase ${phase}  ${priority.padEnd(6)}  ${id ?? title}`),
  ];
  return lines.map(revealLine);
}

function whereText({ sandbox, on }: Settings, hosts: readonly WantedHost[]): string {
  if (sandbox === 'swarm') return `where Swarm has room${on.length === 0 ? '' : ` on nodes labelled ${on.join(', ')}`}`;
  const [first] = hosts;
  if (hosts.length === 1 && first?.url === null) return 'on the local Docker engine';
  return `on ${hosts.map(({ name, url }) => (url === null || url === name ? name : `${name} (${url})`)).join(', ')}`;
}

function endLine({ at, closingMs, text }: Deadline): string {
  const closing = timeText(new Date(at.getTime() - closingMs), CLOCK.wall());
  return `ends at ${text}: nothing is started after ${closing}, and what is at work then is kept`;
}

function reviewLines({ checks, autoApprove, autoMerge, maxPendingReviews: most }: Settings): string[] {
  const what = autoMerge === null ? '' : `, and merged into ${autoMerge}`;
  return [
    ...checks.map((command) => `check on each patch: ${command}`),
    ...(checks.length === 0 ? ['no check on patches (--check)'] : []),
    autoApprove === 'passing'
      ? `what passes its checks and has no sensitive flag is approved by itself${what}`
      : `every patch waits for a person${what === '' ? '' : `; what is approved is merged into ${autoMerge}`}`,
    ...(most === null ? [] : [`nothing is started while ${most} ${most === 1 ? 'patch waits' : 'patches wait'}`]),
  ];
}

function engineLine({ engine: chosen, model }: Settings, { engine }: Thinking): string {
  const why = chosen === null ? ' (chosen by the keys there are)' : '';
  const which = engine.apis.length === 0 ? '' : `, model ${model ?? "of the engine's choice"}`;
  return `engine ${engine.name}${why}${which}`;
}

function imageOf({ image, dockerfile, runtime }: Settings): string {
  const under = runtime === null ? '' : `, runtime ${runtime}`;
  return `${dockerfile === null ? `image ${image ?? 'orchestrate-agent'}` : `image built from ${dockerfile}`}${under}`;
}

function costLine({ budget, taskBudgetUsd }: Settings, { engine }: Thinking): string {
  if (engine.apis.length === 0) return 'cost: the gateway asks no model';
  const each = taskBudgetUsd === null ? '' : `, at most $${taskBudgetUsd.toFixed(2)} for each attempt`;
  const tokens = budget.tokens === null ? '' : `, at most ${budget.tokens.toLocaleString('en')} tokens`;
  if (budget.usd !== null) return `cost at most $${budget.usd.toFixed(2)}${each}${tokens}`;
  if (each === '' && tokens === '') return 'no budget: cost not bounded (--budget-usd)';
  return `no budget in dollars for the run (--budget-usd)${each}${tokens}`;
}

interface Reach {
  readonly models: readonly { readonly api: string; readonly url: string }[];
  /** As they were written. */
  readonly hosts: readonly string[];
}

function reachOf({ network, allow, registries }: Settings, { gateway }: Thinking): Reach {
  const upstreams = gateway?.configuration.upstreams ?? [];
  return {
    models: upstreams.map(({ api, baseUrl }) => ({ api, url: new URL(baseUrl).origin })),
    hosts: network === 'allowlist' ? [...allow, ...Object.keys(registries)] : [],
  };
}

function reachLine({ models, hosts }: Reach): string {
  const services = models.map(({ api, url }) => `${api} (${url}) through the gateway`);
  const all = [...services, ...hosts];
  return all.length === 0 ? 'agents reach nothing' : `agents reach ${all.join(', ')}, and nothing else`;
}

function setUpReach({ setUp, registries }: Settings): readonly string[] {
  return setUp === null ? [] : [...setUp.allow, ...Object.keys(registries)];
}
