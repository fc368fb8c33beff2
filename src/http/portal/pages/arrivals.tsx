import { Badge, Card, counted, Moment, type Tone } from '../../console/parts.tsx'
import { type Arrival, arrivalsOf, type Outcome } from '../arrivals.ts'
import { standingOf } from '../connection.ts'
import { linkOf, type PortalApp, type PortalContext } from '../env.ts'
import { pathOfLink } from '../layout.tsx'

/** `/setup/{link}/arrivals`: what the identity provider has sent lately, and how many have arrived. */
export function arrivalPages(app: PortalApp): void {
  app.get('/:link/arrivals', async (c) => {
    const path = pathOfLink(linkOf(c).link.id)
    return c.render(
      <>
        <h1>What arrives</h1>
        <Card title="Lately" aside={<a href={`${path}/arrivals`}>Look again</a>}>
          <div data-live={`${path}/arrivals/rows`} role="log" aria-label="What has arrived">
            {await rowsOf(c)}
          </div>
        </Card>
      </>,
      { title: 'What arrives' },
    )
  })

  /** The same rows alone, which the script puts into the page. */
  app.get('/:link/arrivals/rows', async (c) => c.html(await rowsOf(c)))
}

async function rowsOf(c: PortalContext) {
  const standing = await standingOf(c)
  return <Rows users={standing.users} groups={standing.groups} arrivals={await arrivalsOf(c, standing)} />
}

const TONES: Readonly<Record<Outcome, Tone>> = {
  ...{ arrived: 'good', changed: 'plain', left: 'warn', asked: 'plain', refused: 'bad' },
}

function Rows({ users, groups, arrivals }: { users: number; groups: number; arrivals: readonly Arrival[] }) {
  return (
    <div class="rows">
      <p>
        <strong>{counted(users, 'user')}</strong> and <strong>{counted(groups, 'group')}</strong> are here.
      </p>
      {arrivals.length === 0 ? (
        <p class="quiet">
          Nothing has arrived yet. Test the connection at your identity provider: its request appears here within
          seconds.
        </p>
      ) : (
        <ol class="arrivals">
          {arrivals.map(({ at, outcome, what, remedy }) => (
            <li>
              <span class="when">
                <Moment at={at} />
              </span>
              <span>
                <Badge tone={TONES[outcome]}>{outcome}</Badge> {what}
              </span>
              {remedy !== undefined && <span class="remedy">{remedy}</span>}
            </li>
          ))}
        </ol>
      )}
    </div>
  )
}
