import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { EXIT } from '../../src/cli/failure.ts'
import { applyFiles } from '../support/apply-files.ts'
import { rollcall } from '../support/cli.ts'
import { groupBody, userBody } from '../support/instances.ts'

const files = applyFiles('shop')

const SHOP = `
projects:
  PROJECT:
    name: The shop
    environments:
      prod:
        name: Production
        settings:
          eventRetentionDays: 30
          roleRules:
            - { group: { displayName: Finance }, role: finance }
        resourceTypes:
          - resourceType: { name: Device, endpoint: /Devices, schema: "urn:example:shop:Device" }
            schemas:
              - id: urn:example:shop:Device
                name: Device
                attributes: [{ name: serialNumber, type: string, required: true }]
        schemaExtensions:
          - resourceType: User
            schema:
              id: urn:example:shop:Employment
              name: Employment
              attributes: [{ name: badge, type: string }]
        webhooks:
          - url: https://hooks.shop.example/all
        tenants:
          default:
          acme:
            name: Acme Inc.
            settings: { mode: standard, leaverBrake: { mode: hold, count: 5 } }
            webhooks:
              - { url: "https://hooks.shop.example/acme", description: Acme alone, events: [user.*], snapshot: true }
          globex: { paused: true }
`

/** A project of its own, and the file that says it. */
function newFile(text = SHOP) {
  const { ask, ...file } = files.newFile(text)
  return { ...file, get: (path: string) => ask('GET', path) }
}
const lines = (text: string) => text.split('\n').filter(Boolean)

describe('rollcall apply', () => {
  test('makes what a file says, and doing it again changes nothing', async () => {
    const { project, apply, get } = newFile()
    const dry = await apply('--dry-run')
    expect(dry).toMatchObject({ exitCode: 0, err: '' })
    expect(lines(dry.out)).toEqual([
      `+ project ${project}`,
      `+ environment ${project}/prod`,
      `+ resource type ${project}/prod Device`,
      `+ schema extension ${project}/prod urn:example:shop:Employment`,
      `+ webhook ${project}/prod https://hooks.shop.example/all`,
      `+ tenant ${project}/prod/default`,
      `+ tenant ${project}/prod/acme`,
      `+ webhook ${project}/prod/acme https://hooks.shop.example/acme`,
      `+ tenant ${project}/prod/globex`,
      '9 things would change; nothing was changed',
    ])
    expect((await get('')).status).toBe(404)
    const made = await apply()
    expect(made).toMatchObject({ exitCode: 0, err: expect.stringContaining('--secrets-to') })
    // The environment was made with its tenant `default`, of which the file says nothing.
    expect(lines(made.out)).toEqual([
      ...lines(dry.out).filter((line) => !line.includes('/default') && !line.includes('would')),
      '8 things changed',
    ])
    expect(await get('/environments/prod/tenants/acme')).toMatchObject({
      ...{ name: 'Acme Inc.', settings: { mode: 'standard', leaverBrake: { mode: 'hold', count: 5 } } },
    })
    expect(await get('/environments/prod/tenants/globex')).toMatchObject({ name: 'globex', paused: true })
    expect((await get('/environments/prod/tenants/acme/webhooks')).items).toMatchObject([
      { url: 'https://hooks.shop.example/acme', description: 'Acme alone', events: ['user.*'], snapshot: true },
    ])
    for (const args of [['--dry-run'], [], ['--prune']])
      expect(await apply(...args)).toEqual({
        exitCode: 0,
        out: 'nothing to change: all is as the file says\n',
        err: '',
      })
  })

  test('shows the difference, with who gains and loses roles, and changes it; what is left out of settings is taken back', async () => {
    const { project, write, apply, get } = newFile()
    await apply()
    const place = `/environments/prod/tenants/acme`
    const base = `${files.gateway.origin}/scim/v2/${project}/prod/v2/acme`
    const headers = { Authorization: `Bearer ${files.gateway.adminKey}`, 'Content-Type': 'application/json' }
    const post = async (url: string, body: object, key?: string) => {
      const init = { method: 'POST', headers: { ...headers, ...(key && { Authorization: `Bearer ${key}` }) } }
      return (await (await fetch(url, { ...init, body: JSON.stringify(body) })).json()) as { id: string; key: string }
    }
    const { key } = await post(`${files.gateway.origin}/api/v1/projects/${project}${place}/api-keys`, {
      ...{ name: 'k', permissions: ['scim:write', 'scim:read'] },
    })
    const { id } = await post(`${base}/Users`, userBody('ada'), key)
    await post(`${base}/Groups`, groupBody('Finance', [id]), key)

    write((text) =>
      text
        .replace('mode: standard, leaverBrake: { mode: hold, count: 5 }', 'mode: strict, roleRules: []')
        .replace('events: [user.*], ', ''),
    )
    const expected = [
      `~ tenant ${project}/prod/acme`,
      '    settings.mode: "standard" → "strict"',
      '    settings.roleRules: not set → []',
      '    settings.leaverBrake: {"mode":"hold","count":5,"windowMinutes":60,"releaseAfterHours":24} → not set',
    ]
    const webhook = [`~ webhook ${project}/prod/acme https://hooks.shop.example/acme`, '    events: ["user.*"] → []']
    expect(lines((await apply('--dry-run')).out)).toEqual([
      ...[...expected, '    roles: 0 gained, 1 lost', ...webhook, '2 things would change; nothing was changed'],
    ])
    expect(await get(place)).toMatchObject({ settings: { mode: 'standard' } })
    expect(lines((await apply()).out)).toEqual([...expected, ...webhook, '2 things changed'])
    expect((await get(place)).settings).toEqual({ mode: 'strict', roleRules: [] })
  })

  test('leaves what the file does not name; --prune deletes what stands beside its lists, and no place', async () => {
    const { project, write, apply, get } = newFile()
    const secrets = join(files.folder, `${project}.secrets`)
    await apply('--secrets-to', secrets)
    expect(statSync(secrets).mode & 0o777).toBe(0o600)
    expect(lines(readFileSync(secrets, 'utf8'))).toEqual([
      expect.stringMatching(`^${project}/prod https://hooks.shop.example/all whsec_`),
      expect.stringMatching(`^${project}/prod/acme https://hooks.shop.example/acme whsec_`),
    ])
    expect(await apply('--secrets-to', secrets)).toMatchObject({
      ...{ exitCode: EXIT.usage, err: `rollcall: ${secrets} cannot be written: it is there already\n` },
    })
    write((text) => text.replace(/ {8}webhooks:\n.*\/all\n/, '        webhooks: []\n').replace(/ {10}globex.*\n/, ''))
    const left = `· webhook ${project}/prod https://hooks.shop.example/all is not in the file; it stays`
    expect(lines((await apply()).out)).toEqual([left, 'nothing to change: all is as the file says'])
    expect(lines((await apply('--prune')).out)).toEqual([
      `- webhook ${project}/prod https://hooks.shop.example/all`,
      'one thing changed',
    ])
    expect((await get('/environments/prod/tenants/globex')).key).toBe('globex')
    const all = (await get('/environments/prod/webhooks')).items as { url: string }[]
    expect(all.map(({ url }) => url)).toEqual(['https://hooks.shop.example/acme'])
  })

  test('pull writes a file that changes nothing, has no secret, and makes the same elsewhere', async () => {
    const { project, apply, get } = newFile()
    await apply()
    const pulled = await rollcall(files.env, 'pull', '--only', project)
    expect(pulled).toMatchObject({ exitCode: 0, err: '' })
    expect(pulled.out).not.toMatch(/whsec_|secret/i)
    const copy = newFile(pulled.out.replaceAll(project, 'PROJECT'))
    writeFileSync(copy.file, pulled.out)
    expect((await copy.apply()).out).toBe('nothing to change: all is as the file says\n')
    copy.write((text) => text)
    expect((await copy.apply()).exitCode).toBe(0)
    for (const path of ['/environments/prod', '/environments/prod/tenants/acme', '/environments/prod/tenants/globex']) {
      const { name, paused, settings } = await copy.get(path)
      expect(await get(path)).toMatchObject({ name, paused, settings })
    }
    const again = await rollcall(files.env, 'pull', '--only', copy.project)
    expect(again.out.replaceAll(copy.project, project)).toBe(pulled.out)
    const one = await rollcall(files.env, 'pull', '--only', `${project}/prod/acme`, '--json')
    expect(Object.keys(JSON.parse(one.out).projects[project].environments.prod.tenants)).toEqual(['acme'])
  })

  describe('catalogues, streams, domains and the policy of adoption', () => {
    const MORE = `
projects:
  PROJECT:
    environments:
      prod:
        settings:
          adoption: { sameBy: [externalId], existingUser: adopt }
        catalogue:
          kinds: [{ name: License, endpoint: /Licenses }]
          entries:
            - { value: editor, kind: Role, displayName: Editor }
            - { value: seat.full, kind: License, displayName: Full seat }
        streams:
          - { method: poll, audience: "https://shop.example/all", signals: [caep] }
        tenants:
          acme:
            settings: { adoption: { match: queue } }
            catalogue:
              entries: [{ value: acme.admin, kind: Role, displayName: Administrator, contains: [editor] }]
            domains:
              - ACME.example
              - { domain: bücher.example, verify: dns }
            streams:
              - { method: push, url: "https://hooks.shop.example/sets", audience: "https://shop.example/acme", paused: true }
`
    const NOTHING = 'nothing to change: all is as the file says'
    const place = '/environments/prod/tenants/acme'

    test('are made as a file says, and doing it again changes nothing', async () => {
      const { project, apply, get } = newFile(MORE)
      const made = lines((await apply()).out)
      expect(made).toEqual([
        `+ project ${project}`,
        `+ environment ${project}/prod`,
        `+ catalogue ${project}/prod`,
        `+ stream ${project}/prod poll https://shop.example/all`,
        `+ tenant ${project}/prod/acme`,
        `+ catalogue ${project}/prod/acme`,
        `+ domain ${project}/prod/acme acme.example`,
        `+ domain ${project}/prod/acme xn--bcher-kva.example`,
        expect.stringMatching(
          /^ {4}verify it by this record in DNS: _rollcall\.xn--bcher-kva\.example {2}TXT {2}rollcall-/,
        ),
        `+ stream ${project}/prod/acme https://hooks.shop.example/sets`,
        expect.stringContaining('its bearer token'),
        '9 things changed',
      ])
      expect((await get(`${place}/domains`)).items).toMatchObject([
        { domain: 'acme.example', verifiedBy: 'operator' },
        { domain: 'xn--bcher-kva.example', verified: false },
      ])
      expect((await get(`${place}/streams`)).items).toMatchObject([
        { method: 'push', paused: true, enabled: true, format: 'notice' },
      ])
      expect(await get(`${place}/catalogue`)).toMatchObject({ version: 1, entries: [{ value: 'acme.admin' }] })
      expect((await get(place)).settings).toMatchObject({ adoption: { match: 'queue' } })
      for (const args of [['--dry-run'], [], ['--prune']])
        expect(await apply(...args)).toEqual({ exitCode: 0, out: `${NOTHING}\n`, err: '' })
      expect(await get('/environments/prod/catalogue')).toMatchObject({ version: 1 })
    })

    test('show what differs, and are changed; --prune takes away what stands beside the lists', async () => {
      const { project, write, apply, get } = newFile(MORE)
      await apply()
      write((text) =>
        text
          .replace('displayName: Editor }', 'displayName: Author }')
          .replace(/ +- { value: seat.full.*\n/, '')
          .replace('signals: [caep]', 'signals: [caep, risc]')
          .replace('- ACME.example\n', '')
          .replace('{ domain: bücher.example, verify: dns }', 'bücher.example'),
      )
      const editor = { kind: 'Role', value: 'editor', description: '', supported: true, contains: [] }
      const expected = [
        `~ catalogue ${project}/prod`,
        '    entries.editor.displayName: "Editor" → "Author"',
        expect.stringMatching(/^ {4}entries\.seat\.full: .* → not set$/),
        `~ stream ${project}/prod poll https://shop.example/all`,
        '    signals: ["caep"] → ["caep","risc"]',
        `~ domain ${project}/prod/acme xn--bcher-kva.example`,
        '    verified: false → true',
      ]
      const left = `· domain ${project}/prod/acme acme.example is not in the file; it stays`
      expect(lines((await apply('--dry-run')).out)).toEqual([
        ...[...expected, left, '3 things would change; nothing was changed'],
      ])
      expect(await get('/environments/prod/catalogue')).toMatchObject({ version: 1 })
      expect(lines((await apply()).out)).toEqual([...expected, left, '3 things changed'])
      const { entries } = (await get('/environments/prod/catalogue')) as { entries: object[] }
      expect(entries).toEqual([expect.objectContaining({ ...editor, displayName: 'Author' })])
      expect(lines((await apply('--prune')).out)).toEqual([
        `- domain ${project}/prod/acme acme.example`,
        'one thing changed',
      ])
      expect(lines((await apply('--prune')).out)).toEqual([NOTHING])
    })

    test('pull writes them without a secret, and the file changes nothing; streams of receivers are theirs', async () => {
      const { project, apply, get } = newFile(MORE)
      await apply()
      const [{ id } = { id: '' }] = ((await get(`${place}/streams`)) as { items: { id: string }[] }).items
      const headers = { Authorization: `Bearer ${files.gateway.adminKey}`, 'Content-Type': 'application/json' }
      const at = `${files.gateway.origin}/api/v1/projects/${project}${place}`
      const body = JSON.stringify({ token: 'a-bearer-token-that-is-secret' })
      expect((await fetch(`${at}/streams/${id}`, { method: 'PATCH', headers, body })).status).toBe(200)
      const made = await fetch(`${at}/api-keys`, {
        ...{ method: 'POST', headers, body: JSON.stringify({ name: 'r', permissions: ['ssf.read', 'ssf.manage'] }) },
      })
      const { key } = (await made.json()) as { key: string }
      const configured = await fetch(`${files.gateway.origin}/ssf/tenants/${(await get(place)).id}/streams`, {
        method: 'POST',
        headers: { ...headers, Authorization: `Bearer ${key}` },
        body: JSON.stringify({ delivery: { method: 'urn:ietf:rfc:8936' } }),
      })
      expect(configured.status).toBe(201)

      const pulled = await rollcall(files.env, 'pull', '--only', project)
      expect(pulled).toMatchObject({ exitCode: 0, err: '' })
      expect(pulled.out).not.toMatch(/secret|token|rollcall-domain/i)
      expect(pulled.out).toContain('existingUser: adopt')
      const copy = newFile(pulled.out.replaceAll(project, 'PROJECT'))
      writeFileSync(copy.file, pulled.out)
      for (const args of [[], ['--prune']]) expect(lines((await copy.apply(...args)).out)).toEqual([NOTHING])
      copy.write((text) => text)
      expect((await copy.apply()).exitCode).toBe(0)
      const again = await rollcall(files.env, 'pull', '--only', copy.project)
      expect(again.out.replaceAll(copy.project, project)).toBe(pulled.out)
    })

    test('what is no catalogue, stream or domain is refused', async () => {
      const refused = async (change: (text: string) => string) => {
        const { write, apply } = newFile(MORE)
        write(change)
        return apply()
      }
      expect(await refused((text) => text.replace('method: poll,', 'method: poll, token: abc,'))).toMatchObject({
        ...{ exitCode: EXIT.usage, err: expect.stringContaining('"token"') },
      })
      expect(await refused((text) => text.replace('method: poll,', 'method: push,'))).toMatchObject({
        ...{ exitCode: EXIT.usage, err: expect.stringContaining('push takes a url') },
      })
      expect(await refused((text) => text.replace('kind: License', 'kind: Seat'))).toMatchObject({
        ...{ exitCode: EXIT.refused, err: expect.stringContaining('"Seat" is no kind') },
      })
      expect(await refused((text) => text.replace('- ACME.example', '- acme'))).toMatchObject({
        ...{ exitCode: EXIT.refused },
      })
    })
  })

  test('says where a file is wrong, and changes nothing', async () => {
    const lineOf = (text: string) => SHOP.slice(0, SHOP.indexOf(text)).split('\n').length
    const wrong = async (change: (text: string) => string) => {
      const { file, write, apply, get } = newFile()
      write(change)
      const { exitCode, err } = await apply()
      expect([exitCode, (await get('')).status]).toEqual([EXIT.usage, 404])
      return err.replace(file, 'FILE')
    }
    expect(await wrong((text) => text.replace('mode: standard', 'mode: lax'))).toMatch(
      new RegExp(`FILE, line ${lineOf('mode: standard')}: .*settings\\.mode `),
    )
    expect(await wrong((text) => text.replace('snapshot: true', 'snap: true'))).toMatch(
      new RegExp(`FILE, line ${lineOf('snapshot: true')}: .*"snap"`),
    )
    expect(await wrong((text) => text.replace('name: Acme Inc.', 'name: "Acme'))).toMatch(/FILE, line \d+: /)
    const missing = await rollcall(files.env, 'apply', join(files.folder, 'nothing.yaml'))
    expect(missing).toMatchObject({ exitCode: EXIT.usage, err: expect.stringContaining('cannot be read: ENOENT') })
  })

  test('what the gateway refuses ends it in its words; what was done stays, and the file goes on from there', async () => {
    const { write, apply, get } = newFile()
    write((text) => text.replace('https://hooks.shop.example/acme', 'https://10.0.0.1/acme'))
    const refused = await apply()
    expect(refused).toMatchObject({ exitCode: EXIT.refused, err: expect.stringMatching(/public address/) })
    expect((await get('/environments/prod/tenants/acme')).key).toBe('acme')
    write((text) => text)
    expect(lines((await apply()).out).at(-1)).toBe('2 things changed')
  })

  test('a key reaches what it is for: SEC-06 a narrow one changes nothing beyond', async () => {
    const { project, apply, file } = newFile()
    await apply()
    const headers = { Authorization: `Bearer ${files.gateway.adminKey}`, 'Content-Type': 'application/json' }
    const made = await fetch(`${files.gateway.origin}/api/v1/projects/${project}/environments/prod/api-keys`, {
      ...{ method: 'POST', headers, body: JSON.stringify({ name: 'k', permissions: ['admin'] }) },
    })
    const { key } = (await made.json()) as { key: string }
    const narrow = { ...files.env, ROLLCALL_ADMIN_KEY: key }
    const refused = await rollcall(narrow, 'apply', file)
    expect(refused).toMatchObject({
      exitCode: EXIT.refused,
      err: expect.stringContaining('not for what the URL names'),
    })
    const pulled = await rollcall(narrow, 'pull', '--only', `${project}/prod`)
    expect(pulled.exitCode).toBe(0)
    expect((await rollcall(narrow, 'pull')).exitCode).toBe(EXIT.refused)
  })
})
