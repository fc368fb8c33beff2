import { CommanderError } from 'commander'
import { ConfigError } from '../config.ts'
import { CannotOpen, CannotRestore } from '../db/errors.ts'
import { CannotListen } from '../listen.ts'

/** What the process ends with. */
export const EXIT = {
  done: 0,
  /** An unexpected error. */
  failed: 1,
  /** The command line or the configuration is wrong. */
  usage: 2,
  /** The gateway refused: not found, in use, not allowed. */
  refused: 3,
  /** The gateway or the database cannot be reached, or the port not be listened on. */
  unreachable: 4,
  /** `doctor`, `tenant test` or `mirror status` found something to fix. */
  unwell: 5,
} as const

/** The same in words, for `--help`. */
export const EXIT_CODES = `Exit codes:
  0  done
  1  an unexpected error
  2  the command line or the configuration is wrong
  3  refused: not found, in use, not allowed
  4  the gateway or the database cannot be reached
  5  doctor, tenant test or mirror status found something to fix
`

/** A command cannot be done; `message` is one line for the operator. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: number

  constructor(exitCode: number, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}

/** What a failure is to the operator: the lines for standard error and the exit code. */
export function failureOf(error: unknown): { readonly lines: readonly string[]; readonly exitCode: number } {
  // Commander has written its own line already, and --help and --version end with 0.
  if (error instanceof CommanderError) return { lines: [], exitCode: error.exitCode === 0 ? EXIT.done : EXIT.usage }
  if (error instanceof CliError) return { lines: [error.message], exitCode: error.exitCode }
  if (error instanceof ConfigError) return { lines: error.lines, exitCode: EXIT.usage }
  if (error instanceof CannotRestore) return { lines: [error.message], exitCode: EXIT.refused }
  if (error instanceof CannotOpen || error instanceof CannotListen)
    return { lines: [error.message], exitCode: EXIT.unreachable }
  return {
    lines: [error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)],
    exitCode: EXIT.failed,
  }
}
