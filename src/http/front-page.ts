import { Hono } from 'hono'
import { accepts } from 'hono/accepts'

/** The addresses that a newcomer looks for. They are the same in every gateway, and tell nothing about its tenants. */
const ADDRESSES = {
  scimBaseUrl: '/scim/v2/{project}/{environment}/v2/{tenant}',
  adminApi: { url: '/api/v1', docs: '/api/docs', openapi: '/api/v1/openapi.json' },
  operations: { console: '/console', live: '/livez', ready: '/readyz' },
} as const

/** Answers at `/`: a browser is led to the console, and any other client reads the addresses of the gateway as JSON. */
export function frontPage(): Hono {
  const front = new Hono()
  front.get('/', (c) => {
    c.header('Vary', 'Accept')
    const supports = ['application/json', 'text/html']
    const type = accepts(c, { header: 'Accept', supports, default: 'application/json' })
    return type === 'text/html' ? c.redirect(ADDRESSES.operations.console, 302) : c.json(ADDRESSES)
  })
  return front
}
