import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { rollcall } from './cli.ts'
import { type Gateway, openGateway } from './gateway.ts'

/**
 * Files for `rollcall apply`, and the gateway of a file of tests that they are applied to.
 *
 * @param name what its projects are called, as in no other file of tests
 */
export function applyFiles(name: string) {
  let gateway: Gateway
  let env: Record<string, string>
  let folder: string
  let files = 0
  beforeAll(async () => {
    gateway = await openGateway()
    env = { ROLLCALL_URL: gateway.origin, ROLLCALL_ADMIN_KEY: gateway.adminKey }
    folder = mkdtempSync(join(tmpdir(), 'rollcall-apply-'))
  })
  afterAll(async () => {
    await gateway.close()
    rmSync(folder, { recursive: true })
  })
  return {
    get gateway() {
      return gateway
    },
    get env() {
      return env
    },
    get folder() {
      return folder
    },
    /** A project of its own, and the file that says it, where the text has `PROJECT`. */
    newFile(text: string) {
      const project = `${name}-${files++}`
      const file = join(folder, `${project}.yaml`)
      const write = (change: (text: string) => string) =>
        writeFileSync(file, change(text.replaceAll('PROJECT', project)))
      write((all) => all)
      const apply = (...args: string[]) => rollcall(env, 'apply', file, ...args)
      /** Asks the admin API below the project. */
      const ask = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
        const answer = await fetch(`${gateway.origin}/api/v1/projects/${project}${path}`, {
          ...{ method, headers: { Authorization: `Bearer ${gateway.adminKey}`, 'Content-Type': 'application/json' } },
          ...(body && { body: JSON.stringify(body) }),
        })
        return (await answer.json()) as Record<string, unknown>
      }
      return { project, file, write, apply, ask }
    },
  }
}
