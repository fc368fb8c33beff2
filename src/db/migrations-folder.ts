import { join } from 'node:path'
import { PACKAGE_FOLDER } from '../package.ts'

/** The folder of migrations. */
export const migrationsFolder = join(PACKAGE_FOLDER, 'drizzle')
