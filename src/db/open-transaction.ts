import { ConnectionLost, isConnectionFailure, NoAnswer } from './errors.ts'

/** What is known of a transaction under way: whether its connection is there, and the failure that its caller is told. */
export class OpenTransaction {
  begun = false
  over = false
  lost = false
  failed = false
  readonly failure: Promise<never>
  readonly fail: (error: unknown) => void

  constructor() {
    let reject: (error: unknown) => void = () => {}
    this.failure = new Promise((_, no) => {
      reject = no
    })
    this.failure.catch(() => {})
    this.fail = (error) => {
      this.failed = true
      reject(error)
    }
  }

  /** Runs a statement unless the connection is lost: it could be another one's by now. */
  async guard<T>(send: () => Promise<T>): Promise<T> {
    if (this.over) throw new Error('a statement was run after its transaction had ended')
    if (this.lost) throw new ConnectionLost('the connection was lost during the transaction')
    try {
      return await send()
    } catch (error) {
      if (isConnectionFailure(error)) this.lost = true
      if (this.lost || error instanceof NoAnswer) this.fail(error)
      throw error
    }
  }
}
