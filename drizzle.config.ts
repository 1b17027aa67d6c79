/** How `npm run db:generate` turns src/state/schema.ts into the SQL files of src/state/migrations. */

import { defineConfig } from 'drizzle-kit';

export default defineConfig({ dialect: 'sqlite', schema: './src/state/schema.ts', out: './src/state/migrations' });
