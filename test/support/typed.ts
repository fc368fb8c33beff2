import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from './documents.ts'

/** A value that has to be of a type which a package exports. */
export interface Typed {
  readonly type: string
  /** Such as `kubernetes-types/apps/v1`. */
  readonly from: string
  readonly value: unknown
}

/**
 * What the compiler finds in values, written as literals of their types: members that the types do not have, missing ones, and
 * values of another type. Empty where all is well.
 */
export function typeFaults(values: readonly Typed[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-typed-'))
  try {
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    const lines = values.map(
      ({ type, from, value }, i) =>
        `import type { ${type} as T${i} } from '${from}'\nexport const v${i}: T${i} = ${JSON.stringify(value, null, 1)}`,
    )
    writeFileSync(join(folder, 'values.ts'), lines.join('\n'))
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', '', 'values.ts']
    execFileSync(process.execPath, [tsc, ...options], { cwd: folder, stdio: 'pipe' })
    return ''
  } catch (error) {
    return String((error as { stdout?: Buffer }).stdout ?? error)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
