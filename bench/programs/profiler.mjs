import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'

// Loaded before a server (`node --import`): SIGALRM begins a CPU profile, the next one ends it and writes it to PROFILE_TO. The
// signals for users are taken: one opens Node's inspector, the other shuts the gateway down.

const MICROSECONDS_BETWEEN_SAMPLES = 200
const session = new Session()
session.connect()
await session.post('Profiler.enable')
await session.post('Profiler.setSamplingInterval', { interval: MICROSECONDS_BETWEEN_SAMPLES })

let running = false
process.on('SIGALRM', async () => {
  running = !running
  if (running) {
    await session.post('Profiler.start')
    return
  }
  const { profile } = await session.post('Profiler.stop')
  writeFileSync(`${process.env.PROFILE_TO}`, JSON.stringify(profile))
})
