import { fileURLToPath } from 'node:url'

/** The folder of migrations, which lies beside `src` and `dist` alike. */
export const migrationsFolder = fileURLToPath(new URL('../../drizzle', import.meta.url))
