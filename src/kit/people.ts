import { randomBytes } from 'node:crypto'
import type { JsonObject } from '../scim/resource.ts'
import { isObject } from '../scim/resource.ts'

/** A person as an identity provider knows one. */
export interface Person {
  readonly userName: string
  readonly externalId: string
  readonly givenName: string
  readonly familyName: string
}

const GIVEN = ['Barbara', 'Donald', 'Frances', 'Ken', 'Margaret', 'Niklaus', 'Radia', 'Tony']
const FAMILY = ['Allen', 'Hamilton', 'Hoare', 'Knuth', 'Liskov', 'Perlman', 'Thompson', 'Wirth']
const oneOf = (names: readonly string[]): string => names[Math.floor(Math.random() * names.length)] as string

/** Somebody who is in no directory yet, unless `userName` says who. */
export function newcomer(userName?: string): Person {
  const [givenName, familyName, mark] = [oneOf(GIVEN), oneOf(FAMILY), randomBytes(4).toString('hex')]
  const made = `${givenName}.${familyName}.${mark}@acme.example`.toLowerCase()
  return { userName: userName ?? made, externalId: `play-${mark}`, givenName, familyName }
}

/** The person behind a SCIM user. */
export function personIn({ userName, externalId, name }: JsonObject): Person {
  const { givenName, familyName } = isObject(name) ? name : {}
  const text = (value: unknown) => (typeof value === 'string' ? value : '')
  return {
    ...{ userName: text(userName), externalId: text(externalId) },
    ...{ givenName: text(givenName), familyName: text(familyName) },
  }
}
