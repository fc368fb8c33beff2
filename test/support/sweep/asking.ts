import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ORIGIN } from '../instances.ts'

/** A request of the sweep. */
export interface Ask {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export interface Told {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly text: string
}

export type Send = (key: string, ask: Ask) => Promise<Told>

/** Headers that differ between two answers to the same request. */
const OWN = new Set(['x-request-id', 'date', 'etag'])

/** Sends requests to an app without a socket; of a stream of events the head alone is read. */
export const sender =
  (fetch: (request: Request) => Promise<Response>): Send =>
  async (key, { method, url, body, headers = {} }) => {
    const sent = new Headers({ Authorization: `Bearer ${key}` })
    if (body !== undefined)
      sent.set('Content-Type', url.startsWith('/scim/') ? 'application/scim+json' : 'application/json')
    for (const [name, value] of Object.entries(headers)) sent.set(name, value)
    const init = { method, headers: sent, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    const response = await fetch(new Request(ORIGIN + url, init))
    const endless = response.headers.get('content-type') === 'text/event-stream'
    if (endless) await response.body?.cancel()
    const text = endless ? '' : await response.text()
    return { status: response.status, headers: [...response.headers].filter(([name]) => !OWN.has(name)), text }
  }

/** What an answer says whatever it was asked about: the texts in `about` are taken out, however they are written. */
export function plain({ status, headers, text }: Told, about: readonly string[]): string {
  let all = JSON.stringify([status, headers, withoutMoments(text)])
  for (const one of about)
    for (const written of new Set([one, encodeURIComponent(one), JSON.stringify(one).slice(1, -1)]))
      if (written !== '') all = all.replaceAll(written, '<it>').replaceAll(JSON.stringify(written).slice(1, -1), '<it>')
  return all
}

/** The same of an answer that made something, whose ids, secrets, times and numbers are its own. */
export const plainer = (told: Told, about: readonly string[]): string =>
  plain(told, about)
    .replaceAll(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, '<id>')
    .replaceAll(/\bm[0-9a-f]{12}\b/g, '<mark>')
    .replaceAll(/r[cs][kl]_\w+|whsec_[\w+/=]+|(?<=verification=)[\w-]+/g, '<secret>')
    .replaceAll(/(id\\*":\\*"|(?:api-keys|setup-links)\/)\w{12}\b/g, '$1<key>')
    .replaceAll(/\d+/g, '#')

/** That a key was used is written down up to half a minute later, between two questions perhaps. */
const withoutMoments = (text: string): string =>
  text
    .replaceAll(/"requestId":"[^"]*"/g, '"requestId":""')
    .replaceAll(/"lastUsed(?:At|By)":(?:null|"[^"]*")/g, '"lastUsed":""')

/** Takes whatever is sent to it, webhooks and tokens alike. */
export interface Sink {
  readonly origin: string
  readonly got: { readonly path: string; readonly text: string }[]
  close(): Promise<void>
}

export async function openSink(): Promise<Sink> {
  const got: { path: string; text: string }[] = []
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    got.push({ path: incoming.url ?? '', text: Buffer.concat(chunks).toString() })
    outgoing.writeHead(202).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    got,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
