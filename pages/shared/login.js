// Keeps the page that was asked for in this tab, for browser.js to return to it after the login.

export default function () {
  if (window.bnnAsks) return
  window.bnnAsks = true
  window.addEventListener("click", event => {
    if (event.target.closest?.(".st-key-login button")) {
      sessionStorage.setItem("bnn_asked", location.pathname + location.search)
    }
  }, true)
}
