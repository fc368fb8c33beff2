import { expect, test } from 'vitest'
import {
  changeSettings,
  DEFAULT_SETTINGS,
  effectiveSettings,
  environmentSettings,
  parseStoredSettings,
  tenantSettings,
  tenantSettingsChange,
} from '../../src/tenancy/settings.ts'

test('TEN-09 defaults, then the environment, then the tenant', () => {
  expect(effectiveSettings({})).toEqual(DEFAULT_SETTINGS)
  expect(effectiveSettings({ mode: 'strict', rootQueries: false }, { mode: 'interop' })).toEqual({
    ...DEFAULT_SETTINGS,
    mode: 'interop',
    rootQueries: false,
  })
})

test('creating unknown tenants is for the environment alone to allow', () => {
  expect(effectiveSettings({ createUnknownTenants: true }).createUnknownTenants).toBe(true)
  expect(tenantSettings.safeParse({ createUnknownTenants: true }).success).toBe(false)
  const smuggled = { mode: 'strict', createUnknownTenants: true } as const
  expect(effectiveSettings({}, smuggled).createUnknownTenants).toBe(false)
})

test.each([
  [{ modes: 'strict' }, 'unrecognized_keys', []],
  [JSON.parse('{"__proto__": {"mode": "strict"}}'), 'unrecognized_keys', []],
  [{ mode: 'loose' }, 'invalid_value', ['mode']],
  [{ rootQueries: 'true' }, 'invalid_type', ['rootQueries']],
  [{ password: null }, 'invalid_value', ['password']],
  [{ unknownAttributes: 'keep' }, 'invalid_value', ['unknownAttributes']],
  [{ allowedAddresses: ['203.0.113.0/24', '203.0.113.0/33'] }, 'custom', ['allowedAddresses', 1]],
  [{ requestsPerSecond: 24 }, 'too_small', ['requestsPerSecond']],
  [{ maxActiveUsers: -1 }, 'too_small', ['maxActiveUsers']],
  [{ maxActiveUsers: 1.5 }, 'invalid_union', ['maxActiveUsers']],
  [{ keepDeletedDays: 0 }, 'too_small', ['keepDeletedDays']],
])('%j is refused', (settings, code, path) => {
  expect(environmentSettings.safeParse(settings).error?.issues).toMatchObject([{ code, path }])
})

test('a change is merged, and null takes a setting back', () => {
  const change = tenantSettingsChange.parse({ mode: null, rootQueries: true })
  expect(changeSettings({ mode: 'strict', password: 'drop' }, change)).toEqual({ password: 'drop', rootQueries: true })
})

test('settings that a newer version stored are passed over', () => {
  expect(parseStoredSettings({ mode: 'strict', colour: 'red' })).toEqual({ mode: 'strict' })
})
