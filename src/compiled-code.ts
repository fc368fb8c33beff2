import module from 'node:module'
import { join } from 'node:path'
import { PACKAGE_FOLDER } from './package.ts'

/**
 * Has Node keep what V8 makes of the programs, from version 22.8 on, so that the next start need not compile them. It lies beside
 * the programs: who may write there may change them as well. Where nobody may, as in a container, the build has put it there.
 */
export function keepCompiledCode(): void {
  if (!import.meta.url.endsWith('.js')) return
  // The types are those of the oldest version of Node that has to work.
  const { enableCompileCache } = module as { enableCompileCache?: (folder: string) => unknown }
  enableCompileCache?.(join(PACKAGE_FOLDER, 'dist/compiled-code'))
}
