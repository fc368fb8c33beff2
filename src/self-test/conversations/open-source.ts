import {
  type Conversation,
  changes,
  creates,
  deactivates,
  deletesUser,
  groups,
  looksUp,
  probes,
  replaces,
  userBody,
} from '../conversation.ts'

/** Keycloak's extension: mails without type, booleans as text in lower case, and `remove` of all members. */
export const KEYCLOAK: Conversation = {
  agent: 'Keycloak',
  type: 'application/scim+json',
  steps: [
    probes('/Users?count=1'),
    looksUp('userName eq "{{userName}}"'),
    creates(userBody({ displayName: '{{givenName}} {{familyName}}', emails: [{ value: '{{userName}}' }], roles: [] })),
    changes(
      { path: 'userName', op: 'replace', value: '{{userName}}' },
      { path: 'displayName', op: 'replace', value: 'Changed' },
    ),
    ...groups(
      { externalId: '{{run}}' },
      [{ path: 'members', op: 'replace', value: [{ value: '{{user}}' }] }],
      [{ path: 'members', op: 'remove' }],
    ),
    ...deactivates({ path: 'active', op: 'replace', value: 'false' }),
    deletesUser,
  ],
}

/** authentik: mails of the type "other", PUT for users, and one operation for each member. */
export const AUTHENTIK: Conversation = {
  agent: 'authentik',
  type: 'application/scim+json',
  steps: [
    probes('/ServiceProviderConfig'),
    looksUp('userName eq "{{userName}}"'),
    creates(
      userBody({
        displayName: '{{givenName}} {{familyName}}',
        emails: [{ value: '{{userName}}', type: 'other', primary: true }],
      }),
    ),
    replaces(
      userBody({
        ...{ id: '{{user}}', displayName: 'Changed' },
        emails: [{ value: '{{userName}}', type: 'other', primary: true }],
      }),
    ),
    ...groups(
      { externalId: '{{run}}' },
      [{ op: 'add', path: 'members', value: [{ value: '{{user}}' }] }],
      [{ op: 'remove', path: 'members', value: [{ value: '{{user}}' }] }],
    ),
    ...deactivates({ put: userBody({ id: '{{user}}', active: false }) }),
    deletesUser,
  ],
}
