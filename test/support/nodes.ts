import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './documents.ts'

/** A version of Node that Rollcall has to run on. */
export interface Node {
  /** Such as `24.22.3`. */
  readonly version: string
  /** The program; undefined where `npm run test:nodes` has not brought it. */
  readonly program: string | undefined
}

const FOLDER = join(ROOT, 'test/nodes')

/** The versions that `test/nodes/package.json` names, oldest first. */
export function nodes(): readonly Node[] {
  const { dependencies } = JSON.parse(readFileSync(join(FOLDER, 'package.json'), 'utf8'))
  return Object.entries<string>(dependencies).map(([name, range]) => {
    const program = join(FOLDER, 'node_modules', name, 'bin/node')
    return { version: range.split('@').at(-1) ?? '', program: existsSync(program) ? program : undefined }
  })
}
