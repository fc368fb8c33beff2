import { createRequire } from 'node:module'
import { dirname } from 'node:path'

// The package asked for by its own name, since a build puts this code into a file at another depth.
const require = createRequire(import.meta.url)

/** The folder of this package, in which `drizzle` and `dist` are. */
export const PACKAGE_FOLDER = dirname(require.resolve('rollcall/package.json'))

/** The version of this package. */
export const { version: VERSION } = require('rollcall/package.json') as { version: string }
