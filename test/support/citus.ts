import postgres from 'postgres'
import { distributeTables } from '../../src/db/distribute.ts'
import { migratePostgres } from '../../src/db/migrate.ts'
import { onDatabase } from './postgres-server.ts'

/** Parts of a table: enough that two workers have some of each, and few enough that a database is made soon. */
const SHARDS = 4

interface Node {
  readonly host: string
  readonly port: number
  readonly isCoordinator: boolean
}

/** The machines that the coordinator at `url` knows. @throws where it has no workers */
export async function nodesOf(url: string): Promise<readonly Node[]> {
  const client = postgres(url, { max: 1, onnotice: () => {} })
  try {
    const nodes = await client<Node[]>`
      select nodename as host, nodeport as port, groupid = 0 as "isCoordinator" from pg_dist_node order by groupid`
    if (nodes.filter((node) => !node.isCoordinator).length < 2)
      throw new Error('CITUS_URL names no Citus with two workers')
    return nodes
  } finally {
    await client.end()
  }
}

/** Makes an empty database of that name on each machine, migrated and distributed; gives its address at the coordinator. */
export async function newCitusDatabase(url: string, name: string): Promise<string> {
  const nodes = await nodesOf(url)
  await onEach(nodes, url, async (client, at) => {
    await client.unsafe(`create database ${name}`)
    await using(onDatabase(at, name), (inside) => inside.unsafe('create extension citus'))
  })
  const databaseUrl = onDatabase(url, name)
  await using(databaseUrl, async (client) => {
    for (const { host, port, isCoordinator } of nodes)
      await client.unsafe(
        isCoordinator
          ? `select citus_set_coordinator_host('${host}', ${port})`
          : `select citus_add_node('${host}', ${port})`,
      )
    await client.unsafe(`alter database ${name} set citus.shard_count = ${SHARDS}`)
  })
  await migratePostgres({ databaseUrl })
  await distributeTables(databaseUrl, () => {})
  return databaseUrl
}

/** Drops the databases whose names begin so, on each machine. */
export async function dropCitusDatabases(url: string, prefix: string): Promise<void> {
  await onEach(await nodesOf(url), url, async (client) => {
    const left = await client<
      { name: string }[]
    >`select datname as name from pg_database where starts_with(datname, ${prefix})`
    for (const { name } of left) await client.unsafe(`drop database if exists ${name} with (force)`)
  })
}

async function onEach(
  nodes: readonly Node[],
  url: string,
  work: (client: postgres.Sql, at: string) => Promise<void>,
): Promise<void> {
  for (const { host, port } of nodes) {
    const at = new URL(url)
    ;[at.hostname, at.port] = [host, String(port)]
    await using(at.href, (client) => work(client, at.href))
  }
}

async function using<T>(url: string, work: (client: postgres.Sql) => Promise<T>): Promise<T> {
  const client = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
