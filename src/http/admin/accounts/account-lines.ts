import { z } from '@hono/zod-openapi'
import { ACCOUNTS_AT_ONCE } from '../../../administration/accounts/posting.ts'
import { Refusal } from '../../../administration/refusal.ts'
import type { PostedAccount } from '../../../repositories/accounts/posted.ts'
import type { LongWork } from '../../../thread.ts'
import { asAccount, postedAccount } from './account-shapes.ts'

/** Bytes of one account. */
const MAX_LINE_BYTES = 65_536
/** Bytes of one request with accounts as lines. */
export const MAX_LINES_BYTES = 256 * 1_048_576

/** Accounts of some lines, and the number of the last line. */
export interface Lines {
  readonly accounts: readonly PostedAccount[]
  readonly until: number
}

/**
 * Reads accounts that come one in a line (NDJSON), some hundreds at a time. No more of the body is held than that.
 *
 * @param work has the thread in slices
 * @throws {Refusal} 400 with the number of the line that cannot be read
 */
export async function* accountLines(body: AsyncIterable<Uint8Array>, work: LongWork): AsyncGenerator<Lines, void> {
  let accounts: PostedAccount[] = []
  let number = 0
  for await (const line of lines(body)) {
    number++
    const pause = work.pause()
    if (pause) await pause
    if (line.trim() === '') continue
    accounts.push(accountIn(line, number))
    if (accounts.length < ACCOUNTS_AT_ONCE) continue
    yield { accounts, until: number }
    accounts = []
  }
  if (accounts.length > 0) yield { accounts, until: number }
}

function accountIn(line: string, number: number): PostedAccount {
  const path = `line ${number}`
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch {
    throw new Refusal(400, `Line ${number} is no JSON.`, [{ path, message: 'must be one account as a JSON object' }])
  }
  const read = postedAccount.safeParse(json)
  if (read.success) return asAccount(read.data)
  const mistakes = read.error.issues.slice(0, 5).map((issue) => ({
    ...{ path: [path, ...issue.path.map(String)].join('.'), message: issue.message },
  }))
  throw new Refusal(400, `Line ${number} is no account: ${z.prettifyError(read.error).split('\n')[0]}`, mistakes)
}

async function* lines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > MAX_LINES_BYTES)
      throw new Refusal(
        400,
        `One request takes ${MAX_LINES_BYTES} bytes at most; post the rest in another request of the run.`,
      )
    const parts = (rest + decoded(decoder, chunk)).split('\n')
    rest = parts.pop() ?? ''
    if (Buffer.byteLength(rest) > MAX_LINE_BYTES)
      throw new Refusal(400, `A line has more than ${MAX_LINE_BYTES} bytes.`)
    yield* parts
  }
  rest += decoded(decoder)
  if (rest !== '') yield rest
}

function decoded(decoder: InstanceType<typeof TextDecoder>, chunk?: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined })
  } catch {
    throw new Refusal(400, 'The body is not UTF-8 text.')
  }
}
