import { describe, expect, test } from 'vitest'
import { maskedBody, maskedQuotes, maskedValue, shownAddress } from '../../src/request-log/masking.ts'

describe('people are masked, and the shape stays', () => {
  test('values keep their length and punctuation; ids of resources and booleans stay', () => {
    expect(maskedValue('ada.lovelace+x@acme.example')).toBe('•••.••••••••+•@••••.•••••••')
    expect(maskedValue('019a2f41-8e41-7f64-ad85-30916f5e4d04')).toBe('019a2f41-8e41-7f64-ad85-30916f5e4d04')
    expect(maskedValue('False')).toBe('False')
    expect(maskedValue('Žofie 李')).toBe('••••• •')
  })

  test.each([
    ['{"userName":"ada","active":true,"n":42}', '{"userName":"•••","active":true,"n":0}'],
    [
      '{"emails":[{"value":"a@b.c","type":"work","primary":true}]}',
      '{"emails":[{"value":"•@•.•","type":"work","primary":true}]}',
    ],
    [
      '{"Operations":[{"op":"Replace","path":"emails[value eq \\"a@b\\"].type","value":"x"}]}',
      '{"Operations":[{"op":"Replace","path":"emails[value eq \\"•@•\\"].type","value":"•"}]}',
    ],
    ['{"value":{"name.givenName":"Ada"}}', '{"value":{"name.givenName":"•••"}}'],
    [
      '{"totalResults":12,"Resources":[{"displayName":"Ada"}]}',
      '{"totalResults":12,"Resources":[{"displayName":"•••"}]}',
    ],
    ['{ "a" : "b\\"c" }', '{ "a" : "•\\"•" }'],
    // Cut in a value, in a name and in a number; and what is no JSON at all.
    ['{"userName":"ada lov', '{"userName":"••• •••'],
    ['{"userName":"a","na', '{"userName":"•","••'],
    ['{"n":12', '{"n":0'],
    ['userName=ada&x=1', '••••••••=•••&•=•'],
    ['["ada", 7, null]', '["•••", 0, null]'],
  ])('%s', (text, masked) => {
    expect(maskedBody(text)).toBe(masked)
  })

  test('of an address the filter’s values, and what stands in the place of an id', () => {
    expect(shownAddress('/Users?filter=userName%20eq%20%22ada%22&count=1', false)).toBe(
      '/Users?filter=userName eq "•••"&count=1',
    )
    expect(shownAddress('/Users?filter=userName+eq+ada', false)).toBe('/Users?filter=userName eq •••')
    expect(shownAddress('/Users?filter=a%20eq%20%22x', false)).toBe('/Users?filter=a eq "•')
    expect(shownAddress('/Users/ada@acme', false)).toBe('/Users/•••@••••')
    expect(shownAddress('/Users/a%3Fb', false)).toBe('/Users/•?•')
    expect(shownAddress('/Schemas/urn:ietf:params:scim:schemas:core:2.0:User', false)).toBe(
      '/Schemas/urn:ietf:params:scim:schemas:core:2.0:User',
    )
    expect(shownAddress('/Users?filter=userName%20eq%20%22ada%22', true)).toBe('/Users?filter=userName eq "ada"')
  })

  test('of a detail what stands between quotation marks', () => {
    expect(maskedQuotes('userName "ada" is taken by "b')).toBe('userName "•••" is taken by "•')
  })
})
