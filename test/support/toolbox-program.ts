/** What process 1 of a sandbox is for tools, without its power over all other processes: tests run on the machine itself. */

import type { ToolboxConfig } from '../../src/toolbox/config.ts';
import { serveTools } from '../../src/toolbox/tools/serve-tools.ts';

const config = JSON.parse(process.env.ORCHESTRATE_TOOLBOX ?? '') as ToolboxConfig;
if (config.tools === null) throw new Error('this toolbox serves tools only');
serveTools(config, config.tools, { onLost: () => {}, onFinished: () => process.exit(0) });
