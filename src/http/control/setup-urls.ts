import type { Context } from 'hono'
import type { OriginPolicy } from '../../tenancy/base-url.ts'
import { siteOf } from './origin.ts'

/** Where the set-up portal is. */
export const SETUP = '/setup'

/** What a visitor is sent: the address that lets a browser in. @throws {ScimError} 400 where the request's host is none */
export const setupUrl = (c: Pick<Context, 'req' | 'env'>, config: OriginPolicy, secret: string): string =>
  `${siteOf(c, config)}${SETUP}/enter/${secret}`
