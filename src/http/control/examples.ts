/**
 * What the examples of the OpenAPI document share. They tell one story, so that an answer's ids are those of the next request:
 * the project "shop", its environment "prod", the customer "acme", and the people whom its identity provider sends.
 */
export const EXAMPLE = {
  projectId: '019a2f40-5b1e-7c31-9a52-0d6f3c2b1a01',
  environmentId: '019a2f40-6c2f-7d42-8b63-1e7f4d3c2b02',
  tenantId: '019a2f40-7d30-7e53-9c74-2f805e4d3c03',
  userId: '019a2f41-8e41-7f64-ad85-30916f5e4d04',
  groupId: '019a2f41-9f52-7075-be96-41a2706f5e05',
  roleId: '019a2f41-a063-7186-8fa7-52b3817a6f06',
  eventId: '019a2f42-b174-7297-90b8-63c4928b7a07',
  holdEventId: '019a2f42-c285-73a8-a1c9-74d5a39c8b08',
  webhookId: '019a2f43-d396-74b9-b2da-85e6b4ad9c09',
  streamId: '019a2f43-e4a7-75ca-83eb-96f7c5beab0a',
  sessionId: '019a2f43-f5b8-76db-94fc-a708d6cfbc0c',
  definitionId: '019a2f44-f5b8-76db-94fc-a708d6cfbc0b',
  requestId: '019a2f45-06c9-77ec-a50d-b819e7d0cd0c',
  apiKeyId: 'kX3pQ9vT2bLm',
  adminKeyId: 'aD7mN4sR8wYz',
  entityTag: '"q83vEjRWeJCrze8SNFZ4kA.Zm9v"',
  feedCursor: 'f5b3e91c0.3n7',
  created: '2026-03-02T09:30:00.000Z',
  changed: '2026-03-09T14:05:00.000Z',
  expires: '2027-03-02T09:30:00.000Z',
  origin: 'https://scim.example.com',
  extension: 'urn:example:scim:schemas:extension:2.0:Employment',
} as const
