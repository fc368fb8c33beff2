const WIDTH = 10
const HEIGHT = 40

/** A bar for each hour, the last one on the right. @param counts of events */
export function Hours({ counts }: { counts: readonly number[] }) {
  const most = Math.max(...counts, 1)
  const total = counts.reduce((sum, count) => sum + count, 0)
  const summary = `${total.toLocaleString('en')} events in the last ${counts.length} hours, at most ${most.toLocaleString('en')} in one`
  return (
    <>
      <svg
        class="hours"
        viewBox={`0 0 ${counts.length * WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={total === 0 ? 'No events in the last 24 hours' : summary}
      >
        {counts.map((count, i) => {
          const height = count === 0 ? 1 : Math.max(2, (count / most) * HEIGHT)
          return (
            <rect
              class={count === 0 ? 'none' : ''}
              x={i * WIDTH + 1}
              y={HEIGHT - height}
              width={WIDTH - 2}
              height={height}
            >
              <title>{`${count} events, ${counts.length - 1 - i} hours ago`}</title>
            </rect>
          )
        })}
      </svg>
      <p class="axis">
        <span>{counts.length} hours ago</span>
        <span>{total === 0 ? 'no events' : `up to ${most.toLocaleString('en')} an hour`}</span>
        <span>now</span>
      </p>
    </>
  )
}
