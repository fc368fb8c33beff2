import { keepCompiledCode } from './compiled-code.ts'

keepCompiledCode()
const { serve } = await import('./serve.ts')

function fail(lines: readonly string[]): never {
  for (const line of lines) process.stderr.write(`rollcall: ${line}\n`)
  process.exit(1)
}

serve(process.env, (reason) => fail([reason])).catch(async (error: unknown) => {
  const { startFailure } = await import('./serving.ts')
  const lines = startFailure(error)
  if (lines === undefined) throw error
  fail(lines)
})
