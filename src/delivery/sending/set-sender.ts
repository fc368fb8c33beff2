import type { lookup } from 'node:dns'
import type { Networks } from '../../network/delivery-address.ts'
import { outgoing, type SendOutcome, unsuccessful } from './outgoing.ts'
import { SET_TYPE } from './security-event-token.ts'

/** Pushes Security Event Tokens to their receivers (RFC 8935). */
export interface SetSender {
  /**
   * @param authorization the header by which the receiver knows who sends; undefined where the signature is enough
   * @param traceparent names the trace that the receiver may go on with (W3C Trace Context)
   */
  send(url: string, set: string, authorization: string | undefined, traceparent?: string): Promise<SendOutcome>
  close(): Promise<void>
}

/** What a receiver may say against a token (RFC 8935 §2.4); all but the first are about who we are to it. */
export const SET_ERRORS: readonly string[] = [
  ...['invalid_request', 'invalid_key', 'invalid_issuer', 'invalid_audience'],
  ...['authentication_failed', 'access_denied'],
]

/** @param resolve looks names up; for tests */
export function setSender(networks: Networks, resolve?: typeof lookup): SetSender {
  const { post, close } = outgoing(networks, resolve)
  return {
    async send(url, set, authorization, traceparent) {
      const headers = {
        ...{ 'Content-Type': `application/${SET_TYPE}`, Accept: 'application/json' },
        ...(authorization === undefined ? {} : { Authorization: authorization }),
        ...(traceparent === undefined ? {} : { traceparent }),
      }
      const answer = await post(url, headers, set)
      if ('ok' in answer) return answer
      if (answer.status === 202) return { ok: true, status: 202 }
      const failed = unsuccessful(answer)
      const err = answer.status === 400 ? errorIn(answer.body) : undefined
      if (err !== undefined)
        return {
          ...{ ...failed, error: refusalOf(err), refused: true },
          receiverIsWell: err === 'invalid_request',
        }
      if (answer.status < 200 || answer.status > 299) return failed
      return { ...failed, error: `${failed.error}; a Security Event Token is taken with 202` }
    },
    close,
  }
}

/** What the operator is told when a receiver refuses a token. */
export const refusalOf = (err: string): string =>
  SET_ERRORS.includes(err) ? `the receiver refuses it: ${err}` : 'the receiver refuses it'

function errorIn(body: string): string | undefined {
  try {
    const { err } = JSON.parse(body) as { err?: unknown }
    return SET_ERRORS.find((known) => known === err)
  } catch {
    return undefined
  }
}
