import { writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { EXIT } from '../../src/cli/failure.ts'
import { applyFiles } from '../support/apply-files.ts'
import { rollcall } from '../support/cli.ts'

const files = applyFiles('mapped')

const BADGE = 'urn:example:shop:Employment:badge'
const CLEARANCE = 'urn:example:acme:Clearance:level'
const FILE = `
projects:
  PROJECT:
    environments:
      prod:
        settings:
          mapping:
            email: emails[type eq "work"].value
            badge: ${BADGE}
            name: { first: [displayName, { join: [name.givenName, name.familyName], with: " " }] }
        schemaExtensions:
          - resourceType: User
            schema:
              id: urn:example:shop:Employment
              name: Employment
              attributes: [{ name: badge, type: string }]
        tenants:
          acme:
            settings:
              mapping:
                level: { upper: "${CLEARANCE}" }
                teams: { groups: "team-*", keep: star }
                region: { split: title, by: "-", part: -1 }
                staff: { choose: userType, cases: { Employee: true }, otherwise: active }
            schemaExtensions:
              - resourceType: User
                schema:
                  id: urn:example:acme:Clearance
                  name: Clearance
                  attributes: [{ name: level, type: string }]
          globex:
`
const NOTHING = { exitCode: 0, out: 'nothing to change: all is as the file says\n', err: '' }

/** A project of its own, and the file that says it. */
function newFile(text = FILE) {
  const { ask, ...file } = files.newFile(text)
  const at = (method: string, path: string, body?: object) => ask(method, `/environments/prod${path}`, body)
  const mapping = async (place = '') => (await at('GET', `${place}/mapping`)).mapping as Record<string, unknown>
  return { ...file, at, mapping }
}
const lines = (text: string) => text.split('\n').filter(Boolean)

describe('a mapping in a file of rollcall apply', () => {
  test('is set for an environment and a tenant, also of attributes that the file brings, and again changes nothing', async () => {
    const { project, apply, at, mapping } = newFile()
    const made = await apply()
    expect(made).toMatchObject({ exitCode: 0, err: '' })
    expect(lines(made.out)).toEqual([
      `+ project ${project}`,
      `+ environment ${project}/prod`,
      `+ schema extension ${project}/prod urn:example:shop:Employment`,
      `+ tenant ${project}/prod/acme`,
      `+ schema extension ${project}/prod/acme urn:example:acme:Clearance`,
      `+ tenant ${project}/prod/globex`,
      '6 things changed',
    ])
    expect(Object.keys(await mapping()).sort()).toEqual(['badge', 'email', 'name'])
    expect(await mapping('/tenants/acme')).toEqual({
      level: { upper: CLEARANCE },
      teams: { groups: 'team-*', keep: 'star' },
      region: { split: 'title', by: '-', part: -1 },
      staff: { choose: 'userType', cases: { Employee: true }, otherwise: 'active' },
    })
    expect(await mapping('/tenants/globex')).toEqual(await mapping())
    const before = (await at('GET', '/tenants/acme')).updatedAt
    for (const args of [['--dry-run'], [], ['--prune']]) expect(await apply(...args)).toEqual(NOTHING)
    expect((await at('GET', '/tenants/acme')).updatedAt).toEqual(before)
  })

  test('that differs is shown by a dry run, which changes nothing, and is then changed for whoever reads it', async () => {
    const { project, write, apply, at, mapping } = newFile()
    await apply()
    const { key } = (await at('POST', '/tenants/acme/api-keys', {
      ...{ name: 'k', permissions: ['scim:write', 'scim:read'] },
    })) as { key: string }
    const urn = 'urn:example:acme:Clearance'
    const created = await fetch(`${files.gateway.origin}/scim/v2/${project}/prod/v2/acme/Users`, {
      ...{ method: 'POST', headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/scim+json' } },
      body: JSON.stringify({
        ...{ schemas: ['urn:ietf:params:scim:schemas:core:2.0:User', urn], userName: 'ada', title: 'Lead - EU' },
        [urn]: { level: 'high' },
      }),
    })
    expect(created.status).toBe(201)
    const read = async () => ((await at('GET', '/tenants/acme/users')).items as { mapped: object }[])[0]?.mapped
    expect(await read()).toEqual({ level: 'HIGH', teams: null, region: 'EU', staff: true })

    write((text) =>
      text
        .replace(`{ upper: "${CLEARANCE}" }`, `{ lower: "${CLEARANCE}" }`)
        .replace(/settings:\n {10}mapping:\n( {12}.*\n)+/, 'settings: {}\n'),
    )
    const dry = await apply('--dry-run')
    expect(dry).toMatchObject({ exitCode: 0, err: '' })
    const [environment, taken, tenant, changed, end, ...more] = lines(dry.out)
    expect([environment, tenant, end, more]).toEqual([
      `~ environment ${project}/prod`,
      `~ tenant ${project}/prod/acme`,
      '2 things would change; nothing was changed',
      [],
    ])
    expect(taken).toMatch(/^ {4}settings\.mapping: \{.* → not set$/)
    expect(changed).toBe(`    settings.mapping.level: {"upper":"${CLEARANCE}"} → {"lower":"${CLEARANCE}"}`)
    expect(await read()).toMatchObject({ level: 'HIGH' })
    expect(Object.keys(await mapping())).toHaveLength(3)

    expect(lines((await apply()).out)).toEqual([environment, taken, tenant, changed, '2 things changed'])
    expect(await read()).toEqual({ level: 'high', teams: null, region: 'EU', staff: true })
    expect([await mapping(), await mapping('/tenants/globex')]).toEqual([{}, {}])
    expect(await apply()).toEqual(NOTHING)
  })

  test('is in what pull writes, which changes nothing here and makes the same elsewhere', async () => {
    const { project, apply } = newFile()
    await apply()
    const pulled = await rollcall(files.env, 'pull', '--only', project)
    expect(pulled).toMatchObject({ exitCode: 0, err: '' })
    expect(pulled.out).toContain('staff:')
    const copy = newFile(pulled.out.replaceAll(project, 'PROJECT'))
    writeFileSync(copy.file, pulled.out)
    for (const args of [[], ['--prune']]) expect(await copy.apply(...args)).toEqual(NOTHING)
    copy.write((text) => text)
    expect(await copy.apply()).toMatchObject({ exitCode: 0, err: '' })
    const again = await rollcall(files.env, 'pull', '--only', copy.project)
    expect(again.out.replaceAll(copy.project, project)).toBe(pulled.out)
  })

  test('may read an attribute of a schema that the same change brings, in a dry run too', async () => {
    const { project, write, apply, mapping } = newFile()
    write((text) =>
      text
        .replace(`            badge: ${BADGE}\n`, '')
        .replace(/schemaExtensions:\n( {10}.*\n)+/, 'schemaExtensions: []\n'),
    )
    expect((await apply()).exitCode).toBe(0)
    write((text) => text)
    const expected = [
      `+ schema extension ${project}/prod urn:example:shop:Employment`,
      `~ environment ${project}/prod`,
      `    settings.mapping.badge: not set → "${BADGE}"`,
    ]
    expect(lines((await apply('--dry-run')).out)).toEqual([
      ...[...expected, '2 things would change; nothing was changed'],
    ])
    expect(Object.keys(await mapping()).sort()).toEqual(['email', 'name'])
    expect(lines((await apply()).out)).toEqual([...expected, '2 things changed'])
    expect(await mapping()).toMatchObject({ badge: BADGE })
    expect(await apply()).toEqual(NOTHING)
  })

  test('goes before the schema whose attribute it reads is taken away', async () => {
    const { project, write, apply, mapping } = newFile()
    await apply()
    write((text) =>
      text
        .replace(`            badge: ${BADGE}\n`, '')
        .replace(/schemaExtensions:\n( {10}.*\n)+/, 'schemaExtensions: []\n'),
    )
    const pruned = await apply('--prune')
    expect(pruned).toMatchObject({ exitCode: 0, err: '' })
    expect(lines(pruned.out)).toEqual([
      `~ environment ${project}/prod`,
      `    settings.mapping.badge: "${BADGE}" → not set`,
      `- schema extension ${project}/prod urn:example:shop:Employment`,
      '2 things changed',
    ])
    expect(Object.keys(await mapping()).sort()).toEqual(['email', 'name'])
    expect(await apply('--prune')).toEqual(NOTHING)
  })

  test('of an attribute that no schema has is refused in words, and nothing beyond is made', async () => {
    const { apply, write } = newFile()
    write((text) => text.replace(BADGE, 'urn:example:shop:Employment:badgeNumber'))
    expect(await apply()).toMatchObject({ exitCode: EXIT.refused, err: expect.stringMatching(/badgeNumber/) })
    write((text) => text)
    expect((await apply()).exitCode).toBe(0)
    expect(await apply()).toEqual(NOTHING)
  })
})
