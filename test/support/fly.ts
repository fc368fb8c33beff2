import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { ROOT } from './documents.ts'

/** As much of a configuration of Fly as is looked at. */
export interface Fly {
  readonly kill_signal: string
  readonly kill_timeout: number
  readonly build?: { readonly args: Readonly<Record<string, string>> }
  readonly deploy: Readonly<Record<string, string | number>>
  readonly env: Readonly<Record<string, string>>
  readonly mounts?: readonly { readonly destination: string }[]
  readonly http_service: {
    readonly internal_port: number
    readonly force_https: boolean
    readonly auto_stop_machines: string
    readonly min_machines_running: number
    readonly concurrency: { readonly type: string; readonly hard_limit: number }
    readonly checks: readonly { readonly path: string; readonly timeout: string; readonly interval: string }[]
  }
  readonly vm: readonly { readonly memory: string }[]
}

/** A configuration of Fly, by the name of its file. */
export const fly = (name: string): Fly => parse(readFileSync(join(ROOT, name), 'utf8')) as unknown as Fly
