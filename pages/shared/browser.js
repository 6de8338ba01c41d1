// What the app needs of the browser beside its pages.

export default function () {
  joinSteps()
  handInOnEscape()
}

// Back leads from One image to what was looked at before.
// Streamlit changes page in steps, each an entry of the history; the first ones have the new query
// under the old page's path: an address that shows neither. The step after such an entry takes its
// place. An address that was opened so, by an old link, is nobody's step and stays.
function joinSteps () {
  if (history.bnnJoinsSteps) return
  history.bnnJoinsSteps = true
  const push = history.pushState.bind(history)
  let pushed = null
  history.pushState = (state, unused, url) => {
    const names = new URLSearchParams(location.search).has("image")
    const there = /\/one_image\/*$/.test(location.pathname)
    const passing = names && !there && location.href === pushed
    if (passing) history.replaceState(state, unused, url)
    else push(state, unused, url)
    pushed = location.href
  }
}

// Streamlit hands in what is typed when its field is left. Escape shuts a form without leaving the
// field first, and what was typed last would be lost.
function handInOnEscape () {
  if (document.bnnHandsIn) return
  document.bnnHandsIn = true
  document.addEventListener("keydown", event => {
    const inForm = event.target.closest?.("[data-testid=stPopoverBody]")
    if (event.key === "Escape" && inForm) event.target.blur()
  }, true)
}
