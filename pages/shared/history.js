// Back leads to what was looked at before, in one step.
// Streamlit changes the address in steps, each an entry of the history: every filter that Reset
// takes off is one, and when the page changes the first ones have the new query under the old
// page's path, an address that shows neither. The step after such an entry takes its place, and so
// does one that comes at once. An address that was opened, by an old link, is nobody's step and
// stays.

const AT_ONCE_MS = 250

export default function () {
  if (history.bnnJoinsSteps) return
  history.bnnJoinsSteps = true
  const push = history.pushState.bind(history)
  let pushed = null
  let when = -AT_ONCE_MS
  history.pushState = (state, unused, url) => {
    const here = location.href === pushed
    const names = new URLSearchParams(location.search).has("image")
    const there = /\/one_image\/*$/.test(location.pathname)
    const passing = here && names && !there
    const samePage = new URL(url ?? "", location.href).pathname === location.pathname
    const atOnce = here && samePage && performance.now() - when < AT_ONCE_MS
    if (passing || atOnce) history.replaceState(state, unused, url)
    else push(state, unused, url)
    pushed = location.href
    when = performance.now()
  }
}
