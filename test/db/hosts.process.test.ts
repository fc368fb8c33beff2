import { createServer } from 'node:net'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectPostgres } from '../../src/db/connect.ts'
import { migratePostgres } from '../../src/db/migrate.ts'
import { lookAtWay } from '../../src/db/pooler.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts'

describe('several hosts in a URL', () => {
  let [first, second]: PostgresServer[] = []
  beforeAll(async () => {
    ;[first, second] = await Promise.all([startPostgres(), startPostgres()])
    for (const server of [first, second]) await migratePostgres({ databaseUrl: (server as PostgresServer).url })
  })
  afterAll(() => Promise.all([first?.stop(), second?.stop()]))

  const portOf = (server: PostgresServer | undefined) => new URL(server?.url ?? '').port
  const at = (ports: readonly string[], query = '') =>
    `postgres://rollcall@${ports.map((port) => `127.0.0.1:${port}`).join(',')}/rollcall?${query}`
  const both = (query?: string) => at([portOf(first), portOf(second)], query)

  /** The port of the server to which a new connection goes. */
  async function reached(url: string): Promise<string> {
    const client = connectPostgres(url, { max: 1, prepare: false })
    try {
      const [row] = await client.unsafe<{ port: string }[]>("select current_setting('port') as port")
      return row?.port ?? ''
    } finally {
      await client.end({ timeout: 1 })
    }
  }

  /** Whether new transactions of a server may change anything; by this alone it differs from a standby here. */
  async function takesChanges(server: PostgresServer | undefined, takes: boolean): Promise<void> {
    const admin = postgres(server?.url ?? '', { max: 1 })
    await admin.unsafe('set default_transaction_read_only = off')
    await admin.unsafe(`alter role rollcall set default_transaction_read_only = ${takes ? 'off' : 'on'}`)
    await admin.end()
  }

  test('the first one that answers is taken', async () => {
    expect(await reached(both('target_session_attrs=any'))).toBe(portOf(first))
    expect(await reached(at(['1', portOf(second)], 'target_session_attrs=any'))).toBe(portOf(second))
    expect(await reached(at(['1', portOf(second)]))).toBe(portOf(second))
  })

  test('where none answers, one line names each, without waiting', async () => {
    const error = await lookAtWay({ databaseUrl: at(['1', '2']).replace('rollcall@', 'rollcall:hush@') }).catch(
      (thrown: Error) => thrown.message,
    )
    expect(error).toMatch(/^PostgreSQL at 127\.0\.0\.1:1,127\.0\.0\.1:2\/rollcall cannot be used: /)
    expect(error).toMatch(
      /127\.0\.0\.1:1: .*ECONNREFUSED.*; 127\.0\.0\.1:2: .*ECONNREFUSED.* \(NO_HOST\); see the hosts/,
    )
    expect(error).not.toContain('hush')
  })

  test('a host that says nothing is left after connect_timeout', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const address = silent.address()
    const port = String(typeof address === 'object' ? address?.port : '')
    const query = 'sslmode=prefer&connect_timeout=1&target_session_attrs=any'
    expect(await reached(at([port, portOf(second)], query))).toBe(portOf(second))
    silent.close()
  })

  test('of two, the one that takes changes is found, unless the URL asks for another', async () => {
    await takesChanges(first, false)
    expect(await reached(both())).toBe(portOf(second))
    expect(await reached(both('target_session_attrs=read-write'))).toBe(portOf(second))
    expect(await reached(both('target_session_attrs=read-only'))).toBe(portOf(first))
    expect(await reached(both('target_session_attrs=primary'))).toBe(portOf(first))
    expect(await reached(both('target_session_attrs=prefer-standby'))).toBe(portOf(first))
    const none = await lookAtWay({ databaseUrl: both('target_session_attrs=standby') }).catch((thrown: Error) => thrown)
    expect((none as Error).message).toMatch(/:\d+ is not standby \(target_session_attrs\); .* is not standby .*NO_HOST/)
    await takesChanges(first, true)
  })

  test('a gateway goes on with the other server when the first one is lost, and stays off it when it returns without changes', async () => {
    const database = await openPostgres({ databaseUrl: both(), databasePool: 3, databasePrepare: true })
    const port = () =>
      database.run<{ port: string }>("select current_setting('port') as port", []).then(
        ([row]) => row?.port,
        () => undefined,
      )
    expect(await port()).toBe(portOf(first))
    await takesChanges(first, false)
    await first?.kill()
    await expect.poll(port).toBe(portOf(second))
    await first?.restart()
    expect(await Promise.all([port(), port(), port()])).toEqual([2, 2, 2].map(() => portOf(second)))
    await database.close()
    await takesChanges(first, true)
  })
})
