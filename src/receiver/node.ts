import { MOST_BYTES } from './dispatch.ts'

/** As much of a request of Node, Express or Fastify's `raw` as is read here. */
export interface NodeRequest extends AsyncIterable<Uint8Array> {
  readonly method?: string | undefined
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** What a body parser before has left; a `Buffer` or a text is as good as the request itself. */
  readonly body?: unknown
  readonly readableEnded?: boolean
}

/** As much of a response of Node or Express. */
export interface NodeResponse {
  writeHead(status: number, headers?: Readonly<Record<string, string>>): unknown
  end(text?: string): unknown
}

/** A handler for Express, or for `node:http`. */
export type NodeHandler = (
  request: NodeRequest,
  response: NodeResponse,
  next?: (error?: unknown) => void,
) => Promise<void>

/** The same handler for Node as for Fetch. What cannot be handled goes to `next`, where there is one. */
export function nodeHandler(handle: (request: Request) => Promise<Response>): NodeHandler {
  return async (incoming, outgoing, next) => {
    try {
      const headers = new Headers()
      for (const [name, value] of Object.entries(incoming.headers))
        if (value !== undefined) headers.set(name, typeof value === 'string' ? value : value.join(', '))
      const method = incoming.method ?? 'POST'
      const body = method === 'GET' || method === 'HEAD' ? null : await rawBody(incoming)
      // The address says nothing: whoever mounts the handler has chosen it.
      const answer = await handle(new Request('http://receiver.invalid/', { method, headers, body }))
      outgoing.writeHead(answer.status, Object.fromEntries(answer.headers))
      outgoing.end(await answer.text())
    } catch (error) {
      if (next === undefined) throw error
      next(error)
    }
  }
}

/** The body as it was sent. @throws {Error} where a body parser has thrown it away */
async function rawBody(request: NodeRequest): Promise<Uint8Array<ArrayBuffer> | string> {
  const { body } = request
  if (typeof body === 'string') return body
  if (body instanceof Uint8Array) return new Uint8Array(body)
  if (request.readableEnded)
    throw new Error(
      'The body was parsed before the signature could be verified. Mount the receiver before express.json(), or mount ' +
        "express.raw({ type: '*/*' }) for its path.",
    )
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.byteLength
    // Cut: its signature fits no longer, so it is refused.
    if (size > MOST_BYTES) break
    chunks.push(chunk)
  }
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}
