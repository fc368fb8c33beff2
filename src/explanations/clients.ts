/** Identity providers whose admin consoles the explanations know. */
export const CLIENTS = [
  'okta',
  'entra',
  'google',
  'onelogin',
  'jumpcloud',
  'ping',
  'rippling',
  'keycloak',
  'authentik',
] as const

/** One of them. */
export type ClientName = (typeof CLIENTS)[number]

/** How each names itself in `User-Agent`. authentik comes before those whose names may stand in its comment. */
const AGENTS: readonly (readonly [RegExp, ClientName])[] = [
  [/authentik/i, 'authentik'],
  [/okta/i, 'okta'],
  [/onelogin/i, 'onelogin'],
  [/jumpcloud/i, 'jumpcloud'],
  [/\bping(?:one|federate|identity|\b)/i, 'ping'],
  [/rippling/i, 'rippling'],
  [/keycloak/i, 'keycloak'],
  [/azure|entra|\bmicrosoft/i, 'entra'],
  [/google/i, 'google'],
]

/** The identity provider that a `User-Agent` names; undefined for any other client. */
export const clientOf = (userAgent: string | undefined): ClientName | undefined =>
  userAgent === undefined ? undefined : AGENTS.find(([agent]) => agent.test(userAgent))?.[1]

/** What an administrator sees in the console of an identity provider, in its own words. Advice is in whole sentences. */
export interface AdminConsole {
  /** Its name, as a sentence begins with it. */
  readonly Name: string
  readonly name: string
  /** The page with the address and the token. */
  readonly connection: string
  readonly url: string
  readonly token: string
  /** Where attributes of users are mapped. */
  readonly mapping: string
  /** How it finds users that are there already. */
  readonly match: string
  /** How no groups are sent. */
  readonly stopGroups: string
  /** How no users are sent. */
  readonly stopUsers: string
  /** How it sends again what was refused. */
  readonly again: string
  /** How its PATCH keeps to the standard, where that is a setting. */
  readonly standardPatch?: string
}

/** For a client that is not known. */
export const ANY_CONSOLE: AdminConsole = {
  Name: 'The identity provider',
  name: 'the identity provider',
  connection: 'its SCIM settings',
  url: 'the SCIM base URL',
  token: 'the bearer token',
  mapping: 'its attribute mapping',
  match: 'Let the identity provider find existing users by userName.',
  stopGroups: 'Send no groups from the identity provider.',
  stopUsers: 'Send no users from the identity provider.',
  again: 'Then send the change again.',
}

/** The consoles of the identity providers. */
export const CONSOLES: Readonly<Record<ClientName, AdminConsole>> = {
  okta: {
    ...named('Okta'),
    connection: 'Provisioning > Integration',
    url: 'SCIM connector base URL',
    token: 'Authorization (HTTP Header)',
    mapping: 'Provisioning > To App > Attribute Mappings',
    match: 'Enter userName in Unique identifier field for users under Provisioning > Integration.',
    stopGroups: 'Remove the groups from Push Groups, and clear Push Groups under Supported provisioning actions.',
    stopUsers: 'Clear Create Users and Update User Attributes under Provisioning > To App.',
    again: 'Then open Dashboard > Tasks, select the failed assignments and choose Retry Selected.',
  },
  entra: {
    ...named('Microsoft Entra ID'),
    connection: 'Provisioning > Admin Credentials',
    url: 'Tenant URL',
    token: 'Secret Token',
    mapping: 'Provisioning > Attribute mapping',
    match: 'Give userName matching precedence 1 under Provisioning > Attribute mapping.',
    stopGroups: 'Open Provision Microsoft Entra ID Groups under Provisioning > Mappings, and set Enabled to No.',
    stopUsers: 'Open Provision Microsoft Entra ID Users under Provisioning > Mappings, and set Enabled to No.',
    again: 'Then choose Provision on demand for one user; Restart provisioning ends a quarantine.',
    standardPatch: 'Or add ?aadOptscim062020 to the Tenant URL, by which Entra keeps to the standard.',
  },
  google: {
    ...named('Google Workspace'),
    connection: 'Web and mobile apps > Autoprovisioning',
    url: 'Endpoint URL',
    token: 'Access token',
    mapping: 'Autoprovisioning > Attribute mapping',
    match: 'Map the primary email to userName under Autoprovisioning > Attribute mapping.',
    stopGroups: 'Google Workspace sends no groups of its own: look for another client with this key.',
    stopUsers: 'Turn Autoprovisioning off for this app.',
    again: 'Google Workspace sends the change again by itself within some hours.',
  },
  onelogin: {
    ...named('OneLogin'),
    connection: 'Configuration > API Connection',
    url: 'SCIM Base URL',
    token: 'SCIM Bearer Token',
    mapping: 'SCIM JSON Template and the Parameters tab',
    match: 'Give scimusername the value of Email under Parameters.',
    stopGroups: 'Clear Include in User Provisioning of the Groups parameter under Parameters.',
    stopUsers: 'Clear Enable provisioning under Provisioning.',
    again: 'Then open the Users tab of the app, and retry the failed user.',
  },
  jumpcloud: {
    ...named('JumpCloud'),
    connection: 'Identity Management',
    url: 'Base URL',
    token: 'Token Key',
    mapping: 'Identity Management > Attribute Mapping',
    match: 'Leave userName mapped to the email of the user under Identity Management.',
    stopGroups: 'Clear Enable management of User Groups and Group Membership under Identity Management.',
    stopUsers: 'Deactivate the connection under Identity Management.',
    again: 'Then choose Test Connection under Identity Management, and save.',
  },
  ping: {
    ...named('Ping'),
    connection: 'Integrations > Provisioning > Connections',
    url: 'SCIM base URL',
    token: 'OAuth Access Token',
    mapping: 'Integrations > Provisioning > Rules > Attribute Mapping',
    match: 'Choose userName as User Identifier of the connection.',
    stopGroups: 'Take the groups out of Group Provisioning of the rule.',
    stopUsers: 'Turn the rule off under Integrations > Provisioning > Rules.',
    again: 'Then turn the rule off and on under Provisioning > Rules, which synchronises again.',
  },
  rippling: {
    ...named('Rippling'),
    connection: 'the SCIM settings of the app',
    url: 'SCIM Base URL',
    token: 'Bearer Token',
    mapping: 'Supported SCIM Attributes and Attribute Mappings',
    match: 'Choose the existing account under Match existing users.',
    stopGroups: 'Clear Supports Groups in the SCIM settings of the app.',
    stopUsers: 'Clear User Management via SCIM in the settings of the app.',
    again: 'Then provision the person again from the list of users of the app.',
  },
  keycloak: {
    ...named('Keycloak'),
    connection: 'User Federation > SCIM provider',
    url: 'SCIM 2.0 endpoint',
    token: 'Auth password/token',
    mapping: 'the attributes of the user in Keycloak',
    match: 'Choose the import action that links existing users.',
    stopGroups: 'Turn Enable group propagation off in the SCIM provider.',
    stopUsers: 'Turn Enable user propagation off in the SCIM provider.',
    again: 'Then choose Sync all users in the action menu of the SCIM provider.',
  },
  authentik: {
    ...named('authentik'),
    connection: 'Applications > Providers > SCIM provider',
    url: 'URL',
    token: 'Token',
    mapping: 'User Property Mappings and Group Property Mappings of the provider',
    match: 'Leave the default mapping of userName in place, by which authentik adopts users.',
    stopGroups: 'Remove the entries of Group Property Mappings from the provider.',
    stopUsers: 'Choose a Group of the provider that has no users.',
    again: 'Then choose Run sync again on the page of the provider.',
  },
}

function named(name: string): Pick<AdminConsole, 'Name' | 'name'> {
  return { Name: name, name }
}
