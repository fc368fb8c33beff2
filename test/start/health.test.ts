import { expect, test } from 'vitest'
import { healthRoutes } from '../../src/http/health.ts'

const database = (run: () => Promise<unknown[]>) => ({ run: run as never })

test.each<[what: string, run: () => Promise<unknown[]>, status: number]>([
  ['answers', async () => [{ readOnly: false }], 200],
  ['takes no changes', async () => [{ readOnly: true }], 503],
  ['fails', () => Promise.reject(new Error('away')), 503],
  ['does not answer', () => new Promise(() => {}), 503],
])('the process lives and is ready only when the database answers: it %s', async (_what, run, status) => {
  const health = healthRoutes(database(run), 50)
  expect((await health.request('/livez')).status).toBe(200)
  expect((await health.request('/readyz')).status).toBe(status)
})
