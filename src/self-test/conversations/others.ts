import {
  type Conversation,
  changes,
  creates,
  deactivates,
  deletesUser,
  employee,
  enterpriseBody,
  groups,
  looksUp,
  probes,
  replaces,
  userBody,
} from '../conversation.ts'

const add = { op: 'add', path: 'members', value: [{ value: '{{user}}' }] }
const removeByFilter = { op: 'remove', path: 'members[value eq "{{user}}"]' }

/** Google Workspace sends users alone. */
export const GOOGLE: Conversation = {
  agent: 'Google-Auto-Provisioning',
  type: 'application/scim+json',
  steps: [
    probes('/Users?count=1'),
    looksUp('userName eq "{{userName}}"'),
    creates(userBody()),
    replaces(userBody({ name: { givenName: '{{givenName}}', familyName: 'Changed' } })),
    ...deactivates({ op: 'replace', path: 'active', value: false }),
    deletesUser,
  ],
}

/** OneLogin: plain JSON by a template, PUT for changes, DELETE in the end. */
export const ONELOGIN: Conversation = {
  agent: 'OneLogin',
  type: 'application/json',
  steps: [
    probes('/Users?filter=userName+eq+%22{{run}}%22'),
    looksUp('userName eq "{{userName}}"'),
    creates(userBody({ id: null, title: null })),
    replaces(
      userBody({ name: { givenName: '{{givenName}}', familyName: 'Changed', formatted: '{{givenName}} Changed' } }),
    ),
    ...groups({}, [add], [removeByFilter]),
    ...deactivates({ op: 'replace', path: 'active', value: false }),
    deletesUser,
  ],
}

/** JumpCloud: makes and deletes a test user and a test group when it is activated. */
export const JUMPCLOUD: Conversation = {
  agent: 'JumpCloud',
  type: 'application/scim+json',
  steps: [
    probes('/Users?count=1'),
    looksUp('userName eq "{{userName}}"'),
    creates(enterpriseBody({ displayName: '{{givenName}} {{familyName}}', ...employee({ department: 'Tests' }) })),
    changes(
      { op: 'replace', path: 'name.givenName', value: 'Changed' },
      { op: 'replace', path: 'name.familyName', value: '{{familyName}}' },
    ),
    ...groups({ members: [] }, [add], [{ op: 'remove', path: 'members', value: [{ value: '{{user}}' }] }]),
    ...deactivates({ op: 'replace', path: 'active', value: false }),
    deletesUser,
  ],
}

/** PingOne: a capitalised operator in the filter, and the whole list of members at a time. */
export const PING: Conversation = {
  agent: 'PingOne',
  type: 'application/json',
  steps: [
    probes('/Users?count=1'),
    looksUp('username Eq "{{userName}}"'),
    creates(userBody()),
    replaces(userBody({ id: '{{user}}', title: 'Analyst' })),
    ...groups(
      {},
      [{ op: 'replace', path: 'members', value: [{ value: '{{user}}', type: 'User' }] }],
      [{ op: 'replace', path: 'members', value: [] }],
    ),
    ...deactivates({ op: 'replace', path: 'active', value: false }),
  ],
}

/** Rippling: reads the configuration first, pages through users, and deactivates by PUT. */
export const RIPPLING: Conversation = {
  agent: 'Rippling',
  type: 'application/json',
  steps: [
    probes('/ServiceProviderConfig'),
    { ...probes('/Users?startIndex=1&count=50'), title: 'Lists the users that are there' },
    creates(
      enterpriseBody({
        emails: [{ value: '{{userName}}', primary: true }],
        ...employee({ employeeNumber: '{{run}}' }),
      }),
    ),
    ...groups({ members: [] }, [add], [removeByFilter]),
    ...deactivates({ put: userBody({ emails: [{ value: '{{userName}}', primary: true }], active: false }) }),
  ],
}

/** A client that keeps to the letter of the RFCs, for identity providers without a conversation of their own. */
export const GENERIC: Conversation = {
  agent: 'SCIM client',
  type: 'application/scim+json',
  steps: [
    probes('/ServiceProviderConfig'),
    looksUp('userName eq "{{userName}}"'),
    creates(userBody()),
    changes({ op: 'replace', path: 'name.familyName', value: 'Changed' }),
    ...groups({}, [add], [removeByFilter]),
    ...deactivates({ op: 'replace', path: 'active', value: false }),
    deletesUser,
  ],
}
