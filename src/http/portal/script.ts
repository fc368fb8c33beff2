import { createHash } from 'node:crypto'

/**
 * The script of all pages of the portal; each works without it. It shows the buttons that copy a value, and puts fresh rows into
 * what says where to get them, as long as somebody looks.
 */
export const SCRIPT = `
for (const button of document.querySelectorAll('button[data-copy]')) {
  button.hidden = false
  const label = button.textContent
  button.addEventListener('click', async () => {
    const text = button.dataset.copy
    try { await navigator.clipboard.writeText(text) } catch {
      const area = document.createElement('textarea')
      area.value = text
      document.body.append(area)
      area.select()
      document.execCommand('copy')
      area.remove()
      button.focus()
    }
    button.textContent = 'Copied'
    setTimeout(() => { button.textContent = label }, 2000)
  })
}
for (const live of document.querySelectorAll('[data-live]')) {
  let left = 600
  const again = async () => {
    if (document.visibilityState === 'visible') {
      left--
      try {
        const answer = await fetch(live.dataset.live, { headers: { Accept: 'text/html' }, redirect: 'error' })
        if (answer.status === 401 || answer.status === 410) return location.reload()
        const rows = answer.ok ? await answer.text() : live.innerHTML
        if (rows !== live.innerHTML) live.innerHTML = rows
      } catch {
        // The network is away: what is shown stays, and the next look may succeed.
      }
    }
    if (left > 0) setTimeout(again, 3000)
  }
  setTimeout(again, 3000)
}
`

/** The source of the script for a `Content-Security-Policy`. */
export const SCRIPT_SOURCE = `'sha256-${createHash('sha256').update(SCRIPT).digest('base64')}'`
