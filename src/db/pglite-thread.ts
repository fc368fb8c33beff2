import { parentPort } from 'node:worker_threads'
import { keepCompiledCode } from '../compiled-code.ts'
import { lower, sharedProgram } from './pglite-memory.ts'
import { migratePglite } from './pglite-migrate.ts'
import type { FromThread, ThreadData, ToThread } from './pglite-port.ts'

// The embedded engine's thread: it gets ready while nobody has told it the folder yet. Then it opens the engine, says so, and
// answers messages of PostgreSQL's protocol until it is closed.

const port = parentPort
if (port === null) throw new Error('this is the program of a thread')
const tell = (message: FromThread, transferred: readonly ArrayBuffer[] = []) => port.postMessage(message, transferred)

/** What is said here is delivered before the thread ends. */
const stopped = (reason: string): never => {
  tell({ stopped: reason })
  process.exit(1)
}

keepCompiledCode()
const program = sharedProgram()
const { answering, openEngine } = await import('./pglite-engine.ts')

async function open({ folder, upTo, sharedBuffers }: ThreadData): Promise<void> {
  const { client, flags } = await openEngine(folder, stopped, sharedBuffers, program)
  await migratePglite(client, upTo)
  const answer = answering(client)
  port?.on('message', async (messages: ToThread) => {
    if (messages === 'close') {
      await client.close()
      process.exit()
    }
    lower(flags)
    const bytes = await answer(messages)
    tell({ answer: bytes }, [bytes.buffer as ArrayBuffer])
  })
  tell({ open: flags })
}

port.once('message', (data: ThreadData) => {
  open(data).catch((error: unknown) => stopped(error instanceof Error ? error.message : String(error)))
})
