// What the app needs of the browser beside its pages.

const AT_ONCE_MS = 250
const PAUSE_MS = 400
const SLOW_MS = 1500
const UNSENT = "bnn_unsent"
// As in page.css.
const NARROW = matchMedia("(max-width: 1100px)")

export default function ({ data, setStateValue, setTriggerValue }) {
  joinSteps()
  tellWidth(data.narrow, setStateValue)
  if (!window.bnnListens) {
    window.bnnListens = true
    returnToAsked()
    sendUnsent(setTriggerValue)
    sendWhileTyping()
    leadThroughDialogs()
    listenToKeys()
    sayWhatIsNotRecorded()
    scrollToOpened()
    keepFocus()
    keepStudyInHelp()
    nameTheApp()
  }
  Object.entries(data.cookies).forEach(([cookie, text]) => remember(cookie, text))
}

// A canvas of a table cannot hide columns by itself: the server is told of a narrow window.
function tellWidth (known, setStateValue) {
  const tell = () => { if (NARROW.matches !== known) setStateValue("narrow", NARROW.matches) }
  NARROW.onchange = tell
  tell()
}

// After a login, the page that was asked for before it (login.js).
function returnToAsked () {
  const asked = sessionStorage.getItem("bnn_asked")
  sessionStorage.removeItem("bnn_asked")
  if (asked && asked !== location.pathname + location.search) location.replace(location.origin + asked)
}

// One action of the user is one step of the history, so Back shows the previous screen.
// Streamlit changes the address in several steps. Some are entries of the history: every filter that
// Reset removes is one, and when the page changes, the first entries have the old page's path without
// its parameters, or with those of the new page. A menu's value replaces the entry of what was done
// before. Here the first change after a click or a key is an entry, and the others replace it; changes
// of one page within a moment (a slider moved by keys) are one entry too. What comes without an action,
// after the page is loaded or after Back, replaces the entry: a new one would end the way forward.
function joinSteps () {
  if (history.bnnJoinsSteps) return
  history.bnnJoinsSteps = true
  let [action, stepped, pushed] = [0, 0, null]
  // A click that is no pointer's comes from a key or from a screen reader.
  for (const kind of ["pointerdown", "keydown", "click"]) {
    window.addEventListener(kind, event => { if (kind !== "click" || !event.detail) action += 1 },
      { capture: true, passive: true })
  }
  const push = history.pushState.bind(history)
  const replace = history.replaceState.bind(history)
  const change = isPush => (state, unused, url) => {
    const target = new URL(url ?? "", location.href)
    const samePage = target.pathname === location.pathname
    // A new page begins at its top; Streamlit keeps how far the old one was scrolled.
    if (!samePage) document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0)
    const here = pushed?.href === location.href
    const atOnce = here && samePage && performance.now() - pushed.when < AT_ONCE_MS
    const isNew = isPush || target.href !== location.href
    if (stepped === action || atOnce || !isNew) return replace(state, unused, url)
    push(state, unused, url)
    stepped = action
    pushed = { when: performance.now() }
  }
  const kept = isPush => (...step) => {
    change(isPush)(...step)
    if (pushed) pushed.href = location.href
  }
  history.pushState = kept(true)
  history.replaceState = kept(false)
  window.addEventListener("popstate", () => { [stepped, pushed] = [action, null] })
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
    if (!typingIn(field)) return
    // React hears it, and Streamlit's shortcuts, which listen to the document, do not: for them the key
    // would stay pressed, and no other key would be a shortcut.
    const stop = event => event.stopPropagation()
    document.documentElement.addEventListener("keydown", stop)
    field.dispatchEvent(new KeyboardEvent("keydown", {
      key: "Enter", code: "Enter", ctrlKey: field.matches("textarea"), bubbles: true }))
    document.documentElement.removeEventListener("keydown", stop)
  }
  window.addEventListener("input", event => {
    clearTimeout(waiting)
    if (typingIn(event.target)) waiting = setTimeout(send, PAUSE_MS, event.target)
    keepUnsent(event.target)
  }, true)
  window.addEventListener("keydown", event => {
    if (event.key === "Escape") send(event.target)
  }, true)
  window.addEventListener("beforeunload", () => send(document.activeElement))
}

// What was typed in the moment before a reload may not reach the server: the session that would take it
// ends. This tab keeps the note of an open dialog and sends it when the page is loaded again.
function keepUnsent (field) {
  const form = field.closest?.("[role=dialog] [class*=_note]")?.className.match(/st-key-(\S+)_note/)?.[1]
  if (form) sessionStorage.setItem(UNSENT, JSON.stringify({ form, note: field.value }))
}

function sendUnsent (setTriggerValue) {
  const unsent = sessionStorage.getItem(UNSENT)
  sessionStorage.removeItem(UNSENT)
  if (unsent) setTriggerValue("unsent", JSON.parse(unsent))
}

// A dialog begins with the focus on its first field. A problem that the server names takes the focus
// to its field, the one above it.
function leadThroughDialogs () {
  const begun = new WeakSet()
  let named = ""
  new MutationObserver(() => {
    const dialog = document.querySelector("[role=dialog]")
    if (!dialog) sessionStorage.removeItem(UNSENT)
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

// Ctrl-Z presses Undo where the page has one, and in an open form the digits press its buttons: the
// classes where one is asked for, else the decisions. In a text field these keys belong to the text.
function listenToKeys () {
  window.addEventListener("keydown", event => {
    if (event.target.matches?.("textarea, input:not([type=radio], [role=combobox])")) return
    const dialog = document.querySelector("[role=dialog]")
    const key = event.key.toLowerCase()
    let pressed = null
    if ((event.ctrlKey || event.metaKey) && !event.altKey && "zy".includes(key) && !dialog) {
      const redo = key === "y" || event.shiftKey
      pressed = [...document.querySelectorAll(redo ? ".st-key-review_Redo button"
        : ".st-key-review_Undo button, [class*=st-key-][class*=_undo] button")].at(-1)
    } else if (dialog && /^[1-9]$/.test(key) && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const classes = dialog.querySelectorAll("[class*=_new_label] input[type=radio]")
      const decisions = dialog.querySelectorAll("[class*=_decision] button")
      pressed = (classes.length ? classes : decisions)[Number(key) - 1]
    }
    if (!pressed) return
    event.preventDefault()
    event.stopPropagation()
    pressed.click()
  }, true)
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

// An image opened below its wall, or a selection below its chart, is scrolled into view, and kept there
// while its pictures make it higher, until the user does something else.
function scrollToOpened () {
  let shown = ""
  const grows = new ResizeObserver(([entry]) => entry.target.scrollIntoView({ block: "nearest" }))
  for (const kind of ["wheel", "pointerdown", "keydown"]) {
    window.addEventListener(kind, () => grows.disconnect(), { capture: true, passive: true })
  }
  const look = () => {
    const opened = [...document.querySelectorAll("[class*=st-key-scroll_to_]")].at(-1)
    const name = opened?.className.match(/st-key-scroll_to_\S+/)?.[0] ?? ""
    if (name && name !== shown) {
      grows.disconnect()
      grows.observe(opened)
    }
    shown = name
  }
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true })
  look() // the page may be drawn before this script comes
}

// Streamlit makes a button anew that becomes the primary one, or no longer is; the focus stays on it.
// Between two fields the focus is on the page for a moment, and a tooltip closes: the button is still there.
// A button of the queue, or one that adds a job to it, goes when it is pressed; the focus moves to its job.
function keepFocus () {
  let key = null
  let queues = false
  let focused = null
  window.addEventListener("focusin", event => {
    focused = event.target
    const button = focused.closest?.("[data-testid=stButton]")
    key = button?.closest("[class*=st-key-]")?.className.match(/st-key-\S+/)[0]
    queues = Boolean(button?.closest("[class*=st-key-queue_], .st-key-jobs"))
  })
  window.addEventListener("pointerdown", () => { key = null }, true)
  new MutationObserver(() => {
    if (!key || focused.isConnected || document.activeElement !== document.body) return
    const same = document.querySelector(`.${CSS.escape(key)} [data-testid=stButton] button`)
    const job = key.match(/st-key-job_\d+_/)?.[0]
    const ofJob = job && document.querySelector(`.st-key-jobs [class*=${job}] button`)
    const last = [...document.querySelectorAll(".st-key-jobs [class*=st-key-job_] button")].at(-1)
    const next = same ?? (queues ? ofJob ?? last : null)
    next?.focus({ preventScroll: true })
  }).observe(document.body, { childList: true, subtree: true })
}

// A link to Help opens a tab of its own, which would show the newest study.
function keepStudyInHelp () {
  window.addEventListener("click", event => {
    const link = event.target.closest?.('a[href*="help?about="]')
    const study = new URLSearchParams(location.search).get("study")
    if (!link || !study) return
    const target = new URL(link.href)
    target.searchParams.set("study", study)
    link.href = target.href
  }, true)
}

// When the server is gone, Streamlit names a command with a file that does not exist, or asks about the
// internet.
function nameTheApp () {
  const lost = /Streamlit server is not responding\. Are you connected to the internet\?/
  new MutationObserver(() => {
    for (const dialog of document.querySelectorAll("[role=dialog]")) {
      if (!/yourscript\.py|Streamlit server/.test(dialog.textContent)) continue
      const texts = document.createTreeWalker(dialog, NodeFilter.SHOW_TEXT)
      while (texts.nextNode()) {
        texts.currentNode.data = texts.currentNode.data.replace("yourscript.py", "app.py")
          .replace(lost, "The server of this app does not answer. Was it stopped? Start it again: " +
            "streamlit run app.py. What was recorded is kept.")
      }
    }
  }).observe(document.body, { childList: true, subtree: true })
}

// What outlives a reload is in a cookie; an empty one is forgotten.
function remember (cookie, text) {
  const seconds = text ? 365 * 24 * 3600 : 0
  document.cookie =
    `${cookie}=${encodeURIComponent(text)}; path=/; max-age=${seconds}; SameSite=Lax`
}
