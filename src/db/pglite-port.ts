import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { PACKAGE_FOLDER } from '../package.ts'
import { ConnectionLost } from './errors.ts'
import { type CancelFlags, raise } from './pglite-memory.ts'

/** What the thread is given. */
export interface ThreadData {
  readonly folder: string
  /** Of the image from which the folder's database is made; undefined where it is there. */
  readonly imagePath: string | undefined
  /** When the last migration that it is to have was made, in ms since 1970; undefined for all of this build. */
  readonly upTo?: number
  /** Memory for pages of the files, where it is to have less than an engine that serves. */
  readonly sharedBuffers?: string
}

/** Messages of PostgreSQL's protocol, or the word to close. */
export type ToThread = Uint8Array | 'close'

/** `open` once, then an `answer` to each message; `stopped` when the engine cannot go on. */
export type FromThread = { readonly open: CancelFlags } | { readonly answer: Uint8Array } | { readonly stopped: string }

/** An engine, wherever it runs. */
export interface EnginePort {
  /** Answers messages of PostgreSQL's protocol. One caller at a time. @throws {ConnectionLost} when the engine has stopped */
  ask(messages: Uint8Array): Promise<Uint8Array>
  /** Cancels the statement that runs. */
  cancel(): void
  close(): Promise<void>
}

/**
 * Starts a thread with the embedded engine in it. Statements run there, so that this thread goes on answering.
 *
 * @param onStopped called when the engine stops for good after it was opened
 * @throws {Error} with its words when it cannot be opened
 */
export function startEngine(data: ThreadData, onStopped: (reason: string) => void): Promise<EnginePort> {
  const thread = programOf(data)
  const ended = new Promise<void>((resolve) => thread.once('exit', () => resolve()))
  let closing = false
  let stopped: ConnectionLost | undefined
  let asked: { readonly resolve: (answer: Uint8Array) => void; readonly reject: (error: Error) => void } | undefined
  return new Promise((resolve, reject) => {
    const portTo = (flags: CancelFlags): EnginePort => ({
      ask: (messages) => {
        if (stopped !== undefined) return Promise.reject(stopped)
        return new Promise((resolve, reject) => {
          asked = { resolve, reject }
          // A view would be sent with all that is behind it.
          const own = new Uint8Array(messages)
          thread.postMessage(own satisfies ToThread, [own.buffer])
        })
      },
      cancel: () => raise(flags),
      close: async () => {
        closing = true
        thread.postMessage('close' satisfies ToThread)
        await ended
      },
    })
    let opened = false
    const stop = (reason: string) => {
      if (stopped !== undefined) return
      stopped = new ConnectionLost(`the embedded engine has stopped: ${reason}`)
      asked?.reject(stopped)
      if (!opened) reject(new Error(reason))
      else if (!closing) onStopped(stopped.message)
    }
    thread.on('message', (message: FromThread) => {
      if ('answer' in message) asked?.resolve(message.answer)
      else if ('stopped' in message) stop(message.stopped)
      else {
        opened = true
        resolve(portTo(message.open))
      }
    })
    thread.on('error', (error) => stop(error.message))
    thread.on('exit', () => stop('its thread has ended'))
  })
}

/** The build bundles the thread's program. `npm run dev` and the tests run its source, which Node 20 needs tsx for. */
function programOf(workerData: ThreadData): Worker {
  if (import.meta.url.endsWith('.js'))
    return new Worker(join(PACKAGE_FOLDER, 'dist/db/pglite-thread.js'), { workerData })
  const source = JSON.stringify(new URL('./pglite-thread.ts', import.meta.url).href)
  const load = `import('tsx/esm/api').then(({ register }) => { register(); return import(${source}) })`
  return new Worker(load, { workerData, eval: true, execArgv: [] })
}
