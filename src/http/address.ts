import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import { type ClientAddress, clientAddress, type ProxyTrust } from '../network/proxies.ts'

/** The address of the client that sent a request, as far as the configuration lets proxies say it. */
export function addressOf(c: Pick<Context, 'req' | 'env'>, { trustProxy }: { trustProxy: ProxyTrust }): ClientAddress {
  return clientAddress(trustProxy, socketOf(c)?.remoteAddress, (name) => c.req.header(name))
}

/** The socket by which a request came; undefined where there is none, as in tests. */
export const socketOf = ({ env }: Pick<Context, 'env'>) => (env as Partial<HttpBindings> | undefined)?.incoming?.socket
