import { readFile } from 'node:fs/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { answering, openEngine } from './pglite-engine.ts'
import { lower } from './pglite-memory.ts'
import { migratePglite } from './pglite-migrate.ts'
import type { FromThread, ThreadData, ToThread } from './pglite-port.ts'

// The embedded engine's thread: it opens the engine, says so, and answers messages of PostgreSQL's protocol until it is closed.

const port = parentPort
if (port === null) throw new Error('this is the program of a thread')
const tell = (message: FromThread, transferred: readonly ArrayBuffer[] = []) => port.postMessage(message, transferred)

/** What is said here is delivered before the thread ends. */
const stopped = (reason: string): never => {
  tell({ stopped: reason })
  process.exit(1)
}

const { folder, imagePath, upTo, sharedBuffers } = workerData as ThreadData
try {
  const image = imagePath === undefined ? undefined : new Blob([await readFile(imagePath)])
  const { client, flags } = await openEngine(folder, image, stopped, sharedBuffers)
  await migratePglite(client, upTo)
  const answer = answering(client)
  port.on('message', async (messages: ToThread) => {
    if (messages === 'close') {
      await client.close()
      process.exit()
    }
    lower(flags)
    const bytes = await answer(messages)
    tell({ answer: bytes }, [bytes.buffer as ArrayBuffer])
  })
  tell({ open: flags })
} catch (error) {
  stopped(error instanceof Error ? error.message : String(error))
}
