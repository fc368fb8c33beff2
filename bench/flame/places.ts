import { existsSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { CpuProfile, Place } from './profile.ts'

type CallFrame = CpuProfile['nodes'][number]['callFrame']

/** What V8 calls that for which it has no function. */
const ENGINE: Readonly<Record<string, string>> = {
  '(program)': 'native calls',
  '(garbage collector)': 'garbage collector',
}

/** Says where functions are written, by the source maps beside the files. */
export function placesOf(): (frame: CallFrame) => Place {
  const maps = new Map<string, SourceMap | undefined>()
  const mapOf = (url: string) => {
    if (!maps.has(url)) {
      const path = `${fileURLToPath(url)}.map`
      maps.set(url, existsSync(path) ? new SourceMap(JSON.parse(readFileSync(path, 'utf8'))) : undefined)
    }
    return maps.get(url)
  }
  return ({ functionName, url, lineNumber, columnNumber }) => {
    const engine = ENGINE[functionName]
    if (engine !== undefined) return { name: functionName, at: '', owner: engine }
    if (!url.startsWith('file:')) {
      const at = url === '' ? '' : `${url}:${lineNumber + 1}`
      return { name: functionName || '(anonymous)', at, owner: url === '' ? 'native calls' : 'Node' }
    }
    const entry = mapOf(url)?.findEntry(lineNumber, columnNumber)
    const mapped = entry !== undefined && 'originalSource' in entry
    const file = fileURLToPath(mapped ? new URL(entry.originalSource, url) : url)
    const line = (mapped ? entry.originalLine : lineNumber) + 1
    const owner = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules)/.exec(file)?.[1] ?? 'Rollcall'
    const path = file.replace(owner === 'Rollcall' ? /^.*\/(?=(?:src|dist)\/)/ : /^.*\/node_modules\//, '')
    return { name: functionName || '(anonymous)', at: `${path}:${line}`, owner }
  }
}
