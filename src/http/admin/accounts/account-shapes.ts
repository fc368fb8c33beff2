import { z } from '@hono/zod-openapi'
import type { PostedAccount } from '../../../repositories/accounts/posted.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { plainText } from '../../control/schemas.ts'

/** An account's own id. */
export const accountId = plainText.max(200).openapi({ description: "The application's own id of the account." })

const address = z.union([plainText.max(320), z.strictObject({ value: plainText.max(320), verified: z.boolean() })])

/** An account as the application posts it. */
export const postedAccount = z
  .strictObject({
    id: accountId,
    externalId: plainText
      .nullish()
      .openapi({ description: 'The id that the identity provider has of the person, where the application knows it.' }),
    userName: plainText.nullish(),
    displayName: plainText.nullish(),
    addresses: z.array(address).max(20).default([]).openapi({
      description: 'E-mail addresses, the primary one first. Text alone is a verified one.',
    }),
    active: z.boolean().default(true),
    roles: z.array(plainText.max(200)).max(200).nullish().openapi({
      description: 'Keys of the roles that the person has there, to be compared with those of the directory.',
    }),
  })
  .openapi('PostedAccount')

export const exampleAccount = {
  ...{ id: 'acc_1842', externalId: '00u1ada', userName: 'ada@acme.example', displayName: 'Ada Byron' },
  ...{ addresses: [{ value: 'ada@acme.example', verified: true }], active: true, roles: ['editor'] },
}

/** As the repositories take it. */
export const asAccount = (posted: z.infer<typeof postedAccount>): PostedAccount => ({
  ...{ id: posted.id, externalId: posted.externalId ?? null, userName: posted.userName ?? null },
  ...{ displayName: posted.displayName ?? null, active: posted.active, roles: posted.roles ?? null },
  addresses: posted.addresses.map((one) => (typeof one === 'string' ? { value: one, verified: true } : one)),
})

/** An account as it is read. */
export const account = z
  .object({
    id: z.string(),
    externalId: z.string().nullable(),
    userName: z.string().nullable(),
    displayName: z.string().nullable(),
    addresses: z.array(z.object({ value: z.string(), verified: z.boolean() })),
    active: z.boolean(),
    roles: z.array(z.string()).nullable(),
    user: z.string().nullable().openapi({ description: 'Id of the user of the directory; null where there is none.' }),
    linkedBy: z.enum(['externalId', 'userName', 'email', 'review']).nullable(),
    linkedAt: z.string().nullable(),
    postedAt: z.string(),
    mergedInto: z.string().nullable().openapi({ description: 'The account that it was merged into by a decision.' }),
  })
  .openapi('Account')
export const exampleStoredAccount: z.infer<typeof account> = {
  ...exampleAccount,
  ...{ user: EXAMPLE.userId, linkedBy: 'externalId', linkedAt: EXAMPLE.created, postedAt: EXAMPLE.created },
  mergedInto: null,
}
