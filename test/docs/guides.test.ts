import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { guideFor, VALUE_NAMES, valueNamed, withValues } from '../../src/http/portal/guides.ts'
import { Guide } from '../../src/http/portal/markdown.tsx'
import { IDENTITY_PROVIDER_NAMES } from '../../src/tenancy/identity-providers.ts'
import { ROOT } from '../support/documents.ts'

const FOLDER = join(ROOT, 'docs/idp')
const SECTIONS = [
  ...['What works', 'Before you start', 'Steps', 'What is mapped to what', 'Limits', 'Troubleshooting', 'Sources'],
]
const textOf = (name: string) => readFileSync(join(FOLDER, `${name}.md`), 'utf8')

test('every identity provider that the portal offers has a guide, and every guide is offered', () => {
  const files = readdirSync(FOLDER).map((file) => file.replace(/\.md$/, ''))
  expect(files.sort()).toEqual([...IDENTITY_PROVIDER_NAMES].sort())
})

describe.each(IDENTITY_PROVIDER_NAMES)('the guide for %s', (name) => {
  test('has the same sections as the others, in their order', () => {
    expect([...textOf(name).matchAll(/^## (.+)$/gm)].map((match) => match[1])).toEqual(SECTIONS)
  })

  test('has places for our values, and for no others', () => {
    const text = textOf(name)
    const places = [...text.matchAll(/\{([a-z][^{}]*)\}/gi)].map((match) => match[1] ?? '')
    expect(places.filter((place) => !VALUE_NAMES.some((value) => value === place))).toEqual([])
    for (const value of ['base URL', 'token']) expect(places).toContain(value)
  })

  test('links to other guides alone, and to pages of others over https', () => {
    const links = [...textOf(name).matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1] ?? '')
    expect(links.filter((link) => !/^(?:https:\/\/|[a-z-]+\.md(?:#|$))/.test(link))).toEqual([])
    expect(links.some((link) => link.startsWith('https://'))).toBe(true)
  })

  test('is shown whole, with the values in their places', async () => {
    const values = { 'base URL': 'https://scim.example/base', token: 'the-token' }
    const shown = Guide({ tokens: await guideFor(name), values, guide: (other) => `/guides/${other}` })
    const html = String(await shown)
    for (const section of SECTIONS) expect(html).toContain(`>${section}</h2>`)
    expect(html).toContain('data-copy="https://scim.example/base"')
    expect(html).toContain('data-copy="the-token"')
    expect(html).not.toMatch(/\{(?:base URL|token)\}|\*\*|&amp;(?:gt|amp|quot);/)
  })
})

test('a code mark is a place for a value only where it is nothing else', () => {
  expect(valueNamed('{base URL}')).toBe('base URL')
  expect(valueNamed('{$user.email}')).toBeUndefined()
  expect(withValues("'{base URL}/Users' {token}", { 'base URL': 'x' })).toBe("'x/Users' {token}")
})
