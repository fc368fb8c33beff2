import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { decodeSpans } from './otlp-protobuf.ts'

/** A value of an attribute. */
export type AttributeValue = string | number | boolean | undefined

/** A span as a receiver of OTLP gets it. */
export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  /** Empty where it begins a trace. */
  readonly parentSpanId: string
  readonly name: string
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number
  readonly attributes: Readonly<Record<string, AttributeValue>>
  /** 0 unset, 1 ok, 2 error. */
  readonly status: { readonly code: number; readonly message: string }
  /** Of the process that made it. */
  readonly resource: Readonly<Record<string, AttributeValue>>
}

/** Takes traces by OTLP over HTTP, in both encodings. */
export interface OtlpReceiver {
  readonly origin: string
  readonly spans: readonly ReceivedSpan[]
  /** Bodies as they came, for what must not be in them. */
  readonly bodies: readonly Buffer[]
  readonly headers: readonly IncomingHttpHeaders[]
  /** What each request is answered from now on; undefined for no answer at all. */
  answer(status: number | undefined): void
  close(): Promise<void>
}

/** Opens one on a free port of this machine. */
export async function openOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = []
  const bodies: Buffer[] = []
  const headers: IncomingHttpHeaders[] = []
  let status: number | undefined = 200
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const sent = Buffer.concat(chunks)
    const body = incoming.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent
    if (incoming.method !== 'POST' || incoming.url !== '/v1/traces') return outgoing.writeHead(404).end()
    bodies.push(body)
    headers.push(incoming.headers)
    if (status === undefined) return
    if (status === 200)
      spans.push(...(incoming.headers['content-type'] === 'application/json' ? fromJson(body) : decodeSpans(body)))
    outgoing.writeHead(status).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ spans, bodies, headers },
    answer: (next) => {
      status = next
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

interface JsonAttribute {
  readonly key: string
  readonly value: { stringValue?: string; intValue?: string | number; doubleValue?: number; boolValue?: boolean }
}
interface JsonTraces {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly JsonAttribute[] }
    readonly scopeSpans: readonly { readonly spans: readonly JsonSpan[] }[]
  }[]
}
type JsonSpan = Omit<ReceivedSpan, 'attributes' | 'resource' | 'status' | 'parentSpanId'> & {
  readonly parentSpanId?: string
  readonly attributes: readonly JsonAttribute[]
  readonly status: { readonly code?: number; readonly message?: string }
}

function fromJson(body: Buffer): ReceivedSpan[] {
  const { resourceSpans } = JSON.parse(body.toString()) as JsonTraces
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ traceId, spanId, parentSpanId = '', name, kind, attributes, status }) => ({
        ...{ traceId, spanId, parentSpanId, name, kind, attributes: valuesOf(attributes) },
        ...{
          status: { code: status.code ?? 0, message: status.message ?? '' },
          resource: valuesOf(resource.attributes),
        },
      })),
    ),
  )
}

const valuesOf = (attributes: readonly JsonAttribute[]): Record<string, AttributeValue> =>
  Object.fromEntries(
    attributes.map(({ key, value: { stringValue, intValue, doubleValue, boolValue } }) => [
      key,
      stringValue ?? (intValue === undefined ? (doubleValue ?? boolValue) : Number(intValue)),
    ]),
  )

/** The spans of one trace as lines, each two spaces further in than the one that it is part of. */
export function treeOf(spans: readonly ReceivedSpan[], traceId: string): string[] {
  const mine = spans.filter((span) => span.traceId === traceId)
  const ids = new Set(mine.map(({ spanId }) => spanId))
  const below = (parent: string, depth: number): string[] =>
    mine
      .filter(({ parentSpanId }) => (ids.has(parentSpanId) ? parentSpanId : '') === parent)
      .flatMap(({ spanId, name }) => [`${'  '.repeat(depth)}${name}`, ...below(spanId, depth + 1)])
  return below('', 0)
}
