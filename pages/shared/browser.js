// What the app needs of the browser beside its pages.

const AT_ONCE_MS = 250

export default function ({ data }) {
  joinSteps()
  handInOnEscape()
  remember(data.cookie, data.reviewer)
}

// Back leads to what was looked at before, in one step.
// Streamlit changes the address in steps, each an entry of the history: every filter that Reset
// takes off is one, and when the page changes the first ones have the new query under the old
// page's path, an address that shows neither. The step after such an entry takes its place, and so
// does one that comes at once. An address that was opened, by an old link, is nobody's step and
// stays.
function joinSteps () {
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

// Streamlit hands in what is typed a moment after its field is left. Escape would shut a form before,
// and what was typed last be lost: the field is left first, Escape follows.
function handInOnEscape () {
  if (window.bnnHandsIn) return
  window.bnnHandsIn = true
  window.addEventListener("keydown", event => {
    const field = event.target
    const typing = field === document.activeElement && field.matches("textarea, input")
    if (event.key !== "Escape" || !typing || !field.closest("[data-testid=stPopoverBody]")) return
    event.stopImmediatePropagation()
    field.blur()
    const again = new KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true })
    setTimeout(() => field.dispatchEvent(again), 100)
  }, true)
}

// The reviewer's name outlives a reload in a cookie; an empty one forgets it.
function remember (cookie, name) {
  const seconds = name ? 365 * 24 * 3600 : 0
  document.cookie =
    `${cookie}=${encodeURIComponent(name)}; path=/; max-age=${seconds}; SameSite=Lax`
}
