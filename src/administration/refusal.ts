/** One thing that is wrong, by the path of the member that has it (`settings.mode`). */
export interface Mistake {
  readonly path: string
  readonly message: string
}

/** 410 is for what was there once and is not kept for ever. */
type RefusalStatus = 400 | 403 | 404 | 409 | 410 | 422

/** A refusal that the operator should read; http/problem and the command line turn it into words. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: RefusalStatus
  readonly mistakes: readonly Mistake[]

  constructor(status: RefusalStatus, detail: string, mistakes: readonly Mistake[] = []) {
    super(detail)
    this.status = status
    this.mistakes = mistakes
  }

  static notFound = (kind: string, name: string) => new Refusal(404, `There is no ${kind} "${name.slice(0, 64)}" here.`)
  static badKey = (message: string) => new Refusal(400, `The key ${message}.`, [{ path: 'key', message }])
  static keyTaken = (kind: string, key: string) => {
    const message = `is taken: there is a ${kind} "${key}" already (letter case does not count)`
    return new Refusal(409, `The key ${message}.`, [{ path: 'key', message }])
  }
  static keyIsFormer = (key: string) => {
    const message = `is taken: it still leads to a tenant that has moved away, until its time is over or an administrator ends that`
    return new Refusal(409, `The key "${key}" ${message}.`, [{ path: 'key', message }])
  }
  static keyIsEndpoint = (key: string) => {
    const message = `is taken: a resource type of the environment has the endpoint "/${key}" (letter case does not count)`
    return new Refusal(409, `The key ${message}.`, [{ path: 'key', message }])
  }
}
