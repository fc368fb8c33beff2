import { AGENT_SCHEMA } from '../urn.ts'
import { defineResourceType, defineSchema, type ResourceTypeDefinition } from './define.ts'

const schema = defineSchema({
  id: AGENT_SCHEMA,
  name: 'Agent',
  description: 'AI agent, as of draft-wzdk-scim-agent-resource-00',
  attributes: [
    {
      name: 'agentUserName',
      type: 'string',
      description: 'Unique name of the agent, by which it signs in.',
      required: true,
      uniqueness: 'server',
    },
    { name: 'displayName', type: 'string', description: 'Name of the agent, for people.' },
    { name: 'description', type: 'string', description: 'What the agent does.' },
    { name: 'active', type: 'boolean', description: 'Whether the agent may act. Only false says that it may not.' },
    {
      name: 'owners',
      type: 'complex',
      multiValued: true,
      description: 'Users who are responsible for the agent.',
      subAttributes: [
        { name: 'value', type: 'string', description: 'The id of the user.', caseExact: true },
        { name: '$ref', type: 'reference', description: 'The URI of the user.', referenceTypes: ['User'] },
        { name: 'display', type: 'string', description: 'Name of the owner, for people.' },
      ],
    },
  ],
})

/**
 * The resource type of AI agents (draft-wzdk-scim-agent-resource-00), for tenants that switch it on. It is like a registered type in
 * all but this: who becomes inactive is told by events of its own.
 */
export const agentType: ResourceTypeDefinition = defineResourceType(
  {
    ...{ name: 'Agent', endpoint: '/Agents', schema: AGENT_SCHEMA },
    description: 'AI agents, as of draft-wzdk-scim-agent-resource-00',
  },
  new Map([[AGENT_SCHEMA.toLowerCase(), schema]]),
)

/** Whether the name, the endpoint or a URN of this type is one of the agents', letter case aside. */
export const isLikeAgents = ({ name, endpoint, schema: own, extensions }: ResourceTypeDefinition): boolean =>
  name.toLowerCase() === 'agent' ||
  endpoint.toLowerCase() === '/agents' ||
  [own, ...extensions.map((extension) => extension.schema)].some(
    ({ id }) => id.toLowerCase() === schema.id.toLowerCase(),
  )
