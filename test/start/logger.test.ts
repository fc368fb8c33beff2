import { expect, test } from 'vitest'
import { createLogger, keyExpiryLine, logError, requestLine } from '../../src/observability/logger.ts'

function capture(): { lines: Record<string, unknown>[]; logger: ReturnType<typeof createLogger> } {
  const lines: Record<string, unknown>[] = []
  return { lines, logger: createLogger('info', { write: (line) => lines.push(JSON.parse(line)) }) }
}

test('a request is one line of listed fields; whatever else comes along stays out', () => {
  const { lines, logger } = capture()
  const fields = { requestId: 'r', method: 'GET', status: 200, ms: 1.5, tenantId: 't', keyId: 'k' }
  requestLine(logger, { ...fields, ...{ path: 'hush', body: 'hush', authorization: 'hush', query: 'hush' } })
  requestLine(logger, { ...fields, status: 500 })
  expect(lines[0]).toEqual({ level: 'info', time: expect.any(String), msg: 'request', ...fields })
  expect(lines[1]).toMatchObject({ level: 'warn', status: 500 })
})

test('a key that expires soon is one warning, by its public id', () => {
  const { lines, logger } = capture()
  keyExpiryLine(logger, { id: 'k', expiresAt: new Date(0), daysLeft: 3, ...{ hash: 'hush' } })
  const fields = { keyId: 'k', expiresAt: '1970-01-01T00:00:00.000Z', daysLeft: 3 }
  expect(lines).toEqual([
    { level: 'warn', time: expect.any(String), msg: expect.stringContaining('expires'), ...fields },
  ])
})

test.each([
  [
    "postgres.js's error",
    Object.assign(new Error('duplicate key: hush'), {
      severity: 'ERROR',
      code: '23505',
      constraint_name: 'users_key',
      detail: 'hush',
      parameters: ['hush'],
    }),
  ],
  [
    "PGlite's error",
    Object.assign(new Error('duplicate key: hush'), {
      severity: 'ERROR',
      code: '23505',
      constraint: 'users_key',
      params: ['hush'],
      query: 'hush',
    }),
  ],
])('%s is logged by code and constraint, without the values in it, also wrapped', (_what, source) => {
  const { lines, logger } = capture()
  const wrapped = new Error('Failed query: insert into users values ($1)\nparams: hush', { cause: source })
  logError(logger, source, 'r1')
  logError(logger, wrapped, 'r2')
  expect(lines[0]).toMatchObject({ level: 'error', requestId: 'r1', err: { code: '23505', constraint: 'users_key' } })
  expect(lines[1]).toMatchObject({ requestId: 'r2', err: { cause: { code: '23505', constraint: 'users_key' } } })
  expect(JSON.stringify(lines)).not.toContain('hush')
})

test('any other error is logged with its message and where it was thrown', () => {
  const { lines, logger } = capture()
  logError(logger, new TypeError('x is not a function'), 'r')
  expect(lines[0]?.err).toMatchObject({
    name: 'TypeError',
    message: 'x is not a function',
    stack: expect.stringContaining('logger.test.ts'),
  })
})
