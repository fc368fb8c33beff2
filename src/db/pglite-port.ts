import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { PACKAGE_FOLDER } from '../package.ts'
import { ConnectionLost } from './errors.ts'
import { type CancelFlags, raise } from './pglite-memory.ts'

/** What the thread is given first. */
export interface ThreadData {
  readonly folder: string
  /** When the last migration that it is to have was made, in ms since 1970; undefined for all of this build. */
  readonly upTo?: number
  /** Memory for pages of the files, where it is to have less than an engine that serves. */
  readonly sharedBuffers?: string
}

/** Messages of PostgreSQL's protocol, or the word to close, once the engine is open. */
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

/** A thread that has loaded the engine, or does so now, and waits to be told the folder. */
export interface EngineThread {
  /**
   * Opens the engine; once only.
   *
   * @param onStopped called when the engine stops for good after it was opened
   * @throws {Error} with its words when it cannot be opened
   */
  open(data: ThreadData, onStopped: (reason: string) => void): Promise<EnginePort>
  /** Ends the thread, whatever it does. */
  end(): Promise<void>
}

/** Starts a thread for the embedded engine. Statements run there, so that this thread goes on answering. */
export function engineThread(): EngineThread {
  const thread = startThread()
  let failure: Error | undefined
  // What happens before the engine is to be opened, that attempt tells.
  thread.once('error', (error) => {
    failure = error
  })
  thread.once('exit', () => {
    failure ??= new Error('its thread has ended')
  })
  return {
    open: (data, onStopped) => {
      if (failure !== undefined) return Promise.reject(failure)
      thread.postMessage(data)
      return openIn(thread, onStopped)
    },
    end: async () => {
      await thread.terminate()
    },
  }
}

/** Opens the engine in a thread of its own. */
export const startEngine = (data: ThreadData, onStopped: (reason: string) => void): Promise<EnginePort> =>
  engineThread().open(data, onStopped)

function openIn(thread: Worker, onStopped: (reason: string) => void): Promise<EnginePort> {
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
function startThread(): Worker {
  if (import.meta.url.endsWith('.js')) return new Worker(join(PACKAGE_FOLDER, 'dist/db/pglite-thread.js'))
  const source = JSON.stringify(new URL('./pglite-thread.ts', import.meta.url).href)
  const load = `import('tsx/esm/api').then(({ register }) => { register(); return import(${source}) })`
  return new Worker(load, { eval: true, execArgv: [] })
}
