import type { Reason } from '../scim/reasons.ts'
import { type About, type Explanation, OPERATOR } from './explanation.ts'

const newKey = ({ token, connection, again }: About) =>
  `Make a new key here, and paste it as ${token} under ${connection}. ${again}`
const copyUrl = ({ url, connection, again }: About) =>
  `Copy the base URL of the tenant anew, and paste it as ${url} under ${connection}. ${again}`
const newToken = ({ name, connection }: About) =>
  `Have ${name} get a new token: save the client id and the client secret anew under ${connection}.`

const OPERATOR_CAN = `Have ${OPERATOR}`

const newSecret = ({ connection, again }: About) =>
  `Save the client id, and the whole key as the client secret, under ${connection}. ${again}`

/** Refusals for the address, the key, and what the tenant is set to. */
export const ABOUT_ACCESS = {
  'base-url-wrong': {
    problem: ({ Name, url }) => `${Name} sent the request to an address that is no base URL of this service (${url}).`,
    remedy: copyUrl,
  },
  'endpoint-unknown': {
    problem: ({ Name }) =>
      `${Name} reached the tenant, but asked for a kind of resource that the tenant does not have.`,
    remedy: ({ url, connection }) =>
      `Remove everything behind the base URL from ${url} under ${connection}. For a type of your own, ask ${OPERATOR} to register its schema.`,
  },
  'path-malformed': {
    problem: ({ Name }) => `${Name} sent an address with characters that no address of this service has.`,
    remedy: ({ url, connection }) => `Look for spaces and stray characters in ${url} under ${connection}.`,
  },
  'version-unsupported': {
    problem: () => 'The base URL names a version of SCIM that this service does not speak.',
    remedy: ({ url, connection }) => `Use the base URL with "v2" as ${url} under ${connection}, and choose SCIM 2.0.`,
  },
  'place-unknown': {
    problem: () => 'The base URL names a project, an environment or a tenant that does not exist.',
    remedy: copyUrl,
  },
  'host-malformed': {
    problem: () => 'The request names a host or a scheme in a header that cannot be read.',
    remedy: () => `Ask ${OPERATOR} to look at Host and X-Forwarded-Proto, which the proxy sends.`,
  },
  'host-unknown': {
    problem: ({ Name, url }) =>
      `${Name} reached this service under a host name that it does not know as its own (${url}).`,
    remedy: ({ url, connection }) =>
      `Use the base URL that this service shows as ${url} under ${connection}. Or ask ${OPERATOR} to add the host to PUBLIC_URL.`,
  },
  'method-unsupported': {
    problem: ({ Name }) => `${Name} used an HTTP method that this address does not offer.`,
    remedy: ({ url, connection }) =>
      `Check that ${url} under ${connection} ends with the name of the tenant. Check that the client speaks SCIM 2.0.`,
  },
  'http-malformed': {
    problem: () => 'What arrived was no request of HTTP/1.1.',
    remedy: () => `Ask ${OPERATOR} which proxy stands in front of this service, and have it send HTTP/1.1.`,
  },
  'key-missing': {
    problem: ({ Name }) => `${Name} sent no key with the request.`,
    remedy: ({ token, connection, again }) =>
      `Choose a bearer token as the way to sign in. Enter the key as ${token} under ${connection}. ${again}`,
  },
  'key-malformed': {
    problem: ({ Name, token }) => `${Name} sent a key with spaces, line breaks or more than one key in it (${token}).`,
    remedy: ({ token, connection, again }) =>
      `Empty ${token} under ${connection}, and paste the key once, without "Bearer" before it. ${again}`,
  },
  'key-unknown': {
    problem: ({ Name, token }) =>
      `${Name} sent a key that this service has never issued, or only a part of one (${token}).`,
    remedy: ({ token, connection, again }) =>
      `Paste the whole key as ${token} under ${connection}, from "rck_" to its last character. ${again}`,
  },
  'key-revoked': {
    problem: ({ Name }) => `${Name} sent a key that somebody revoked in this service.`,
    remedy: newKey,
  },
  'key-rotated': {
    problem: ({ Name }) => `${Name} still sends the old secret of a key that was rotated.`,
    remedy: ({ token, connection, again }) =>
      `Paste the newest secret of the key as ${token} under ${connection}. ${again}`,
  },
  'key-expired': {
    problem: ({ Name }) => `${Name} sent a key whose time has run out.`,
    remedy: newKey,
  },
  'token-unknown': {
    problem: ({ Name }) => `${Name} sent an access token that this service did not issue for this address.`,
    remedy: newToken,
  },
  'token-expired': {
    problem: ({ Name }) => `${Name} sent an access token after its time had run out.`,
    remedy: newToken,
  },
  'token-ended': {
    problem: ({ Name }) => `${Name} sent an access token of a key that ended meanwhile.`,
    remedy: (about) => `${newKey(about)} Use its client id and secret where the client asks for them.`,
  },
  'client-unauthenticated': {
    problem: ({ Name }) => `${Name} asked for an access token without a client secret or an assertion.`,
    remedy: newSecret,
  },
  'client-secret-wrong': {
    problem: ({ Name }) =>
      `${Name} asked for an access token with a client secret that is wrong, has ended or was revoked.`,
    remedy: (about) => `Make a new key here, or rotate this one. ${newSecret(about)}`,
  },
  'assertion-wrong': {
    problem: ({ Name }) =>
      `${Name} asked for an access token with an assertion that the key does not trust, or that was used before.`,
    remedy: ({ again }) =>
      `Compare issuer, subject and audience of the assertion with what the key trusts, and its signer with the public keys. ${again}`,
  },
  'issuer-keys-away': {
    problem: ({ name }) => `This service could not get the keys of the issuer that vouches for ${name}.`,
    remedy: () => `Ask ${OPERATOR} to read in the log what the address of the keys answers, and to correct the trust.`,
  },
  'scope-not-held': {
    problem: ({ Name }) => `${Name} asked for an access token with a scope that the key does not have.`,
    remedy: ({ connection }) =>
      `Enter "scim" as the scope under ${connection}. Or make a key with the permissions that the scope names.`,
  },
  'tokens-too-often': {
    problem: ({ Name }) => `${Name} asks for access tokens much more often than it needs them.`,
    remedy: () => 'Have the client keep each access token until it expires, which is after an hour.',
  },
  'token-request-malformed': {
    problem: ({ Name }) => `${Name} asked for an access token in a way that this service cannot read.`,
    remedy: ({ connection }) =>
      `Choose OAuth client credentials as the way to sign in under ${connection}. Send one kind of credentials, as a form.`,
  },
  'wrong-keys-too-many': {
    problem: ({ Name }) => `${Name} sent so many unknown keys that this service makes it wait.`,
    remedy: ({ token, connection }) =>
      `Paste the right key as ${token} under ${connection}. This service takes a good key at once, without a wait.`,
  },
  'key-lacks-permission': {
    problem: ({ Name, permission }) =>
      `${Name} sent a good key that lacks the permission "${permission}" for this request.`,
    remedy: ({ token, connection }) =>
      `Make a key with scim:read and scim:write here, and paste it as ${token} under ${connection}.`,
  },
  'key-of-another-place': {
    problem: ({ Name }) => `${Name} sent a key of one tenant or environment to the base URL of another.`,
    remedy: ({ url, token, connection }) =>
      `Copy base URL and key from the same page here, and paste both under ${connection}. The fields are ${url} and ${token}.`,
  },
  'key-of-one-user': {
    problem: ({ Name }) => `${Name} sent a key that stands for a single user, and asked for others.`,
    remedy: newKey,
  },
  'me-without-user': {
    problem: ({ Name }) => `${Name} asked for "me" with a key that stands for no user.`,
    remedy: () => 'Ask for the user by its id, or use a key that stands for that user.',
  },
  'logout-token-refused': {
    problem: ({ Name }) => `${Name} asked to end somebody's sessions by a token that this tenant does not accept.`,
    remedy: () =>
      `Compare the logout URL and the issuer at both ends. ${OPERATOR_CAN} register the issuer in the setting logoutIssuers, with the address of its keys.`,
  },
  'logout-token-used': {
    problem: ({ Name }) => `${Name} sent the same token twice to end somebody's sessions, and each is good once.`,
    remedy: ({ name }) => `Nothing has to be changed where ${name} sends anew with a new token.`,
  },
  'logout-not-allowed': {
    problem: ({ Name }) => `${Name} asked to end somebody's sessions for another application than this one.`,
    remedy: () => `${OPERATOR_CAN} enter the client id of the application as subject in the setting logoutIssuers.`,
  },
  'logout-subject-malformed': {
    problem: ({ Name }) =>
      `${Name} asked to end the sessions of somebody whom it named in a way that is not understood.`,
    remedy: ({ name }) => `Choose the e-mail address, or issuer and subject, as the subject format at ${name}.`,
  },
  'logout-subject-unknown': {
    problem: ({ Name }) => `${Name} asked to end the sessions of somebody who is no user of this tenant.`,
    remedy: ({ name }) =>
      `Assign the person to the application at ${name}, or choose another subject format. The e-mail address, the id here and externalId are looked up.`,
  },
  'logout-subject-ambiguous': {
    problem: ({ Name }) =>
      `${Name} asked to end the sessions of a person by a name that several users have, so nobody was logged out.`,
    remedy: ({ name }) =>
      `Give each user an e-mail address of their own, or choose issuer and subject as the subject format at ${name}.`,
  },
  'place-paused': {
    problem: () => 'The tenant, its environment or its project is paused here, so nothing is read or written.',
    remedy: ({ again }) => `Ask ${OPERATOR} to resume it. ${again}`,
  },
  'tenant-being-deleted': {
    problem: () => 'The tenant is being deleted in this service.',
    remedy: ({ connection }) => `Turn provisioning to this tenant off under ${connection}, or use another tenant.`,
  },
  'address-not-allowed': {
    problem: ({ Name }) => `${Name} sent the request from an IP address that the tenant does not allow.`,
    remedy: ({ name }) => `Ask ${OPERATOR} to add the addresses of ${name} to the setting allowedAddresses.`,
  },
  'user-sync-off': {
    problem: ({ Name }) => `${Name} sent users, and the tenant takes none (setting userSync).`,
    remedy: ({ stopUsers }) => `Ask ${OPERATOR} to turn userSync on. If no users are meant to come: ${stopUsers}`,
  },
  'group-sync-off': {
    problem: ({ Name }) => `${Name} sent groups, and the tenant takes none (setting groupSync).`,
    remedy: ({ stopGroups }) => `Ask ${OPERATOR} to turn groupSync on. If no groups are meant to come: ${stopGroups}`,
  },
  'root-queries-off': {
    problem: ({ Name }) => `${Name} asked for users and groups in one query, which the tenant does not answer.`,
    remedy: () => `Have the client query /Users and /Groups apart. Or ask ${OPERATOR} to turn rootQueries on.`,
  },
  'passwords-refused': {
    problem: ({ Name }) => `${Name} sent a password, and the tenant refuses passwords.`,
    remedy: ({ mapping }) => `Remove password from ${mapping}. Or ask ${OPERATOR} to set password to drop.`,
  },
  'seats-gone': {
    problem: () => 'The tenant has as many active users as its plan allows (setting maxActiveUsers).',
    remedy: ({ again }) => `Deactivate users who need no access, or have ${OPERATOR} raise maxActiveUsers. ${again}`,
  },
  'discovery-filtered': {
    problem: ({ Name }) => `${Name} sent a filter to a page of discovery, which takes none.`,
    remedy: () => 'Have the client read ServiceProviderConfig, ResourceTypes and Schemas without a filter.',
  },
} as const satisfies Partial<Record<Reason, Explanation>>
