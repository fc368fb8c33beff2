import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Bytes for one connection, as Latin-1 text, and what to wait for. */
export interface RawConversation {
  readonly chunks: readonly { readonly text: string; readonly times: number; readonly everyMs: number }[]
  /** How many complete answers end the conversation. */
  readonly answers: number
  /** When to stop waiting for them. */
  readonly waitMs: number
}

/** One answer of a connection, in the order of arrival; its body as UTF-8 text. */
export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface RawOutcome {
  readonly answers: readonly RawAnswer[]
  /** Whether the server ended the connection. */
  readonly closed: boolean
  readonly ms: number
}

/** After the last answer that is waited for, time for one that should not come. */
const AFTERWARDS_MS = 150

/** Writes bytes that no HTTP library would send and gives what the server made of them. */
export function converse(origin: string, conversation: RawConversation): Promise<RawOutcome> {
  const { hostname, port } = new URL(origin)
  const start = performance.now()
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) })
    let received = ''
    let closed = false
    const finish = () => {
      clearTimeout(limit)
      socket.destroy()
      resolve({ answers: answersIn(received), closed, ms: performance.now() - start })
    }
    const limit = setTimeout(finish, conversation.waitMs)
    // An error is always followed by a close.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      closed = true
      finish()
    })
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1')
      if (answersIn(received).length >= conversation.answers) setTimeout(finish, AFTERWARDS_MS)
    })
    socket.on('connect', async () => {
      for (const { text, times, everyMs } of conversation.chunks) {
        for (let i = 0; i < times && socket.writable; i++) {
          socket.write(text, 'latin1')
          await sleep(everyMs)
        }
      }
    })
  })
}

/** The complete HTTP/1.1 answers at the beginning of `text`. */
function answersIn(text: string): RawAnswer[] {
  const answers: RawAnswer[] = []
  let at = 0
  for (;;) {
    const end = text.indexOf('\r\n\r\n', at)
    if (end === -1) return answers
    const [statusLine = '', ...lines] = text.slice(at, end).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1] ?? Number.NaN)
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    const body = bodyAt(text, end + 4, status, headers)
    if (body === undefined) return answers
    answers.push({ status, headers, body: Buffer.from(body.text, 'latin1').toString('utf8') })
    at = body.end
  }
}

/** The body that begins at `at`, and where it ends; undefined while it is not all there. */
function bodyAt(text: string, at: number, status: number, headers: Readonly<Record<string, string>>) {
  if (status < 200 || status === 204 || status === 304) return { text: '', end: at }
  if (headers['transfer-encoding'] === 'chunked') return chunksAt(text, at)
  // Node's own refusals of bytes that are no request have neither, and end with the connection.
  const end = at + Number(headers['content-length'] ?? 0)
  return end > text.length ? undefined : { text: text.slice(at, end), end }
}

function chunksAt(text: string, start: number): { text: string; end: number } | undefined {
  let [at, whole] = [start, '']
  for (;;) {
    const line = text.indexOf('\r\n', at)
    if (line === -1) return undefined
    const size = Number.parseInt(text.slice(at, line), 16)
    const next = line + 2 + size + 2
    if (next > text.length) return undefined
    if (size === 0) return { text: whole, end: next }
    whole += text.slice(line + 2, line + 2 + size)
    at = next
  }
}
