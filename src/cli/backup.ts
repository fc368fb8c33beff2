import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Command } from 'commander'
import { backupOf } from '../backup/dump.ts'
import { checkBackup } from '../backup/read.ts'
import { originIn } from '../backup/restore.ts'
import { type Config, loadConfig } from '../config.ts'
import { exists, sync } from '../db/files.ts'
import { openDatabase } from '../db/open.ts'
import { answered, connected, type GlobalOptions, gatewayUrl } from './connection.ts'
import { CliError, EXIT } from './failure.ts'
import { type Io, print } from './io.ts'
import { type Progress, progressOn } from './progress.ts'
import { keepHeapSmall } from './transfer-file.ts'

/** `rollcall backup`, `rollcall restore` and `rollcall upgrade`. */
export function backupCommands(program: Command, io: Io): void {
  program
    .command('backup')
    .description('write all that the embedded database holds to a file, also while the gateway runs (--url)')
    .argument('<file>', 'a new file, for its owner alone; it is there once it is whole')
    .action(async (file: string, _: unknown, command: Command) => {
      keepHeapSmall()
      const options = command.optsWithGlobals<GlobalOptions>()
      const write = (bytes: AsyncIterable<Uint8Array>) => writeBackup(file, bytes, progressOn(io.err))
      await refuseExisting(file)
      const done =
        gatewayUrl(options, io) === undefined ? await ofFolder(io, write) : await ofGateway(options, io, write)
      print(io, options.json, { file, bytes: done }, ({ bytes }) => `${file}: ${megabytes(bytes)}\n`)
    })

  program
    .command('restore')
    .description('make the embedded database of a backup, in a DATA_DIR that is empty or not there')
    .argument('<file>', 'what `rollcall backup` wrote')
    .action(async (file: string, _: unknown, command: Command) => {
      keepHeapSmall()
      const options = command.optsWithGlobals<GlobalOptions>()
      const { dataDir } = ofFolderAlone(options, io)
      const { restorePglite } = await import('../db/pglite-restore.ts')
      const origin = await originIn(file)
      await restorePglite(dataDir, origin)
      print(io, options.json, { dataDir, from: origin.head }, ({ from }) => `${dataDir}: as it was at ${from.time}\n`)
    })

  program
    .command('upgrade')
    .description('replace an embedded database that another version of the engine has made; the old one is kept')
    .requiredOption('--from <file>', 'what `rollcall backup` of the release before wrote')
    .action(async (_: unknown, command: Command) => {
      keepHeapSmall()
      const { from: file, ...options } = command.optsWithGlobals<GlobalOptions & { from: string }>()
      const { dataDir } = ofFolderAlone(options, io)
      const { upgradePglite } = await import('../db/pglite-restore.ts')
      const origin = await originIn(file)
      const kept = await upgradePglite(dataDir, origin)
      const done = { dataDir, from: origin.head, kept }
      print(
        io,
        options.json,
        done,
        ({ from }) => `${dataDir}: as it was at ${from.time}\nthe old database is ${kept}\n`,
      )
    })
}

type Write = (bytes: AsyncIterable<Uint8Array>) => Promise<number>

async function ofFolder(io: Io, write: Write): Promise<number> {
  const config = embedded(io)
  const database = await openDatabase(config, (reason) => io.err.write(`rollcall: ${reason}\n`))
  try {
    return await write(backupOf(database))
  } finally {
    await database.close()
  }
}

const ofGateway = (options: GlobalOptions, io: Io, write: Write): Promise<number> =>
  connected(options, io, async ({ client }) => {
    const body = await answered(client.GET('/backup', { parseAs: 'stream' }))
    if (body === null || body === undefined) throw new CliError(EXIT.failed, 'the gateway answered without a backup')
    return write(body as AsyncIterable<Uint8Array>)
  })

function ofFolderAlone(options: GlobalOptions, io: Io): Config {
  if (gatewayUrl(options, io) !== undefined)
    throw new CliError(
      EXIT.usage,
      'this works on DATA_DIR while no gateway runs there, not on a URL: unset ROLLCALL_URL',
    )
  return embedded(io)
}

function embedded({ env }: Io): Config {
  const config = loadConfig(env)
  if (config.databaseUrl === undefined) return config
  const words = 'this is for the embedded database, and DATABASE_URL is set: use pg_dump and pg_restore for PostgreSQL'
  throw new CliError(EXIT.usage, words)
}

async function refuseExisting(file: string): Promise<void> {
  if (await exists(file)) throw new CliError(EXIT.usage, `${file} is there already; take another name, or delete it`)
}

/** Writes a backup to a file, which has its name only once all of it has been checked. Gives its size. */
async function writeBackup(file: string, bytes: AsyncIterable<Uint8Array>, progress: Progress): Promise<number> {
  const unfinished = `${file}.unfinished`
  try {
    await writing(file, () => fillFile(unfinished, bytes, progress))
    await checkBackup(unfinished)
    const { size } = await stat(unfinished)
    await rename(unfinished, file)
    await sync(dirname(file))
    return size
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  } finally {
    progress.end()
  }
}

/** It holds personal data, so it is for its owner alone. */
async function fillFile(path: string, bytes: AsyncIterable<Uint8Array>, progress: Progress): Promise<void> {
  await rm(path, { force: true })
  const output = await open(path, 'wx', 0o600)
  try {
    let written = 0
    for await (const chunk of bytes) {
      await output.writeFile(chunk)
      written += chunk.length
      progress.show(undefined, megabytes(written))
    }
    await output.sync()
  } finally {
    await output.close()
  }
}

async function writing(file: string, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    // An answer that was cut off, or a full disk.
    const [reason, cause] = error instanceof Error ? [error.message, error.cause] : [String(error), undefined]
    const why = cause instanceof Error ? `${reason} (${cause.message})` : reason
    throw new CliError(EXIT.failed, `no backup was written to ${file}: ${why}`)
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)} MB`
