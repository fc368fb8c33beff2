/** A table that may hold something of a person. */
interface ErasedPlace {
  /** How an erasure takes it out, for people. */
  readonly how: string
  /** Columns of text or JSON that may hold something of a person. */
  readonly people: readonly string[]
  /** Those that hold nothing of anybody: types, hashes, ids, moments. */
  readonly others?: readonly string[]
}

const GOES = 'goes with the user, who is deleted when the erasure begins'

/**
 * Every table that may hold something of a person, and how an erasure takes it out. A new column with texts stands here, and a new
 * table with texts here or in `WITHOUT_PEOPLE`: a test asks for both.
 */
export const ERASED: Readonly<Record<string, ErasedPlace>> = {
  resources: {
    how: 'the user is deleted when the erasure begins, and the log tells of it',
    people: ['external_id', 'unique_key', 'display_key', 'label', 'password_hash', 'document'],
    others: ['resource_type'],
  },
  search_documents: { how: GOES, people: ['search'], others: ['resource_type'] },
  resource_keys: { how: GOES, people: ['key'], others: ['resource_type', 'attribute'] },
  memberships: { how: `${GOES}; the group tells of it`, people: ['display', 'display_key'] },
  deferred_members: { how: 'rows that wait for the user are deleted', people: ['value', 'display'] },
  written_roles: { how: GOES, people: ['value'], others: ['attribute'] },
  kept_users: {
    how: 'the row is deleted, and the log tells of it',
    people: ['unique_key', 'external_id', 'emails'],
  },
  api_keys: {
    how: 'keys that stand for the user go with the user',
    people: ['name'],
    others: ['id', 'permissions', 'setup_link_id'],
  },
  events: {
    how: 'events about the user keep their places and lose what they say; out of others the person is taken',
    people: ['changes'],
    others: ['type', 'resource_type', 'request_id', 'actor'],
  },
  history_subjects: { how: 'the number stays and stands for nobody', people: [], others: ['kind'] },
  history_states: {
    how: 'spans lose the names, and what lasts ends',
    people: ['name'],
    others: ['from_request', 'from_actor', 'to_request', 'to_actor'],
  },
  webhook_deliveries: {
    how: 'what receivers have answered is emptied; what waits is sent without the person',
    people: ['last_error'],
  },
  request_log: {
    how: 'bodies about the person are emptied; out of others, and out of addresses, the person is taken',
    people: ['terms', 'entry', 'bodies'],
    others: ['operation', 'key_id'],
  },
  request_terms: { how: 'names and addresses lead to no request any more', people: ['term'] },
  audit_entries: {
    how: 'the person is taken out of what was before and after; who did what, and when, stays',
    people: ['before', 'after', 'target_name'],
    others: ['actor', 'actor_name', 'action', 'target_id', 'address', 'request_id'],
  },
  idempotency_keys: {
    how: 'answers that are kept for a day lose the person',
    people: ['body'],
    others: ['actor', 'key', 'fingerprint', 'location'],
  },
  accounts: {
    how: 'the copy of the user’s account is deleted; the application has its own',
    people: ['account_id', 'merged_into', 'external_id', 'user_name', 'display_name', 'addresses'],
    others: ['linked_by', 'roles'],
  },
  account_keys: { how: 'go with the copy of the account', people: ['value', 'account_id'], others: ['kind'] },
  account_reviews: {
    how: 'go with the user, and with the copy of the account',
    people: ['account_id'],
    others: ['state', 'by'],
  },
  erasures: {
    how: 'by what the person was found is emptied once nothing is looked for any more',
    people: ['subject', 'after'],
    others: ['place', 'erased', 'storage', 'actor', 'request_id', 'reference'],
  },
}

/** Tables with texts that hold nothing of the people of a directory, and what they hold. */
export const WITHOUT_PEOPLE: Readonly<Record<string, string>> = {
  projects: 'names of places',
  environments: 'names of places, settings',
  tenants: 'names of places, settings',
  former_addresses: 'names of places',
  connections: 'programs, and when they asked',
  setup_links: 'names that administrators gave to links',
  setup_visits: 'ids',
  api_key_secrets: 'hashes; they go with the key',
  api_key_public_keys: 'public keys; they go with the key',
  api_key_trusts: 'issuers and their workloads; they go with the key',
  used_assertions: 'hashes',
  console_sessions: 'operators of the gateway until they sign out; they are nobody’s users',
  instance_secrets: 'secrets of the gateway',
  signing_keys: 'keys of the gateway',
  rsa_signing_keys: 'keys of the gateway',
  schema_compatibility: 'releases',
  upkeep_turns: 'names of work',
  schema_definitions: 'names of attributes',
  catalogues: 'what users can be given, not who has it',
  catalogue_work: 'ids',
  roles: 'keys of roles',
  role_bindings: 'ids, and rules about groups',
  role_rule_work: 'ids, and names of groups',
  resource_counts: 'numbers',
  histories: 'how far each history is, and of which time it tells',
  history_grants: 'numbers of people, and ids of requests and keys',
  history_keys: 'public keys of the gateway',
  waiting_events: 'numbers; the event has what it says',
  webhook_endpoints: 'addresses of receivers, and in whose words they are paused',
  stream_messages: 'what streams are told about themselves',
  account_runs: 'names of runs, and numbers',
  tenant_domains: 'domains',
}
