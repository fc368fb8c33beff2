import { Command } from 'commander'
import { loadConfig } from '../config.ts'
import { distributeTables } from '../db/distribute.ts'
import { migratePostgres } from '../db/migrate.ts'
import { VERSION } from '../package.ts'
import { serve } from '../serve.ts'
import { accountCommands } from './accounts/accounts.ts'
import { domainCommands } from './accounts/domains.ts'
import { applyCommands } from './apply/apply.ts'
import { backupCommands } from './backup.ts'
import { brakeCommands } from './brake.ts'
import { catalogueCommands } from './catalogue/catalogue.ts'
import { configCommand } from './config.ts'
import type { GlobalOptions } from './connection.ts'
import { devCommand } from './dev/dev.ts'
import { listenCommand } from './dev/listen.ts'
import { playCommand } from './dev/play.ts'
import { doctorCommand } from './doctor.ts'
import { eraseCommands } from './erase/erase.ts'
import { exportCommand } from './export.ts'
import { CliError, EXIT, EXIT_CODES, failureOf } from './failure.ts'
import { historyCommands } from './history/history.ts'
import { importCommand } from './import.ts'
import { type Io, print } from './io.ts'
import { keyCommands } from './key.ts'
import { linkCommands } from './link/link.ts'
import { eventsCommand } from './log/events.ts'
import { logCommand } from './log/log.ts'
import { mappingCommands } from './mapping/mapping.ts'
import { mirrorCommands } from './mirror/mirror.ts'
import { sessionCommands } from './session.ts'
import { tenantCommands } from './tenant.ts'

const EMBEDDED = 'the embedded database is brought up to date when Rollcall starts; set DATABASE_URL for PostgreSQL'

const NOT_DISTRIBUTED = 'the embedded database is on one machine; set DATABASE_URL to the coordinator of a Citus'

/**
 * Runs one command of `rollcall` and gives the process's exit code; `args` are what follows the program's name. What goes
 * wrong is said in one line on standard error.
 */
export async function run(args: readonly string[], io: Io): Promise<number> {
  try {
    await programOn(io).parseAsync(args, { from: 'user' })
    return EXIT.done
  } catch (error) {
    const { lines, exitCode } = failureOf(error)
    for (const line of lines) io.err.write(`rollcall: ${line}\n`)
    return exitCode
  }
}

function programOn(io: Io): Command {
  const program = new Command('rollcall')
    .description('The SCIM gateway and its control plane.')
    .option('--url <origin>', 'talk to the gateway there (ROLLCALL_URL); else the database is opened, as serve would')
    .option(
      '--admin-key <key>',
      'an admin key of that gateway; better in ROLLCALL_ADMIN_KEY, where ps does not show it',
    )
    .option('--project <key>', 'ROLLCALL_PROJECT, or "default"')
    .option('--environment <key>', 'ROLLCALL_ENVIRONMENT, or "dev"')
    .option('--json', 'answer in JSON')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => io.out.write(text),
      writeErr: (text) => io.err.write(text),
      outputError: (text, write) => write(`rollcall: ${text.replace(/^error: /, '')}`),
    })
    .addHelpText('after', `\n${EXIT_CODES}`)
    .version(VERSION, '--version')
    .hook('preAction', refuseEmpty)
    .exitOverride()

  program
    .command('serve')
    .description('run the gateway until a signal stops it')
    .action((_: unknown, command: Command) => {
      const lost = (reason: string) => {
        io.err.write(`rollcall: ${reason}\n`)
        process.exit(EXIT.failed)
      }
      return serve(io.env, lost, command.optsWithGlobals<GlobalOptions>().json)
    })
  program
    .command('migrate')
    .description('bring the tables of PostgreSQL up to date: a step of a deployment')
    .action(async (_: unknown, command: Command) => {
      const { databaseUrl, ...config } = loadConfig(io.env)
      if (databaseUrl === undefined) throw new CliError(EXIT.usage, EMBEDDED)
      await migratePostgres({ ...config, databaseUrl }, (line) => io.err.write(`rollcall: ${line}\n`))
      const { json } = command.optsWithGlobals<GlobalOptions>()
      print(io, json, { migrated: true }, () => 'the tables are up to date\n')
    })
  program
    .command('distribute')
    .description('distribute the tables by tenant over the machines of a Citus: docs/scale.md')
    .action(async (_: unknown, command: Command) => {
      const { databaseUrl, directDatabaseUrl } = loadConfig(io.env)
      if (databaseUrl === undefined) throw new CliError(EXIT.usage, NOT_DISTRIBUTED)
      await distributeTables(directDatabaseUrl ?? databaseUrl, (line) => io.err.write(`rollcall: ${line}\n`))
      const { json } = command.optsWithGlobals<GlobalOptions>()
      print(io, json, { distributed: true }, () => 'the tables are distributed by tenant\n')
    })
  devCommand(program, io)
  playCommand(program, io)
  listenCommand(program, io)
  doctorCommand(program, io)
  configCommand(program, io)
  tenantCommands(program, io)
  keyCommands(program, io)
  sessionCommands(program, io)
  linkCommands(program, io)
  applyCommands(program, io)
  brakeCommands(program, io)
  catalogueCommands(program, io)
  mappingCommands(program, io)
  accountCommands(program, io)
  historyCommands(program, io)
  domainCommands(program, io)
  eraseCommands(program, io)
  logCommand(program, io)
  eventsCommand(program, io)
  mirrorCommands(program, io)
  backupCommands(program, io)
  exportCommand(program, io)
  importCommand(program, io)
  return program
}

/** What is empty was a variable of the shell that is not set; as a part of an address it would name something else. */
function refuseEmpty(_: Command, command: Command): void {
  const given = [...command.args, ...Object.values(command.optsWithGlobals()).flat()]
  if (given.includes('')) throw new CliError(EXIT.usage, 'an argument or the value of an option is empty')
}
