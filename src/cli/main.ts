#!/usr/bin/env node
import { run } from './run.ts'

// Whoever reads us may have read enough (`| head`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit()
  throw error
})
process.exitCode = await run(process.argv.slice(2), { env: process.env, out: process.stdout, err: process.stderr })
