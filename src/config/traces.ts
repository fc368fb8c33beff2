import type { Values } from './variables.ts'

/** Where traces go, and which. As the standard variables of OpenTelemetry say. */
export interface TraceSettings {
  /** Takes OTLP over HTTP. */
  readonly url: string
  readonly protocol: Values['OTEL_EXPORTER_OTLP_PROTOCOL']
  /** What the receiver of traces is sent with each batch, such as its key: `name=value` with commas between. */
  readonly headers: string | undefined
  readonly serviceName: string | undefined
  /** What is said of this instance in each trace: `name=value` with commas between. */
  readonly resourceAttributes: string | undefined
  readonly sampler: Values['OTEL_TRACES_SAMPLER']
  /** Which part of the traces a sampler by ratio takes, from 0 to 1. */
  readonly ratio: number
}

/** Undefined where no traces are to be sent. */
export function traceSettings(values: Values): TraceSettings | undefined {
  const url = values.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? tracesBelow(values.OTEL_EXPORTER_OTLP_ENDPOINT)
  if (url === undefined || values.OTEL_SDK_DISABLED) return undefined
  return {
    url,
    protocol: values.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? values.OTEL_EXPORTER_OTLP_PROTOCOL,
    headers: values.OTEL_EXPORTER_OTLP_HEADERS,
    serviceName: values.OTEL_SERVICE_NAME,
    resourceAttributes: values.OTEL_RESOURCE_ATTRIBUTES,
    sampler: values.OTEL_TRACES_SAMPLER,
    ratio: values.OTEL_TRACES_SAMPLER_ARG,
  }
}

/** The address of traces below one for all signals. */
const tracesBelow = (endpoint: string | undefined): string | undefined =>
  endpoint === undefined ? undefined : `${endpoint.replace(/\/$/, '')}/v1/traces`
