import type { Reason } from '../scim/reasons.ts'
import { type Explanation, OPERATOR, OTHER_MODE } from './explanation.ts'

/** Refusals for an attribute or its value, and for what is stored already. */
export const ABOUT_VALUES = {
  'attribute-unknown': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} sent ${field}, which no schema of the tenant has.`,
    remedy: ({ mapping }) =>
      `Remove it from ${mapping}, or have its schema registered here. Or ask ${OPERATOR} to set unknownAttributes to ignore.`,
  },
  'required-missing': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} left out ${field}, which every such entry must have.`,
    remedy: ({ mapping, again }) => `Map it in ${mapping}, and fill it in for this person or group. ${again}`,
  },
  'wrong-type': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} sent a value of the wrong kind as ${field}.`,
    remedy: ({ mapping }) =>
      `Choose another source in ${mapping}. Its value has to be of the kind that the schema asks for.`,
  },
  'boolean-as-text': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} sent ${field} as text, such as "True", and the tenant's mode refuses that.`,
    remedy: ({ mapping }) => `Map it as a Boolean in ${mapping}, without quotation marks. ${OTHER_MODE}`,
  },
  'integer-as-text': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} sent the number ${field} as text, and the tenant's mode refuses that.`,
    remedy: ({ mapping }) => `Map it as a number in ${mapping}, without quotation marks. ${OTHER_MODE}`,
  },
  'object-for-list': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} sent ${field} as one value, and the tenant's mode wants a list.`,
    remedy: ({ mapping }) => `Put the value between [ and ] in ${mapping}. ${OTHER_MODE}`,
  },
  'text-for-object': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} sent ${field} as text, and the tenant's mode wants an object.`,
    remedy: ({ mapping }) => `Map its part "value" in ${mapping}, in the place of the whole. ${OTHER_MODE}`,
  },
  'value-not-allowed': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} sent ${field} with a word that is not on the list of the schema.`,
    remedy: ({ mapping }) => `Choose one of the words of the schema in ${mapping}. ${OTHER_MODE}`,
  },
  'value-malformed': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} sent ${field} in a form that the schema does not know.`,
    remedy: ({ mapping }) =>
      `Correct its source in ${mapping}. Dates look like 2026-11-22T08:30:00Z, addresses like https://example.com.`,
  },
  'value-too-long': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} sent ${field} with a longer text than can be searched for.`,
    remedy: ({ mapping }) => `Shorten it in the profile, or choose another source in ${mapping}.`,
  },
  'values-too-many': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} sent ${field} with more values than one entry may have.`,
    remedy: ({ mapping }) => `Send only the values that are needed: choose them in ${mapping}.`,
  },
  'primary-repeated': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} marked several values of ${field} as primary.`,
    remedy: ({ mapping }) => `Mark a single one as primary in ${mapping}.`,
  },
  'attribute-immutable': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} changed ${field}, which keeps its first value for ever.`,
    remedy: ({ mapping }) => `Let ${mapping} send it on creation alone.`,
  },
  'attribute-read-only': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} changed ${field}, which this service alone sets.`,
    remedy: ({ mapping }) => `Remove it from ${mapping}.`,
  },
  'id-differs': {
    problem: ({ Name }) => `${Name} sent another id in the data than in the address.`,
    remedy: ({ mapping }) => `Remove id from ${mapping}. ${OTHER_MODE}`,
  },
  'required-not-removable': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} removed ${field}, which every such entry must have.`,
    remedy: ({ mapping }) => `Give it another value in the profile, or a default in ${mapping}.`,
  },
  'value-not-unique': {
    problem: ({ what }) =>
      `The tenant has another ${what} with the same ${what === 'group' ? 'name' : 'unique value, such as userName'}; deactivated ones count.`,
    remedy: ({ what, match, again }) =>
      what === 'group'
        ? `Rename one of the two groups, or link the group to the one that is there. ${again}`
        : `${match} ${again}`,
  },
  'role-name-taken': {
    problem: () => 'Each group is a role here, and another group gives a role of the same name.',
    remedy: ({ again }) => `Rename one of the two groups by more than capitals, spaces and signs. ${again}`,
  },
  'created-meanwhile': {
    problem: ({ what }) => `Another request created the same ${what} at the same moment.`,
    remedy: ({ what, again }) => `The ${what} is there: have the client look it up. ${again}`,
  },
  'user-has-account': {
    problem: () =>
      'The application has an account that is, or may be, this person, and the tenant does not take such users.',
    remedy: ({ again }) =>
      `Verify the domain of the address, or give the user the externalId of the account. Or set "adoption" so that such users wait for a review. ${again}`,
  },
  'user-is-another': {
    problem: () => 'The tenant has a user of this userName, and nothing proves that it is the same person.',
    remedy: ({ match, again }) =>
      `${match} Or verify the domain of the userName, where both have the same externalId or one has none. ${again}`,
  },
  'reference-unknown': {
    problem: ({ Name }) => `${Name} referred to a user or group that the tenant does not have.`,
    remedy: ({ name, again }) =>
      `Have ${name} send that person first, or set deferReferenceChecks for the tenant. ${again}`,
  },
  'role-not-offered': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} sent ${field} with a value that the application does not offer.`,
    remedy: ({ name, again }) =>
      `Have ${name} import what the application offers, and assign one of these. Or ask ${OPERATOR} to add the value to the catalogue. ${again}`,
  },
  'member-deleted-meanwhile': {
    problem: () => 'Somebody deleted a member of the group at the same moment.',
    remedy: ({ again }) => `Take the member out of the group. ${again}`,
  },
  'resource-not-found': {
    problem: ({ Name, what }) => `${Name} asked for a ${what} that the tenant does not have, or no longer.`,
    remedy: ({ what, again }) =>
      `A first look-up may find nothing, and needs no remedy. Otherwise have the ${what} made anew: unassign and assign it. ${again}`,
  },
} as const satisfies Partial<Record<Reason, Explanation>>
