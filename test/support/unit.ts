import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './documents.ts'

export const UNIT_FILE = join(ROOT, 'deploy/systemd/rollcall.service')

/** The settings of the unit of systemd, each with all of its values. */
export function unit(): Readonly<Record<string, readonly string[]>> {
  const settings: Record<string, string[]> = {}
  for (const [, name = '', value = ''] of readFileSync(UNIT_FILE, 'utf8').matchAll(/^(\w+)=(.*)$/gm))
    settings[name] = [...(settings[name] ?? []), value]
  return settings
}
