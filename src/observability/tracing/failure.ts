import { type Span, SpanStatusCode } from '@opentelemetry/api'
import { ScimError } from '../../scim/errors.ts'

/** Marks a span as failed. Its status has no message, since messages of errors have values in them. */
export function failedWith(span: Span, type: string): void {
  span.setAttribute('error.type', type)
  span.setStatus({ code: SpanStatusCode.ERROR })
}

/** The same by what was thrown. What a client did wrong is no failure of ours. */
export function failedBy(span: Span, error: unknown): void {
  if (error instanceof ScimError && error.status < 500) {
    span.setAttribute('error.type', String(error.status))
    return
  }
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown }
  // Both drivers' errors have a severity, as the server sends one, and its code is an SQLSTATE.
  if (severity !== undefined && typeof code === 'string') span.setAttribute('db.response.status_code', code)
  failedWith(span, typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown')
}
