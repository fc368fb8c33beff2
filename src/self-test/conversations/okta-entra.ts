import {
  type Conversation,
  changes,
  creates,
  deactivates,
  employee,
  enterpriseBody,
  groups,
  looksUp,
  probes,
  replaces,
  userBody,
} from '../conversation.ts'

const profile = { displayName: '{{givenName}} {{familyName}}', locale: 'en-US', groups: [] }

/** Okta: a PATCH without path deactivates, PUT changes the profile, and a password comes with the user. */
export const OKTA: Conversation = {
  agent: 'Okta SCIM Client 1.0.0',
  type: 'application/scim+json',
  steps: [
    probes('/Users?startIndex=1&count=2'),
    looksUp('userName eq "{{userName}}"'),
    creates(userBody({ ...profile, password: '{{run}}Aa1!' })),
    replaces(userBody({ ...profile, id: '{{user}}', title: 'Engineer' })),
    ...groups(
      { members: [] },
      [{ op: 'add', path: 'members', value: [{ value: '{{user}}', display: '{{userName}}' }] }],
      [{ op: 'remove', path: 'members[value eq "{{user}}"]' }],
    ),
    ...deactivates({ op: 'replace', value: { active: false } }),
  ],
}

/** Microsoft Entra ID as it is without a flag in the Tenant URL: operations in capitals, booleans as text, members by value. */
export const ENTRA: Conversation = {
  agent: 'Microsoft Entra ID',
  type: 'application/scim+json',
  steps: [
    probes('/Users?filter=userName+eq+%22{{run}}%22'),
    looksUp('userName eq "{{userName}}"'),
    creates(
      enterpriseBody({
        ...{ displayName: '{{givenName}} {{familyName}}', meta: { resourceType: 'User' }, roles: [] },
        ...employee({ department: 'Tests', employeeNumber: '{{run}}' }),
      }),
    ),
    changes(
      { op: 'Replace', path: 'emails[type eq "work"].value', value: 'new.{{userName}}' },
      { op: 'Replace', path: 'name.familyName', value: 'Changed' },
      { op: 'Add', path: 'phoneNumbers[type eq "mobile"].value', value: '+1 555 0100' },
    ),
    ...groups(
      {
        schemas: ['http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group'],
        ...{ externalId: '{{run}}', meta: { resourceType: 'Group' } },
      },
      [{ op: 'Add', path: 'members', value: [{ $ref: null, value: '{{user}}' }] }],
      [{ op: 'Remove', path: 'members', value: [{ $ref: null, value: '{{user}}' }] }],
    ),
    ...deactivates({ op: 'Replace', path: 'active', value: 'False' }),
  ],
}
