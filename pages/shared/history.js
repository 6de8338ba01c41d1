// Back leads from One image to what was looked at before.
// Streamlit changes page in steps, each an entry of the history; the first ones have the new query
// under the old page's path: an address that shows neither. The step after such an entry takes its
// place.

export default function () {
  if (history.steps) return
  history.steps = true
  const push = history.pushState.bind(history)
  history.pushState = (state, unused, url) => {
    const names = new URLSearchParams(location.search).has("image")
    const passing = names && !location.pathname.endsWith("/one_image")
    return passing ? history.replaceState(state, unused, url) : push(state, unused, url)
  }
}
