import { expect, test } from 'vitest'
import { inspected } from '../../src/cli/doctor/checkup.ts'

const sound = { version: '18.1', majorVersion: 18, aheadMs: 3 }
const well = { ...sound, missing: 0, newer: false, notServed: undefined, migration: '0001_a', lacking: [] }

test.each([
  ['all is well', {}, []],
  ['a clock ahead', { aheadMs: 2_001 }, [['clock', "the database's clock is 2001 ms ahead of ours"]]],
  ['a clock behind', { aheadMs: -2_001 }, [['clock', "the database's clock is 2001 ms behind ours"]]],
  ['a clock that is hardly ahead', { aheadMs: -2_000 }, []],
  ['an old server', { version: '14.9', majorVersion: 14 }, [['database', 'PostgreSQL 14.9']]],
  ['a newer schema that this build can serve', { newer: true }, []],
  ['a newer schema that it cannot serve', { newer: true, notServed: 'not this one' }, [['migrations', 'not this one']]],
  [
    'settings that a pooler drops',
    { lacking: ['jit'] },
    [['sessions', 'a pooler drops settings that keep statements quick: jit']],
  ],
  ['missing migrations', { missing: 2 }, [['migrations', '2 of this version are missing']]],
])('%s', (_, differs, wrong) => {
  const found = inspected({ ...well, ...differs }, true).filter(({ state }) => state === 'wrong')
  expect(found.map((finding) => [finding.check, finding.found])).toEqual(wrong)
})
