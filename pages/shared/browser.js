// What the app needs of the browser beside its pages.

const AT_ONCE_MS = 250
const PAUSE_MS = 400
const SLOW_MS = 1500

export default function ({ data }) {
  joinSteps()
  if (!window.bnnListens) {
    window.bnnListens = true
    sendWhileTyping()
    leadThroughDialogs()
    sayWhatIsNotRecorded()
  }
  Object.entries(data.cookies).forEach(([cookie, text]) => remember(cookie, text))
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

// A field in a dialog whose text must not be lost.
function typingIn (field) {
  return field?.matches?.("[role=dialog] textarea, [role=dialog] input:not([role=combobox])")
}

// Streamlit sends what is typed when its field is left. In a dialog it is sent while one types, before
// Escape closes the dialog and before the page is left, so the server always has the draft.
function sendWhileTyping () {
  let waiting
  const send = field => {
    clearTimeout(waiting)
    if (typingIn(field)) {
      field.dispatchEvent(new KeyboardEvent("keydown", {
        key: "Enter", code: "Enter", ctrlKey: field.matches("textarea"), bubbles: true }))
    }
  }
  window.addEventListener("input", event => {
    clearTimeout(waiting)
    if (typingIn(event.target)) waiting = setTimeout(send, PAUSE_MS, event.target)
  }, true)
  window.addEventListener("keydown", event => {
    if (event.key === "Escape") send(event.target)
  }, true)
  window.addEventListener("beforeunload", () => send(document.activeElement))
}

// A dialog begins with the focus on its first field. A problem that the server names takes the focus
// to its field, the one above it.
function leadThroughDialogs () {
  const begun = new WeakSet()
  let named = ""
  new MutationObserver(() => {
    const dialog = document.querySelector("[role=dialog]")
    const fields = [...(dialog?.querySelectorAll("input, textarea") ?? [])]
    if (fields.length && !begun.has(dialog)) {
      begun.add(dialog)
      fields[0].focus()
    }
    const problem = problemIn(dialog)
    if (problem && problem.className !== named) {
      const above = fields.filter(field => field.compareDocumentPosition(problem) &
        Node.DOCUMENT_POSITION_FOLLOWING).at(-1)
      problem.id = "bnn-problem"
      problem.scrollIntoView({ block: "nearest" })
      if (/problem_(new_label|reviewer)/.test(problem.className)) {
        above?.setAttribute("aria-describedby", problem.id)
        above?.focus()
      }
    }
    named = problem?.className ?? ""
  }).observe(document.body, { childList: true, subtree: true })
}

function problemIn (dialog) {
  return [...(dialog?.querySelectorAll("[class*=st-key-flag_problem_]") ?? [])]
    .find(problem => problem.textContent.trim())
}

// A decision is recorded when its dialog closes, and not when its button is pressed: on a slow server
// the dialog says so.
function sayWhatIsNotRecorded () {
  window.addEventListener("click", event => {
    const dialog = event.target.closest?.("[role=dialog]")
    if (!dialog || !event.target.closest("[class*=_go] button")) return
    const before = problemIn(dialog)?.className
    const notice = document.createElement("p")
    notice.setAttribute("role", "status")
    notice.className = "bnn-not-recorded"
    notice.style.cssText = "margin: 0; padding: 0 1.4rem 1.2rem"
    dialog.querySelectorAll(".bnn-not-recorded").forEach(old => old.remove())
    dialog.append(notice)
    const pressed = performance.now()
    const look = setInterval(() => {
      const answered = !dialog.isConnected || problemIn(dialog)?.className !== before
      if (answered || !notice.isConnected) {
        clearInterval(look)
        notice.remove()
      } else if (performance.now() - pressed > SLOW_MS && !notice.textContent) {
        notice.textContent = "Not recorded yet: the server has not answered. Keep this page open. " +
          "This window closes when your decision is recorded."
      }
    }, 200)
  }, true)
}

// What outlives a reload is in a cookie; an empty one is forgotten.
function remember (cookie, text) {
  const seconds = text ? 365 * 24 * 3600 : 0
  document.cookie =
    `${cookie}=${encodeURIComponent(text)}; path=/; max-age=${seconds}; SameSite=Lax`
}
