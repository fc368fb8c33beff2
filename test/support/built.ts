import { join } from 'node:path'
import { inject } from 'vitest'
import './provided.ts'

/** The programs as they are delivered, built once for the run. */
export const built = {
  /** `dist/main.js`. */
  main: () => join(inject('built'), 'dist/main.js'),
  /** `dist/cli/main.js`. */
  cli: () => join(inject('built'), 'dist/cli/main.js'),
  /** A program of `test/support/programs`. */
  program: (name: string) => join(inject('built'), 'programs', `${name}.js`),
}
