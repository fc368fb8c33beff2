import type { AttributeValue, ReceivedSpan } from './otlp-receiver.ts'

/** A field of a protobuf message: its number, and its bytes or its number. */
interface Field {
  readonly number: number
  readonly bytes: Buffer
  readonly value: bigint
}

const NONE = Buffer.alloc(0)

/** The fields of a message in the wire format of protobuf. */
function fieldsOf(message: Buffer): Field[] {
  const fields: Field[] = []
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++] as number
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
  }
  while (at < message.length) {
    const tag = Number(varint())
    const number = tag >> 3
    switch (tag & 7) {
      case 0:
        fields.push({ number, bytes: NONE, value: varint() })
        break
      case 1:
        fields.push({ number, bytes: message.subarray(at, at + 8), value: message.readBigUInt64LE(at) })
        at += 8
        break
      case 2: {
        const length = Number(varint())
        fields.push({ number, bytes: message.subarray(at, at + length), value: 0n })
        at += length
        break
      }
      case 5:
        fields.push({ number, bytes: message.subarray(at, at + 4), value: BigInt(message.readUInt32LE(at)) })
        at += 4
        break
      default:
        throw new Error(`a field of type ${tag & 7} at byte ${at}`)
    }
  }
  return fields
}

const all = (fields: readonly Field[], number: number): Buffer[] =>
  fields.filter((field) => field.number === number).map(({ bytes }) => bytes)
const bytesIn = (fields: readonly Field[], number: number): Buffer => all(fields, number)[0] ?? NONE
const numberIn = (fields: readonly Field[], number: number): number =>
  Number(fields.find((field) => field.number === number)?.value ?? 0n)

/** The spans of an `ExportTraceServiceRequest` (opentelemetry-proto, trace/v1). */
export function decodeSpans(request: Buffer): ReceivedSpan[] {
  return all(fieldsOf(request), 1).flatMap((resourceSpans) => {
    const fields = fieldsOf(resourceSpans)
    const resource = attributesOf(all(fieldsOf(bytesIn(fields, 1)), 1))
    return all(fields, 2).flatMap((scopeSpans) =>
      all(fieldsOf(scopeSpans), 2).map((span) => ({ ...spanOf(fieldsOf(span)), resource })),
    )
  })
}

function spanOf(fields: readonly Field[]): Omit<ReceivedSpan, 'resource'> {
  const status = fieldsOf(bytesIn(fields, 15))
  return {
    traceId: bytesIn(fields, 1).toString('hex'),
    spanId: bytesIn(fields, 2).toString('hex'),
    parentSpanId: bytesIn(fields, 4).toString('hex'),
    name: bytesIn(fields, 5).toString(),
    kind: numberIn(fields, 6),
    attributes: attributesOf(all(fields, 9)),
    status: { code: numberIn(status, 3), message: bytesIn(status, 2).toString() },
  }
}

const attributesOf = (pairs: readonly Buffer[]): Record<string, AttributeValue> =>
  Object.fromEntries(
    pairs.map((pair) => {
      const fields = fieldsOf(pair)
      return [bytesIn(fields, 1).toString(), valueIn(fieldsOf(bytesIn(fields, 2)))]
    }),
  )

/** An `AnyValue`. */
function valueIn([field]: readonly Field[]): AttributeValue {
  switch (field?.number) {
    case 1:
      return field.bytes.toString()
    case 2:
      return field.value === 1n
    case 3:
      return Number(field.value)
    case 4:
      return field.bytes.readDoubleLE()
    default:
      return undefined
  }
}
