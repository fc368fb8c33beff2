import { serve } from './serve.ts'
import { startFailure } from './start.ts'

function fail(lines: readonly string[]): never {
  for (const line of lines) process.stderr.write(`rollcall: ${line}\n`)
  process.exit(1)
}

serve(process.env, (reason) => fail([reason])).catch((error: unknown) => {
  const lines = startFailure(error)
  if (lines === undefined) throw error
  fail(lines)
})
