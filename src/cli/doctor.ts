import type { Command } from 'commander'
import { type GlobalOptions, gatewayUrl } from './connection.ts'
import { checkUp } from './doctor/checkup.ts'
import type { Finding } from './doctor/finding.ts'
import { CliError, EXIT } from './failure.ts'
import { type Io, print } from './io.ts'

/** `rollcall doctor`. */
export function doctorCommand(program: Command, io: Io): void {
  program
    .command('doctor')
    .description(
      'check configuration, files, database, clock, keys, webhooks and the running gateway, and say how to fix each',
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const key = options.adminKey ?? io.env.ROLLCALL_ADMIN_KEY
      const findings = await checkUp({ env: io.env, url: gatewayUrl(options, io), key })
      print(io, options.json, findings, (all) => all.map(line).join(''))
      const wrong = findings.filter(({ state }) => state === 'wrong').length
      if (wrong > 0) throw new CliError(EXIT.unwell, wrong === 1 ? 'one thing to fix' : `${wrong} things to fix`)
    })
}

const SIGNS = { ok: '✓', wrong: '✗', skipped: '-' } as const

const line = ({ check, state, found, fix }: Finding): string =>
  `${SIGNS[state]} ${check.padEnd(12)}  ${found}\n${fix === undefined ? '' : `${' '.repeat(16)}→ ${fix}\n`}`
