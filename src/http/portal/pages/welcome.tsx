import { Form } from '../../console/parts.tsx'
import type { TenantPlace } from '../../control/places.ts'

/** What a browser sees that has opened the link: nothing is counted, and nothing is to be had, before somebody begins. */
export function Welcome({ place: { tenant }, path }: { place: TenantPlace; path: string }) {
  return (
    <section class="narrow card">
      <h1>Connect your identity provider</h1>
      <p>
        Here you connect the identity provider of <strong>{tenant.name}</strong>, so that your people and groups arrive
        by themselves.
      </p>
      <p class="quiet">You need to be an administrator of it. What you do here is recorded.</p>
      <Form action={`${path}/begin`}>
        <button type="submit" class="main">
          Begin
        </button>
      </Form>
    </section>
  )
}

/** What a browser sees that has left. */
export function Goodbye() {
  return (
    <section class="narrow card">
      <h1>You have left</h1>
      <p>To come back, open the link that you were sent once more.</p>
    </section>
  )
}
