import { type Instance, ORIGIN, type Place } from './instances.ts'

/** An answer of an instance's admin API; which members its body has, the test knows. */
export interface AdminSent<Body> {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Body
}

/** Sends a request to a path below `/api/v1`. A method that takes a body sends an empty object where none is given. */
export type AdminSender = <Body = Record<string, unknown>>(
  method: string,
  path: string,
  body?: object,
  headers?: Readonly<Record<string, string>>,
) => Promise<AdminSent<Body>>

/** What asks the admin API of an instance with `key`. The instance may be opened later. */
export const adminSender =
  (instance: () => Pick<Instance, 'send'>, key: string): AdminSender =>
  async <Body>(method: string, path: string, body: object = {}, more: Readonly<Record<string, string>> = {}) => {
    const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json', ...more }
    const takesBody = method !== 'GET' && method !== 'DELETE'
    const init = { method, headers, ...(takesBody ? { body: JSON.stringify(body) } : {}) }
    const response = await instance().send(new Request(`${ORIGIN}/api/v1${path}`, init))
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: JSON.parse(text || '{}') as Body }
  }

/** The path of an environment on the admin API. */
export const environmentPath = ({ projectId, environmentId }: Place): string =>
  `/projects/${projectId}/environments/${environmentId}`

/** The environments of four tenants: two are in the same one, the third in another of its project, the fourth in another project. */
export async function placesApart(instance: Instance): Promise<readonly Place[]> {
  const place = await instance.newPlace()
  return [place, place, await instance.newEnvironment(place), await instance.newPlace()]
}
