import { run } from '../../src/cli/run.ts'

/** How a command ended, and what it wrote. */
export interface Ran {
  readonly exitCode: number
  readonly out: string
  readonly err: string
}

/** Runs a command of `rollcall` in this process, with nothing but `env` for its environment. */
export async function rollcall(env: Readonly<Record<string, string>>, ...args: string[]): Promise<Ran> {
  const written = { out: '', err: '' }
  const stream = (name: 'out' | 'err') => ({
    write: (text: string) => {
      written[name] += text
    },
  })
  const exitCode = await run(args, { env, out: stream('out'), err: stream('err') })
  return { exitCode, ...written }
}

/** What a command with `--json` answers; it must succeed. */
export async function rollcallJson<T>(env: Readonly<Record<string, string>>, ...args: string[]): Promise<T> {
  const { exitCode, out, err } = await rollcall(env, ...args, '--json')
  if (exitCode !== 0) throw new Error(`rollcall ${args.join(' ')} ended with ${exitCode}: ${err}`)
  return JSON.parse(out)
}

/** A command that goes on until it is stopped. */
export interface Running {
  out(): string
  err(): string
  /** Ends it as Ctrl+C does; gives its exit code. */
  stop(): Promise<number>
}

/** Runs such a command in this process. */
export function rollcallRunning(env: Readonly<Record<string, string>>, ...args: string[]): Running {
  const written = { out: '', err: '' }
  const stream = (name: 'out' | 'err') => ({
    write: (text: string) => {
      written[name] += text
    },
  })
  const stopped = new AbortController()
  const ended = run(args, { env, out: stream('out'), err: stream('err'), signal: stopped.signal })
  return {
    out: () => written.out,
    err: () => written.err,
    stop: () => {
      stopped.abort()
      return ended
    },
  }
}
