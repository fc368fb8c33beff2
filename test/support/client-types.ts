import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FailedAttempts } from '../../src/auth/attempts.ts'
import { ExternalIssuers } from '../../src/auth/external-issuers.ts'
import { loadConfig } from '../../src/config.ts'
import { ControlPlane } from '../../src/context/control-plane.ts'
import type { ControlStore } from '../../src/context/control-store.ts'
import type { Database } from '../../src/db/database.ts'
import { adminApi } from '../../src/http/admin/api.ts'
import { type ApiDocument, describe } from '../../src/http/admin/reference/openapi.ts'
import { idleDeliveries } from './deliveries.ts'

const CLIENT_TYPES = join(import.meta.dirname, '../../src/client/api.ts')
// Not among our packages: it wants a TypeScript with an API, which the compiler we build with no longer has.
const GENERATOR = ['-y', '-p', 'openapi-typescript@7.13.0', '-p', 'typescript@5.9.3', 'openapi-typescript']

/** The OpenAPI document of the admin API as it is now; no store is asked for it. */
export function apiDocument(): ApiDocument {
  const nothing = { for: () => nothing } as unknown as Database
  const control = new ControlPlane({} as ControlStore)
  return describe(
    adminApi({
      database: nothing,
      config: loadConfig({}),
      control,
      deliveries: idleDeliveries(nothing),
      issuers: new ExternalIssuers([]),
      failures: new FailedAttempts(),
    }),
  )
}

/** The first line that the client's types have when they are made from the document as it is now. */
export const currentFirstLine = (): string =>
  `// npm run client:generate, from the OpenAPI document ${createHash('sha256').update(JSON.stringify(apiDocument())).digest('hex')}`

/** The first line that they have. */
export const firstLineOfClient = (): string => readFileSync(CLIENT_TYPES, 'utf8').split('\n', 1)[0] ?? ''

function generate(): void {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-client-'))
  try {
    const [document, types] = [join(folder, 'openapi.json'), join(folder, 'api.ts')]
    writeFileSync(document, JSON.stringify(apiDocument()))
    execFileSync('npx', [...GENERATOR, document, '-o', types, '--alphabetize'], { stdio: 'inherit' })
    writeFileSync(CLIENT_TYPES, `${currentFirstLine()}\n\n${readFileSync(types, 'utf8')}`)
    execFileSync('npx', ['biome', 'check', '--write', CLIENT_TYPES], { stdio: 'inherit' })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

if (process.argv[1] === import.meta.filename) generate()
