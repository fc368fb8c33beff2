#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
import { run } from './run.ts'

// A command shares the machine with the gateway. Without this an import leaves a hundred megabytes of garbage lying about,
// since V8 sees no need to tidy up.
if (process.argv[2] !== 'serve') setFlagsFromString('--optimize-for-size')
// The reader of the output may have read enough (`| head`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit()
  throw error
})
process.exitCode = await run(process.argv.slice(2), { env: process.env, out: process.stdout, err: process.stderr })
